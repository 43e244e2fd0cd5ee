/**
 * Rules as an operator, a plugin or a program writes them, checked and compiled. In code the keys are camelCase, over HTTP
 * snake_case; what comes out is the same. Each mistake is a sentence without its full stop that names the key.
 */
import { RuleDefinition } from "../contract/Rule.ts"
import { type CompiledCondition, compileCondition } from "../safety/Condition.ts"
import { fieldOf } from "../safety/FieldPath.ts"
import { check, unknownKey } from "./Explain.ts"
import { NotPlainJson, toPlainJson } from "./PlainJson.ts"
import { TimeWindowSetting } from "./TimeWindowSetting.ts"

export interface ReadRule {
  readonly definition: RuleDefinition
  readonly condition: CompiledCondition
}

export type RuleRead =
  | { readonly ok: true; readonly value: ReadRule }
  | { readonly ok: false; readonly mistakes: readonly [string, ...Array<string>] }

export interface RuleReadOptions {
  /** Where it is written: decides the keys and what they are called. */
  readonly style: "code" | "wire"
  /** Before the keys in a sentence: `rules[0]`. Default: nothing. */
  readonly at?: string
  /** Of a time window that names none. */
  readonly timezone: string
}

/** The keys that a path of a rule's condition may begin with. */
export const ruleRoots: ReadonlyArray<string> = [
  "event_id",
  "schema_version",
  "occurred_at",
  "ingested_at",
  "source",
  "actor",
  "content",
  "context",
  "correlation",
  "security",
  "state"
]

const inCode: ReadonlyArray<readonly [code: string, wire: string]> = [
  ["debounceMs", "debounce_ms"],
  ["quietHours", "quiet_hours"],
  ["heldForMs", "held_for_ms"],
  ["windowMs", "window_ms"]
]

const checkDefinition = check(RuleDefinition, "field")
const checkWindow = check(TimeWindowSetting, "part")

export const readRule = (given: unknown, { at = "", style, timezone }: RuleReadOptions): RuleRead => {
  const noun = style === "code" ? "setting" : "field"
  const place = (key: string): string => at === "" ? key : `${at}.${key}`
  /** In the words of whoever wrote it. */
  const said = (mistakes: ReadonlyArray<string>): RuleRead => {
    const [first = "the rule is wrong", ...rest] = mistakes.map((mistake) =>
      style === "wire" ? mistake : asCode(mistake)
    )
    return { ok: false, mistakes: [first, ...rest] }
  }
  let plain: unknown
  try {
    plain = toPlainJson(given)
  } catch (error) {
    return said([`the rule ${at} ${error instanceof NotPlainJson ? error.message : "can't be read"}`])
  }
  if (style === "code") {
    const wire = firstWireKey(plain)
    if (wire !== undefined) return { ok: false, mistakes: [unknownKey(place(wire[1]), [wire[0]], noun, wire[1])] }
    plain = toWire(plain)
  }
  const checked = checkDefinition(plain)
  if (!checked.ok) {
    return said(
      checked.mistakes.map((mistake) =>
        mistake.replace(
          /^(the|there is no) fields? "/,
          (_, start: string) => `${start} ${noun} "${at === "" ? "" : `${at}.`}`
        )
          .replace(/^the fields must/, `the rule ${at} must`)
      )
    )
  }
  const definition = checked.value
  const mistakes: Array<string> = []
  const refuse = (key: string, is: string) => mistakes.push(`the ${noun} ${JSON.stringify(place(key))} ${is}`)
  const compiled = compileCondition(definition.when, noun, { at: place("when"), timezone, roots: ruleRoots })
  if (!compiled.ok) mistakes.push(...compiled.mistakes)
  const quiet = definition.quiet_hours
  if (typeof quiet === "object") {
    const window = checkWindow(quiet)
    if (!window.ok) refuse("quiet_hours", `must be a time window: ${window.mistakes.join(", and ")}`)
  }
  if (quiet !== undefined && quiet !== false && isPartlyUrgent(definition)) {
    refuse(
      "then",
      "has a notify of urgency high, which is said in quiet hours too, beside actions that quiet_hours hold back: make two rules"
    )
  }
  if (definition.per !== undefined && fieldOf(definition.per) === undefined) {
    refuse("per", "must be keys joined by dots, such as \"content.structured.entity_id\"")
  }
  const stateful = definition.held_for_ms !== undefined || (compiled.ok && compiled.value.needsPrevious)
  if (stateful && definition.stop === true) {
    refuse("stop", "can't be true where the rule has changed or held_for_ms: whether it holds is known only later")
  }
  if (!stateful && definition.per !== undefined) {
    refuse("per", "means nothing without changed or held_for_ms: remove it")
  }
  if (!compiled.ok || mistakes.length > 0) return said(mistakes)
  return {
    ok: true,
    value: {
      definition: {
        ...definition,
        when: compiled.value.source,
        ...(typeof quiet === "object" ? { quiet_hours: { timezone, ...quiet } } : {})
      },
      condition: compiled.value
    }
  }
}

const isPartlyUrgent = ({ then }: RuleDefinition): boolean => {
  const urgent = then.filter((action) => "notify" in action && action.notify.urgency === "high")
  return urgent.length > 0 && urgent.length < then.length
}

/** The rules of a configuration, whose names are unique. */
export const readRules = (
  given: ReadonlyArray<unknown>,
  timezone: string
): { readonly ok: true; readonly value: ReadonlyArray<ReadRule> } | {
  readonly ok: false
  readonly mistakes: ReadonlyArray<string>
} => {
  const rules: Array<ReadRule> = []
  const mistakes: Array<string> = []
  for (const [index, one] of given.entries()) {
    const at = `rules[${index}]`
    const read = readRule(one, { style: "code", at, timezone })
    if (!read.ok) mistakes.push(...read.mistakes)
    else if (rules.some(({ definition }) => definition.name === read.value.definition.name)) {
      mistakes.push(`the setting "${at}.name" is there twice: give one of the rules another name`)
    } else rules.push(read.value)
  }
  return mistakes.length > 0 ? { ok: false, mistakes } : { ok: true, value: rules }
}

/** Whether the rule's condition looks at more than one event. */
export const isStateful = ({ condition, definition }: ReadRule): boolean =>
  condition.needsPrevious || definition.held_for_ms !== undefined

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Only its own keys and those of `dedupe`: what is inside of conditions and actions is data. */
const ownKeys = (plain: unknown): ReadonlyArray<string> =>
  isRecord(plain) ? [...Object.keys(plain), ...(isRecord(plain["dedupe"]) ? Object.keys(plain["dedupe"]) : [])] : []

const firstWireKey = (plain: unknown) => inCode.find(([, wire]) => ownKeys(plain).includes(wire))

const rename = (record: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(
    Object.entries(record).map(([key, value]) => [inCode.find(([code]) => code === key)?.[1] ?? key, value])
  )

const toWire = (plain: unknown): unknown => {
  if (!isRecord(plain)) return plain
  const renamed = rename(plain)
  return isRecord(renamed["dedupe"]) ? { ...renamed, dedupe: rename(renamed["dedupe"]) } : renamed
}

const asCode = (mistake: string): string => inCode.reduce((text, [code, wire]) => text.replaceAll(wire, code), mistake)
