import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import type { Log, NewSchedule, ToolDefinition, TransactionalContext } from "syris"
import { ToolRefused } from "syris"
import timers, { clockTime, durationOf, intents } from "./index.ts"

const log: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
const parts = await timers().spec.setup({
  options: {},
  name: "timers",
  log,
  timezone: "Europe/London",
  secret: () => {
    throw new Error("unused")
  }
}) as { readonly tools: ReadonlyArray<ToolDefinition> }
const tool = parts.tools[0]!

const run = Effect.fnUntraced(function*(input: object) {
  const created: Array<NewSchedule> = []
  const ctx = { schedules: { create: (schedule: NewSchedule) => `id-${created.push(schedule)}`, cancel: () => {} } }
  const output = yield* tool.run(input, ctx as unknown as TransactionalContext) as Effect.Effect<Record<string, string>>
  return { output, created }
})

/** The input that the first matching pattern makes of a sentence, as the host has it: in any case, the whole text. */
const understood = (text: string): unknown => {
  for (const intent of intents) {
    for (const pattern of intent.patterns) {
      const groups = new RegExp(`^(?:${pattern.source})$`, "i").exec(text)?.groups
      if (groups !== undefined) return intent.input!(groups)
    }
  }
  return undefined
}

describe("timers", () => {
  it.each([
    ["set a timer for 5 minutes", { duration: "5 minutes" }],
    ["Set a timer for 5 minutes.", { duration: "5 minutes" }],
    ["please set a timer for twenty-five minutes", { duration: "twenty-five minutes" }],
    ["timer 90 seconds", { duration: "90 seconds" }],
    ["set timer 1h30m", { duration: "1h30m" }],
    ["5 minute timer", { duration: "5 minute" }],
    ["start a 5-minute timer", { duration: "5-minute" }],
    ["set a 10 min timer called Pasta", { duration: "10 min", message: "Pasta" }],
    ["set a timer called Tea for four minutes please", { duration: "four minutes", message: "Tea" }],
    ["set a timer for an hour and a half", { duration: "an hour and a half" }],
    ["set a timer for 5 minutes to boil an egg", { duration: "5 minutes", message: "boil an egg" }],
    ["remind me in 2 hours to call Sam", { duration: "2 hours", message: "call Sam", kind: "reminder" }],
    ["remind me to call Sam in 2 hours", { duration: "2 hours", message: "call Sam", kind: "reminder" }],
    ["remind me in half an hour", { duration: "half an hour", kind: "reminder" }],
    ["in ten minutes, remind me about the oven", { duration: "ten minutes", message: "the oven", kind: "reminder" }],
    ["set a timer", undefined],
    ["remind me to buy milk", undefined],
    ["remind me in the morning to run", undefined],
    ["what is a timer for 5 minutes good for?", undefined]
  ])("understands %j", (text, input) => assert.deepEqual(understood(text), input))

  it.effect("leaves a schedule and answers when it is due, in the host's zone", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-07-01T13:00:00Z"))
      const { created, output } = yield* run({ duration: "5 minutes" })
      assert.deepStrictEqual(output, {
        schedule_id: "id-1",
        due_at: "2026-07-01T13:05:00.000Z",
        message: "Timer set for 5 minutes, due at 14:05."
      })
      assert.deepStrictEqual(created, [{
        name: "Timer 5 minutes",
        at: new Date("2026-07-01T13:05:00Z"),
        notify: "Timer: 5 minutes",
        payload: {
          channel: "scheduler",
          connector_id: "timers",
          text: "Timer: 5 minutes",
          structured: { kind: "timer", duration_ms: 300_000 }
        }
      }])
    }))

  it.effect("says what it is for", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2026-07-01T22:30:00Z"))
      const reminder = yield* run({ duration: "2 hours", message: "call Sam", kind: "reminder" })
      assert.strictEqual(
        reminder.output["message"],
        "Reminder set for 2 hours from now, due at 01:30 on Thu, 2 Jul 2026: call Sam."
      )
      assert.strictEqual(reminder.created[0]?.payload.text, "Reminder: call Sam")
      const timer = yield* run({ duration: 90, message: "Tea" })
      assert.strictEqual(timer.output["message"], "Timer set for 1 minute 30 seconds (Tea), due at 23:31:30.")
    }))

  it("names the day where it is another, daylight saving included", () => {
    const at = (text: string) => new Date(text)
    assert.strictEqual(clockTime(at("2026-10-25T01:30:00Z"), at("2026-10-25T00:15:00Z"), "Europe/London"), "01:30")
    assert.match(
      clockTime(at("2026-07-03T13:05:00Z"), at("2026-07-01T13:05:00Z"), "Europe/London"),
      /^14:05 on Fri,? 3 Jul 2026$/
    )
  })

  it.each([
    [0, "A timer takes at least one second."],
    [-5, "A timer takes at least one second."],
    ["0 minutes", "A timer takes at least one second."],
    ["367 days", "A timer takes at most 366 days."],
    [1e12, "A timer takes at most 366 days."],
    ["soon", "\"soon\" is not a duration: write it as in \"5 minutes\", \"1h30m\" or \"PT90S\"."]
  ])("refuses %j", (duration, sentence) => {
    assert.throws(() => durationOf(duration), ToolRefused, sentence)
    assert.throws(() => tool.run({ duration }, {} as TransactionalContext), ToolRefused, sentence)
  })

  it("takes exactly 366 days", () => assert.strictEqual(durationOf("366 days"), 366 * 86_400_000))
})
