/**
 * Rules in words: what one does, and the one that is meant by what a person calls it. Pure.
 */
import { type RuleAction, ruleChannel, type RuleDefinition } from "../contract/Rule.ts"
import type { QuietChoice } from "../contract/Schedule.ts"
import { nearest } from "../plugin/Explain.ts"
import { brief } from "../safety/ApprovalRows.ts"
import { conditionWords } from "../safety/ConditionWords.ts"
import type { LiveRule } from "./LiveRule.ts"

const quoted = (value: unknown, longest = 200): string => brief(value, longest)

const actionInWords = (action: RuleAction): string => {
  if ("notify" in action) {
    const { channel = "chat", text, urgency = "normal" } = action.notify
    return `says ${quoted(text)} on ${channel}${urgency === "normal" ? "" : `, with urgency ${urgency}`}`
  }
  if ("tool" in action) return `calls ${action.tool} with ${quoted(action.input ?? {})}`
  if ("task" in action) {
    const { task } = action.task
    return `starts ${typeof task === "string" ? `the task ${task}` : "a task"} (${quoted(action.task, 500)})`
  }
  const { channel = ruleChannel, text, ...more } = action.emit
  return `makes an event on ${typeof channel === "string" ? channel : ruleChannel}${
    text === undefined ? "" : ` that says ${quoted(text)}`
  }` +
    (Object.keys(more).length === 0 ? "" : ` with ${quoted(more)}`)
}

const units = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"]] as const

/** In the largest unit that says all of it. */
const lengthOf = (ms: number): string => {
  const [size, name] = units.find(([size]) => ms > 0 && ms % size === 0) ?? [1_000, "s"]
  return `${ms / size} ${name}`
}

const quietInWords = (choice: Exclude<QuietChoice, false>): string => {
  if (typeof choice === "boolean") return "not in quiet hours"
  if (typeof choice === "string") return `not in the quiet hours ${quoted(choice)}`
  const { days, end, start, timezone } = choice
  return `not from ${start} to ${end}${timezone === undefined ? "" : ` ${timezone}`}` +
    (days === undefined ? "" : ` (beginning on ${days.join(", ")})`)
}

const whereInWords = (when: unknown): string => {
  const words = conditionWords(when, { path: (path) => path, value: (value) => quoted(value) })
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
        `the same${dedupe.key === undefined ? "" : ` ${quoted(dedupe.key)}`} at most once in ${
          lengthOf(dedupe.window_ms)
        }`
      ]),
    ...(quiet_hours === false ? [] : [quietInWords(quiet_hours)])
  ].join("; ")
}

/** The rule that is called so by its id, its name or the beginning of one; or a sentence that says why there is none. */
export const meantRule = (which: string, rules: ReadonlyArray<LiveRule>): LiveRule | string => {
  const wanted = which.toLowerCase()
  const named = ({ owed: { definition, rule_id } }: LiveRule) => [rule_id, definition.name]
  const fitting = [
    (word: string) => word === which,
    (word: string) => word.toLowerCase() === wanted,
    (word: string) => wanted !== "" && word.toLowerCase().startsWith(wanted)
  ]
  for (const fits of fitting) {
    const found = rules.filter((rule) => named(rule).some(fits))
    const [only] = found
    if (only === undefined) continue
    if (found.length === 1) return only
    const ids = found.slice(0, 5).map(({ owed }) => owed.rule_id).join(", ")
    return `${found.length} rules are called ${JSON.stringify(which)}: say which by its id (${ids}).`
  }
  const near = nearest(which, rules.map(({ owed }) => owed.definition.name))
  return `There is no rule called ${JSON.stringify(which)}${
    near === undefined ? ". Say \"list rules\" to see those that are there." : `; did you mean ${JSON.stringify(near)}?`
  }`
}
