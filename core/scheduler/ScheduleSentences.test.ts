import { assert, describe, it } from "vitest"
import { intents as timerIntents } from "../../plugins/timers/index.ts"
import { makeIntentMatcher } from "../plugin/IntentMatcher.ts"
import { scheduleSentences } from "./ScheduleSentences.ts"

// In the order that a host has them: the operator's plugins first.
const match = makeIntentMatcher(
  [...timerIntents, ...scheduleSentences].map((intent) => ({ ...intent, plugin: "test" }))
)

const understood = (text: string): unknown => {
  const found = match(text)
  if (found === undefined) return undefined
  const { input, name } = found.intent
  return [name, input!(found.groups)]
}

describe("what is understood about schedules", () => {
  it("has patterns that can be matched in linear time", () => assert.deepEqual(match.prepare(), []))

  it.each([
    ["remind me tomorrow at 5pm to call Sam", "schedule.remind", {
      when: "tomorrow at 5pm",
      notify: "Reminder: call Sam",
      name: "call Sam"
    }],
    ["Remind me to call Sam tomorrow at 5pm.", "schedule.remind", {
      when: "tomorrow at 5pm",
      notify: "Reminder: call Sam",
      name: "call Sam"
    }],
    ["every weekday at 7:30, remind me to stretch", "schedule.remind", {
      when: "every weekday at 7:30",
      notify: "Reminder: stretch",
      name: "stretch"
    }],
    ["remind me every second Tuesday to pay the rent", "schedule.remind", {
      when: "every second Tuesday",
      notify: "Reminder: pay the rent",
      name: "pay the rent"
    }],
    ["remind me to buy milk", "schedule.remind", { notify: "Reminder: buy milk", name: "buy milk" }],
    ["set an alarm for 7:30", "alarm.set", { when: "at 7:30" }],
    ["set an alarm for 7", "alarm.set", { when: "at 7" }],
    ["please wake me up at 6:30 tomorrow", "alarm.set", { when: "at 6:30 tomorrow" }],
    ["set an alarm for 7:30 every weekday called gym", "alarm.set", { when: "at 7:30 every weekday", label: "gym" }],
    ["schedule backup now every weekday at 7:30", "schedule.create", {
      when: "every weekday at 7:30",
      text: "backup now"
    }],
    ["every hour run backup", "schedule.create", { when: "every hour", text: "backup" }],
    ["list schedules", "schedule.list", {}],
    ["what is scheduled?", "schedule.list", {}],
    ["what's coming up", "schedule.list", {}],
    ["cancel schedule backup", "schedule.cancel", { which: "backup" }],
    ["cancel the \"morning run\" reminder", "schedule.cancel", { which: "morning run" }],
    ["pause schedule backup", "schedule.pause", { which: "backup" }],
    ["resume the schedule backup", "schedule.resume", { which: "backup" }]
  ])("%s", (text, name, input) => assert.deepEqual(understood(text), [name, input]))

  it.each([
    ["remind me in 2 hours to call Sam", "timer.remind"],
    ["in ten minutes, remind me about the oven", "timer.remind"]
  ])("%s is a timer's", (text, name) => assert.strictEqual((understood(text) as [string])[0], name))

  it.each(["schedule a meeting with Sam", "pause", "pause everything", "alarms", "cancel the task backup"])(
    "%s is nobody's here",
    (text) => assert.isUndefined(understood(text))
  )
})
