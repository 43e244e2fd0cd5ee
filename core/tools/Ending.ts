/**
 * What an ending of a tool's run means (contracts §10). The one place that decides between done, not done and not known.
 */
import { SqlError } from "effect/sql"
import type { Guarantee, ToolEffect } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { isTransient } from "../database/Transient.ts"
import { ToolRefused, ToolUnknown } from "../plugin/Tool.ts"

export type Ending =
  /** Done. With an error where the answer could not be used. */
  | { readonly status: "succeeded"; readonly output?: unknown; readonly error?: ErrorDetail }
  /** Not done, for certain. */
  | { readonly status: "failed"; readonly error: ErrorDetail }
  /** It may or may not have been done. */
  | { readonly status: "unknown"; readonly error: ErrorDetail }

export interface Kind {
  readonly effect: ToolEffect
  readonly guarantee: Guarantee
}

/** Nothing outside can have changed: what is not known counts as not done. */
export const leavesNoTrace = (kind: Kind): boolean => kind.effect === "read" || kind.guarantee === "transactional"

const lostConnection = new Set([
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "ENETUNREACH",
  "EHOSTUNREACH",
  "ENETDOWN",
  "ERR_STREAM_PREMATURE_CLOSE",
  "ABORT_ERR"
])

const isLostConnection = (error: unknown): boolean => {
  if (isTransient(error)) return true
  let current = error
  for (let depth = 0; depth < 5 && typeof current === "object" && current !== null; depth++) {
    const code = "code" in current ? current.code : undefined
    if (typeof code === "string" && (lostConnection.has(code) || code.startsWith("UND_ERR"))) return true
    const name = "name" in current ? current.name : undefined
    if (name === "AbortError" || name === "TimeoutError") return true
    if (current instanceof TypeError && /^(fetch failed|terminated|network error)$/i.test(current.message)) return true
    current = "cause" in current ? current.cause : undefined
  }
  return false
}

/** Longest message of an error that is kept, in UTF-16 code units. */
const maximumMessage = 2_000

/** What an error says, bounded and storable. Throws what reading it throws. */
export const messageOf = (error: unknown): string => {
  // What the database says is in the cause; the client's own words are "Query failed".
  const told = SqlError.isSqlError(error) && error.reason.cause instanceof Error ? error.reason.cause : error
  const text = told instanceof Error ? told.message || told.name : typeof told === "string" ? told : String(told)
  return text.slice(0, maximumMessage).replaceAll("\0", "␀").toWellFormed()
}

const detail = (code: string, message: string, retryable: boolean): ErrorDetail => ({ code, message, retryable })

const notKnown = (kind: Kind, error: ErrorDetail): Ending =>
  leavesNoTrace(kind) ? { status: "failed", error } : { status: "unknown", error }

/** The ending of a run that threw. Whatever it threw: a proxy, an error without a message, nothing. */
export const thrown = (kind: Kind, error: unknown): Ending => {
  try {
    return judge(kind, error)
  } catch {
    return { status: "failed", error: detail("tool.failed", "It threw what can't be read.", false) }
  }
}

const judge = (kind: Kind, error: unknown): Ending => {
  if (error instanceof ToolRefused) return { status: "failed", error: detail("tool.refused", messageOf(error), false) }
  if (error instanceof ToolUnknown) return notKnown(kind, detail("tool.unknown", messageOf(error), true))
  if (isLostConnection(error)) return notKnown(kind, detail("tool.connection_lost", messageOf(error), true))
  return { status: "failed", error: detail("tool.failed", messageOf(error), false) }
}

/** Nothing was sent: the intent was committed too late to keep its deadline. */
export const notStarted: Ending = {
  status: "failed",
  error: detail("tool.not_started", "It was not begun: the database was too slow to keep its deadline.", true)
}

/** Canceled while it ran, by whoever had wanted it. Only for what leaves no trace. */
export const notWanted: Ending = {
  status: "failed",
  error: detail("tool.canceled", "It was canceled and cut short.", false)
}

export const timedOut = (kind: Kind, timeoutMs: number): Ending =>
  notKnown(kind, detail("tool.timeout", `It did not end within ${timeoutMs / 1000} s and was aborted.`, true))

export const stopped = (kind: Kind): Ending =>
  notKnown(kind, detail("tool.stopped", "The host was stopped while it ran.", true))

/** The host that ran it ended without an outcome. */
export const interrupted: ErrorDetail = detail(
  "tool.interrupted",
  "The host that ran it ended before the outcome.",
  true
)

/** It ended well, but what it gave back can't be used: a read is worth nothing then, an effect has happened. */
export const unusable = (kind: Kind, why: string): Ending => {
  const error = detail("tool.output_invalid", why, false)
  return kind.effect === "read" ? { status: "failed", error } : { status: "succeeded", error }
}
