/**
 * What a record and a replayed row say of one decision, in the same words: the decision and its reasons, and nothing that
 * follows from the run of a tool, the time or the words of a preview.
 */
import type { AuditLine } from "./Records.ts"

/** What a row of the audit has in common, stored or about to be. */
export type Told = Pick<AuditLine, "type" | "tool" | "risk" | "autonomy" | "data" | "refs" | "summary">

type Says = Readonly<Record<string, unknown>>

const errorOf = ({ data }: Told): Says => {
  const { code, message } = (data["error"] ?? {}) as { readonly code?: string; readonly message?: string }
  return { code, message }
}

/** Verdicts of the gates. That a person said yes or no, or nothing in time, is no decision of the host. */
export const gateTypes: ReadonlySet<string> = new Set([
  "gate.required",
  "gate.preview",
  "gate.hard_blocked",
  "gate.antiflap_block",
  "gate.storm_block",
  "gate.scope_violation"
])

/** What a row says about a call, before it ran. */
export const sayCall = (row: Told): Says | undefined => {
  const { autonomy, data, risk, tool, type } = row
  if (type === "tool_call.attempted") return { decided: "call", tool, risk, autonomy }
  // The words of a preview are in its message.
  const error = type === "gate.required" || type === "gate.preview" ? {} : { error: errorOf(row) }
  if (gateTypes.has(type)) return { decided: type, tool, risk, autonomy, reasons: data["reasons"] ?? [], ...error }
  if (type === "tool_call.failed") return { decided: "refuse", tool, ...error }
  return undefined
}

/** What a row says of a task's way. */
export const sayStep = (row: Told): Says | undefined => {
  const { data, type } = row
  const { position } = data
  switch (type) {
    case "task.step_started":
      return { decided: "begin", position, attempt: data["attempt"] ?? 0 }
    case "task.step_succeeded":
      return { decided: "step done", position }
    case "task.step_failed":
      return { decided: "step failed", position, error: errorOf(row) }
    case "task.step_retried":
      return { decided: "retry", position, attempt: data["attempt"], of: data["of"], error: errorOf(row) }
    case "task.waiting":
      return { decided: "wait", position, for: data["waits_for"] }
    case "task.succeeded":
      return { decided: "task done" }
    case "task.failed":
      return { decided: "task failed", error: errorOf(row) }
    case "llm.step_decided":
      return { decided: "model", position, decision: data["decision"], prompt_hash: data["prompt_hash"] }
    case "llm.failed":
    case "llm.budget_exceeded":
      return { decided: type, position, error: errorOf(row) }
    default:
      return undefined
  }
}

/** A decision in short form, for a person. */
export const shortly = (says: Says, most = 160): string => {
  const { decided, ...rest } = says
  const text = Object.entries(rest)
    .flatMap(([key, value]) =>
      value === undefined ? [] : [`${key} ${typeof value === "string" ? value : JSON.stringify(value)}`]
    )
    .join(", ")
  const whole = `${String(decided)}${text === "" ? "" : `: ${text}`}`
  return whole.length <= most ? whole : `${whole.slice(0, most - 1).toWellFormed()}…`
}
