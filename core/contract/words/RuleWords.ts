/** A rule in words: when it holds, and what it does then. */
import type { RuleAction, RuleDefinition } from "../Rule.ts"
import { ruleChannel } from "../RuleChannel.ts"
import type { QuietChoice } from "../Schedule.ts"
import { brief } from "./Brief.ts"
import { conditionInWords } from "./ConditionWords.ts"

const actionInWords = (action: RuleAction): string => {
  if ("notify" in action) {
    const { channel = "chat", text, urgency = "normal" } = action.notify
    return `says ${brief(text)} on ${channel}${urgency === "normal" ? "" : `, with urgency ${urgency}`}`
  }
  if ("tool" in action) return `calls ${action.tool} with ${brief(action.input ?? {})}`
  if ("task" in action) {
    const { task } = action.task
    return `starts ${typeof task === "string" ? `the task ${task}` : "a task"} (${brief(action.task, 500)})`
  }
  const { channel = ruleChannel, text, ...more } = action.emit
  return `makes an event on ${typeof channel === "string" ? channel : ruleChannel}${
    text === undefined ? "" : ` that says ${brief(text)}`
  }` +
    (Object.keys(more).length === 0 ? "" : ` with ${brief(more)}`)
}

const units = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"]] as const

/** In the largest unit that says all of it. */
const lengthOf = (ms: number): string => {
  const [size, name] = units.find(([size]) => ms > 0 && ms % size === 0) ?? [1_000, "s"]
  return `${ms / size} ${name}`
}

const quietInWords = (choice: Exclude<QuietChoice, false>): string => {
  if (typeof choice === "boolean") return "not in quiet hours"
  if (typeof choice === "string") return `not in the quiet hours ${brief(choice)}`
  const { days, end, start, timezone } = choice
  return `not from ${start} to ${end}${timezone === undefined ? "" : ` ${timezone}`}` +
    (days === undefined ? "" : ` (beginning on ${days.join(", ")})`)
}

const whereInWords = (when: unknown): string => {
  const words = conditionInWords(when)
  return words === "every event" || words === "no event" ? `on ${words}` : `where ${words}`
}

/** `where content.text is "dark", it calls lamp.on with {}; at most once in 10 s`. All that decides what it does is in it. */
export const ruleInWords = (definition: RuleDefinition): string => {
  const { debounce_ms = 0, dedupe, held_for_ms, per, priority = 0, quiet_hours = false, stop, then, when } = definition
  const held = held_for_ms === undefined ? "" : ` for ${lengthOf(held_for_ms)}`
  return [
    `${whereInWords(when)}${held}, it ${then.map(actionInWords).join(", and ")}`,
    ...(stop === true ? ["it claims the event: no rule after it, no intent and no model sees it"] : []),
    ...(priority === 0 ? [] : [`with priority ${priority}`]),
    ...(per === undefined ? [] : [`for each ${per}`]),
    ...(debounce_ms > 0 ? [`at most once in ${lengthOf(debounce_ms)}`] : []),
    ...(dedupe === undefined
      ? []
      : [
        `the same${dedupe.key === undefined ? "" : ` ${brief(dedupe.key)}`} at most once in ${
          lengthOf(dedupe.window_ms)
        }`
      ]),
    ...(quiet_hours === false ? [] : [quietInWords(quiet_hours)])
  ].join("; ")
}
