/**
 * What each op of a condition takes and tests. A test is total: whatever it is given, it answers, and a value of
 * another type than the op is for is no match. A field that is missing comes as `undefined`.
 *
 * - Strings compare with case, numbers with numbers; nothing is converted.
 * - `regex` runs on RE2 (`BoundedPattern.ts`) and may match anywhere; `matches` is a glob of the whole text. Neither looks
 *   at more than 64 KiB, and an expression not at what would take it too long: that is no match.
 */
import type { ConditionOp } from "../plugin/Configuration.ts"
import { check } from "../plugin/Explain.ts"
import { TimeWindowSetting } from "../plugin/TimeWindowSetting.ts"
import { boundedPattern, maximumText } from "./BoundedPattern.ts"
import { mayMatch } from "./RequiredText.ts"
import { isWithin } from "./TimeWindow.ts"

/** `previous` is the same field of the subject before; `undefined` where there is none. */
export type Test = (actual: unknown, previous?: unknown) => boolean

/** The test, or what is wrong with the value: a sentence without subject and full stop, as in `must be a string`. */
export type Made = Test | string

const maximumGlob = 200
const maximumList = 1_000

const not = (made: Made): Made => typeof made === "string" ? made : (actual, previous) => !made(actual, previous)

/** Neither a getter that throws nor a value without end is worth more than a `false`. */
const total = (test: Test): Test => (actual, previous) => {
  try {
    return test(actual, previous)
  } catch {
    return false
  }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null

/** `wanted` is plain JSON, so it ends. */
const isSame = (wanted: unknown, actual: unknown): boolean => {
  if (!isObject(wanted)) return wanted === actual
  if (!isObject(actual) || Array.isArray(wanted) !== Array.isArray(actual)) return false
  if (actual instanceof Date) return false
  const keys = Object.keys(wanted)
  return keys.length === Object.keys(actual).length &&
    keys.every((key) => Object.hasOwn(actual, key) && isSame(wanted[key], actual[key]))
}

const equal = (wanted: unknown): Test =>
  isObject(wanted) ? total((actual) => isSame(wanted, actual)) : (actual) => actual === wanted

const isScalar = (value: unknown): value is string | number | boolean | null => !isObject(value)

const oneOf = (value: unknown): Made => {
  if (!Array.isArray(value) || value.length === 0 || value.length > maximumList) {
    return `must be a list of 1 to ${maximumList} values`
  }
  const list: ReadonlyArray<unknown> = value
  const scalars = new Set<unknown>(list.filter(isScalar))
  const objects = list.filter(isObject)
  if (objects.length === 0) return (actual) => scalars.has(actual)
  return total((actual) => scalars.has(actual) || objects.some((one) => isSame(one, actual)))
}

/** A part of a string, or one of a list's items. */
const contains = (value: unknown): Made => {
  if (value === undefined || value === "") return "must be what the string or list has in it, and not empty"
  const item = equal(value)
  const inList = total((actual) => Array.isArray(actual) && actual.some((one) => item(one)))
  return typeof value === "string"
    ? (actual) => typeof actual === "string" ? actual.includes(value) : inList(actual)
    : inList
}

const onText = (make: (wanted: string) => Test) => (value: unknown): Made =>
  typeof value === "string" && value !== "" ? make(value) : "must be a string that is not empty"

/** Numbers by size; strings by their code units, so ISO 8601 moments of one zone by time. */
const ordered = (holds: <A extends number | string>(actual: A, value: A) => boolean) => (value: unknown): Made => {
  if (typeof value === "number") return (actual) => typeof actual === "number" && holds(actual, value)
  if (typeof value === "string") return (actual) => typeof actual === "string" && holds(actual, value)
  return "must be a number or a string"
}

const matches = (value: unknown): Made => {
  if (typeof value !== "string" || value === "" || value.length > maximumGlob) {
    return `must be a pattern of 1 to ${maximumGlob} characters, such as "*@example.org"`
  }
  const glob = globOf(value)
  return (actual) => typeof actual === "string" && actual.length <= maximumText && isGlob(glob, actual)
}

const anyRun = -1
const anyOne = -2

/** Code units, `*` and `?`; after a backslash these two mean themselves. */
const globOf = (pattern: string): ReadonlyArray<number> =>
  Array.from(
    pattern.matchAll(/\\([*?\\])|([^])/g),
    ([, escaped, plain = ""]) =>
      escaped !== undefined
        ? escaped.charCodeAt(0)
        : plain === "*"
        ? anyRun
        : plain === "?"
        ? anyOne
        : plain.charCodeAt(0)
  )

const isGlob = (glob: ReadonlyArray<number>, text: string): boolean => {
  let at = 0
  let part = 0
  let star = -1
  let resume = 0
  while (at < text.length) {
    const wanted = glob[part]
    if (wanted === anyRun) {
      star = part++
      resume = at
    } else if (wanted === anyOne) {
      // A character outside of the basic plane is two units.
      at += (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
      part++
    } else if (wanted === text.charCodeAt(at)) {
      at++
      part++
    } else if (star >= 0) {
      at = ++resume
      part = star + 1
    } else return false
  }
  while (glob[part] === anyRun) part++
  return part === glob.length
}

const regex = (value: unknown): Made => {
  const has = boundedPattern(value)
  if (typeof has === "string") return has
  const may = mayMatch(String(value))
  return total((actual) => typeof actual === "string" && actual.length <= maximumText && may(actual) && has(actual))
}

const exists = (value: unknown): Made => {
  if (value !== undefined && typeof value !== "boolean") return "must be true or false"
  const wanted = value ?? true
  return (actual) => (actual !== undefined) === wanted
}

const checkWindow = check(TimeWindowSetting, "part")

/** Of a moment: a `Date`, or its ISO 8601 text with a zone. */
const within = (value: unknown, timezone: string): Made => {
  const checked = checkWindow(value)
  if (!checked.ok) return `must be a time window: ${checked.mistakes.join(", and ")}`
  const { days, end, start } = checked.value
  const window = { start, end, timezone: checked.value.timezone ?? timezone, ...(days === undefined ? {} : { days }) }
  let known: { readonly minute: number; readonly answer: boolean } | undefined
  return total((actual) => {
    const at = actual instanceof Date ? actual : momentOf(actual)
    const minute = at === undefined ? Number.NaN : Math.floor(at.getTime() / 60_000)
    if (at === undefined || Number.isNaN(minute)) return false
    if (known?.minute !== minute) known = { minute, answer: isWithin(window, at) }
    return known.answer
  })
}

const momentOf = (text: unknown): Date | undefined =>
  typeof text === "string" && text.length <= 40 && /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(text)
    ? new Date(text)
    : undefined

/** Deepest and largest value that is compared with the one before; beyond, it counts as another. */
const maximumDepth = 64
const maximumParts = 100_000

const isUnchanged = (a: unknown, b: unknown, depth: number, budget: { left: number }): boolean => {
  if (!isObject(a) || !isObject(b)) return a === b
  if (depth > maximumDepth || budget.left-- < 0) return false
  if (a instanceof Date || b instanceof Date) {
    return a instanceof Date && b instanceof Date && a.getTime() === b.getTime()
  }
  const keys = Object.keys(a)
  return Array.isArray(a) === Array.isArray(b) && keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isUnchanged(a[key], b[key], depth + 1, budget))
}

const changed = (value: unknown): Made => {
  if (value !== undefined && value !== true) return "must be left out, or true"
  return total((actual, previous) => actual !== undefined && !isUnchanged(actual, previous, 1, { left: maximumParts }))
}

const any = (value: unknown): Made => value === undefined ? "is missing" : equal(value)

/** Makes the test of an op for a value; `timezone` is that of a window which names none. */
export const conditionOps: Readonly<Record<ConditionOp, (value: unknown, timezone: string) => Made>> = {
  eq: any,
  neq: (value) => not(any(value)),
  in: oneOf,
  not_in: (value) => not(oneOf(value)),
  contains,
  not_contains: (value) => not(contains(value)),
  starts_with: onText((wanted) => (actual) => typeof actual === "string" && actual.startsWith(wanted)),
  ends_with: onText((wanted) => (actual) => typeof actual === "string" && actual.endsWith(wanted)),
  matches,
  regex,
  lt: ordered((actual, value) => actual < value),
  lte: ordered((actual, value) => actual <= value),
  gt: ordered((actual, value) => actual > value),
  gte: ordered((actual, value) => actual >= value),
  exists,
  within,
  changed
}

export const isConditionOp = (op: unknown): op is ConditionOp =>
  typeof op === "string" && Object.hasOwn(conditionOps, op)
