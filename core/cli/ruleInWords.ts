/**
 * A standing rule in words: over which tool, when, up to which risk, until when. Pure.
 */
import { localTime } from "./layout.ts"
import { clipped, visible } from "./visible.ts"

/** The record of `POST /policy`, as far as it is said. */
export interface StandingRule {
  readonly policy_id: string
  readonly tool: string
  readonly when: unknown
  readonly risk: string
  readonly expires_at: string
}

export const ruleInWords = ({ expires_at, policy_id, risk, tool, when }: StandingRule): string =>
  `From now until ${localTime(visible(expires_at))} ${visible(tool)} runs without asking where ${
    conditionInWords(when)
  }, up to risk ${visible(risk)} (rule ${visible(policy_id)}).`

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

/** `input.to is "a" and input.subject is "b"`; what is no condition is shown as it is. */
export const conditionInWords = (condition: unknown, inner = false): string => {
  if (typeof condition !== "object" || condition === null) return shown(condition)
  const { all, any, none, op, path, value } = condition as Readonly<Record<string, unknown>>
  if (Array.isArray(all)) return joined(all, " and ", inner)
  if (Array.isArray(any)) return joined(any, " or ", inner)
  if (Array.isArray(none)) return `not (${none.map((one) => conditionInWords(one)).join(" or ")})`
  if (typeof path !== "string" || typeof op !== "string") return shown(condition)
  if (op === "exists") return `${visible(path)} is ${value === false ? "not there" : "there"}`
  if (op === "changed") return `${visible(path)} changed`
  return `${visible(path)} ${operators[op] ?? visible(op)} ${shown(value)}`
}

const joined = (parts: ReadonlyArray<unknown>, by: string, inner: boolean): string => {
  const words = parts.map((part) => conditionInWords(part, parts.length > 1)).join(by)
  return inner && parts.length > 1 ? `(${words})` : words
}

const shown = (value: unknown): string => clipped(JSON.stringify(value) ?? "nothing", 200)
