/**
 * A condition in words: `input.to is "a" and input.subject is "b"`. How a path and a value are shown is up to whoever shows
 * them.
 */
import { brief } from "./Brief.ts"

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

const ofEvents: Wording = { always: "every event", never: "no event", there: "there", missing: "not there" }

export const ofCalls: Wording = {
  always: "it is called at all",
  never: "nothing ever fits",
  there: "given",
  missing: "not given"
}

export interface Shown {
  /** Default: as they are. */
  readonly path?: (path: string) => string
  readonly value?: (value: unknown) => string
  /** Default: that of events. */
  readonly wording?: Wording
}

interface Leaf {
  readonly path: string
  readonly op: string
  readonly value?: unknown
}

/** `content.text contains "dark"`. From outside. */
export const leafInWords = (
  { op, path, value }: Leaf,
  { path: asPath = (text) => text, value: asValue = brief, wording = ofEvents }: Shown = {}
): string => {
  if (op === "exists") return `${asPath(path)} is ${value === false ? wording.missing : wording.there}`
  if (op === "changed") return `${asPath(path)} changed`
  return `${asPath(path)} ${Object.hasOwn(operators, op) ? operators[op] : asPath(op)} ${asValue(value)}`
}

/** What is no condition is shown as a value. From outside. */
export const conditionInWords = (condition: unknown, shown: Shown = {}, isInner = false): string => {
  const { value: asValue = brief, wording = ofEvents } = shown
  if (typeof condition !== "object" || condition === null) return asValue(condition)
  const { all, any, none, op, path, value } = condition as Readonly<Record<string, unknown>>
  if (Array.isArray(all)) return all.length === 0 ? wording.always : joined(all, " and ", shown, isInner)
  if (Array.isArray(any)) return any.length === 0 ? wording.never : joined(any, " or ", shown, isInner)
  if (Array.isArray(none)) {
    return none.length === 0
      ? wording.always
      : `not (${none.map((part) => conditionInWords(part, shown)).join(" or ")})`
  }
  if (typeof path !== "string" || typeof op !== "string") return asValue(condition)
  return leafInWords({ path, op, value }, shown)
}

const joined = (parts: ReadonlyArray<unknown>, by: string, shown: Shown, isInner: boolean): string => {
  const words = parts.map((part) => conditionInWords(part, shown, parts.length > 1)).join(by)
  return isInner && parts.length > 1 ? `(${words})` : words
}
