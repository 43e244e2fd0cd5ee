/**
 * Rules in words: what one does, and the one that is meant by what a person calls it. Pure.
 */
import { type RuleAction, ruleChannel, type RuleDefinition } from "../contract/Rule.ts"
import { nearest } from "../plugin/Explain.ts"
import { brief } from "../safety/ApprovalRows.ts"
import { conditionWords } from "../safety/ConditionWords.ts"
import type { LiveRule } from "./LiveRule.ts"

const quoted = (value: unknown, longest = 200): string => brief(value, longest)

const actionInWords = (action: RuleAction): string => {
  if ("notify" in action) return `says ${quoted(action.notify.text)} on ${action.notify.channel ?? "chat"}`
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

const seconds = (ms: number): string => `${ms / 1_000} s`

/** `where content.text is "dark", it calls lamp.on with {}; at most once in 10 s`. */
export const ruleInWords = (definition: RuleDefinition): string => {
  const { debounce_ms = 0, dedupe, held_for_ms, quiet_hours, stop, then, when } = definition
  const where = conditionWords(when, { path: (path) => path, value: (value) => quoted(value) })
  const held = held_for_ms === undefined ? "" : ` for ${seconds(held_for_ms)}`
  return [
    `where ${where}${held}, it ${then.map(actionInWords).join(", and ")}`,
    ...(stop === true ? ["nothing else sees the event"] : []),
    ...(debounce_ms > 0 ? [`at most once in ${seconds(debounce_ms)}`] : []),
    ...(dedupe === undefined ? [] : [`the same once in ${seconds(dedupe.window_ms)}`]),
    ...(quiet_hours === undefined ? [] : ["not in quiet hours"])
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
