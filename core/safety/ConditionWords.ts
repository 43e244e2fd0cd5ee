/**
 * A condition in words: `input.to is "a" and input.subject is "b"`. Pure. How a path and a value are shown is up to whoever
 * shows them.
 */

const operators: Readonly<Record<string, string>> = {
  eq: "is",
  neq: "is not",
  in: "is one of",
  not_in: "is none of",
  contains: "contains",
  not_contains: "does not contain",
  starts_with: "starts with",
  ends_with: "ends with",
  matches: "looks like",
  regex: "matches",
  lt: "is less than",
  lte: "is at most",
  gt: "is more than",
  gte: "is at least",
  within: "is within"
}

export interface Shown {
  readonly path: (path: string) => string
  readonly value: (value: unknown) => string
  /** What the condition is about, for one that is true of each or of none. Default: `event`. */
  readonly noun?: string
}

/** What is no condition is shown as a value. */
export const conditionWords = (condition: unknown, shown: Shown, inner = false): string => {
  if (typeof condition !== "object" || condition === null) return shown.value(condition)
  const { all, any, none, op, path, value } = condition as Readonly<Record<string, unknown>>
  const { noun = "event" } = shown
  if (Array.isArray(all)) return all.length === 0 ? `every ${noun}` : joined(all, " and ", shown, inner)
  if (Array.isArray(any)) return any.length === 0 ? `no ${noun}` : joined(any, " or ", shown, inner)
  if (Array.isArray(none) && none.length === 0) return `every ${noun}`
  if (Array.isArray(none)) return `not (${none.map((one) => conditionWords(one, shown)).join(" or ")})`
  if (typeof path !== "string" || typeof op !== "string") return shown.value(condition)
  if (op === "exists") return `${shown.path(path)} is ${value === false ? "not there" : "there"}`
  if (op === "changed") return `${shown.path(path)} changed`
  return `${shown.path(path)} ${operators[op] ?? shown.path(op)} ${shown.value(value)}`
}

const joined = (parts: ReadonlyArray<unknown>, by: string, shown: Shown, inner: boolean): string => {
  const words = parts.map((part) => conditionWords(part, shown, parts.length > 1)).join(by)
  return inner && parts.length > 1 ? `(${words})` : words
}
