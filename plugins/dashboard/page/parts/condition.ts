/** A condition in words, of a rule as of a standing rule. Pure. */

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

/** What holds always or never, and what is there or not, by what the condition is over. */
export interface Wording {
  readonly always: string
  readonly never: string
  readonly there: string
  readonly missing: string
}

/** Of a rule over events: the same words as in the terminal. */
const ofEvents: Wording = { always: "every event", never: "no event", there: "there", missing: "not there" }

/** A value as a person is shown it, in `longest` UTF-16 units. */
export const brief = (value: unknown, longest = 200): string => {
  const text = JSON.stringify(value) ?? "nothing"
  return text.length <= longest
    ? text
    : `${text.slice(0, longest - 1).toWellFormed()}… (${text.length} characters in all)`
}

interface Leaf {
  readonly path: string
  readonly op: string
  readonly value?: unknown
}

/** `content.text contains "dark"`. From outside. */
export const leafInWords = ({ op, path, value }: Leaf, { missing, there } = ofEvents): string => {
  if (op === "exists") return `${path} is ${value === false ? missing : there}`
  if (op === "changed") return `${path} changed`
  return `${path} ${Object.hasOwn(operators, op) ? operators[op] : op} ${brief(value)}`
}

/** What is no condition is shown as a value. From outside. */
export const conditionInWords = (condition: unknown, wording = ofEvents, isInner = false): string => {
  if (typeof condition !== "object" || condition === null) return brief(condition)
  const { all, any, none, op, path, value } = condition as Readonly<Record<string, unknown>>
  const joined = (parts: ReadonlyArray<unknown>, by: string): string => {
    const words = parts.map((part) => conditionInWords(part, wording, parts.length > 1)).join(by)
    return isInner && parts.length > 1 ? `(${words})` : words
  }
  if (Array.isArray(all)) return all.length === 0 ? wording.always : joined(all, " and ")
  if (Array.isArray(any)) return any.length === 0 ? wording.never : joined(any, " or ")
  if (Array.isArray(none)) {
    return none.length === 0
      ? wording.always
      : `not (${none.map((part) => conditionInWords(part, wording)).join(" or ")})`
  }
  if (typeof path !== "string" || typeof op !== "string") return brief(condition)
  return leafInWords({ path, op, value }, wording)
}
