/**
 * What went wrong between the host and a model's server, as one `CompletionFailed`. The server's own words are redacted,
 * made plain and short; nothing else of its answer is kept.
 */
import { CompletionFailed, failed } from "./CompletionProvider.ts"

/** The longest that a server is obeyed when it says when to come again, milliseconds. */
export const maximumRetryAfterMs = 60_000
/** Of the server's own words, characters. */
const maximumWords = 300

/** What makes known secrets unreadable. */
export type Redact = (text: string) => string

/** One line of visible text, redacted before it is cut. */
export const words = (text: string, redact: Redact): string => {
  const line = redact(text.slice(0, 65_536)).toWellFormed().replace(/[\p{C}\p{Z}]+/gu, " ").trim()
  return line.length > maximumWords ? `${line.slice(0, maximumWords).toWellFormed()}…` : line
}

/** Milliseconds, out of `retry-after-ms` or `retry-after` (seconds or a date). */
export const retryAfterMs = (headers: Headers | undefined, now = Date.now()): number | undefined => {
  const millis = headers?.get("retry-after-ms")
  const after = headers?.get("retry-after")
  const asked = millis !== null && millis !== undefined && /^\d+(\.\d+)?$/.test(millis.trim())
    ? Number(millis)
    : after === null || after === undefined
    ? Number.NaN
    : /^\s*\d+(\.\d+)?\s*$/.test(after)
    ? Number(after) * 1000
    : Date.parse(after) - now
  return Number.isNaN(asked) ? undefined : Math.ceil(Math.min(Math.max(asked, 0), maximumRetryAfterMs))
}

/** What to look at, by the status. */
const hints: Readonly<Record<number, string>> = {
  400: " Check llm.model and the tools that are offered.",
  401: " Check llm.apiKey in the configuration.",
  403: " Check llm.apiKey in the configuration.",
  404: " Check llm.baseURL and llm.model in the configuration."
}

/** It ended before its end. */
export const cut = (why: string): CompletionFailed =>
  failed("llm.cut", `The model's answer was cut: ${why}. Nothing of it was used.`)

/** It ended at its length limit. */
export const cutAtLimit = (): CompletionFailed =>
  new CompletionFailed({ ...fieldsOf(cut("it reached its length limit")), atLimit: true })

/** The same failure with other words or more to say. */
export const fieldsOf = ({ atLimit, code, detail, retryAfterMs, retryable }: CompletionFailed) => ({
  code,
  detail,
  retryable,
  ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  ...(atLimit === undefined ? {} : { atLimit })
})

/** Not what a completion looks like. */
export const notCompletion = (why: string): CompletionFailed =>
  failed("llm.invalid", `The model's server sent what is not a completion: it ${why}. Check llm.baseURL.`)

/** The server has an answer, and does not give it. */
export const withheld = (): CompletionFailed =>
  failed("llm.refused", "The model's server withheld the answer (content_filter). Ask in other words.")

/** What an answer that ended for this reason is instead of an answer; nothing where it is one. */
export const unfinished = (finish: string | undefined): CompletionFailed | undefined => {
  switch (finish) {
    case "length":
      return cutAtLimit()
    case "content_filter":
      return withheld()
    // vLLM and SGLang, OpenRouter, DeepSeek.
    case "abort":
    case "error":
    case "insufficient_system_resource":
      return cut("its server gave it up")
    default:
      return undefined
  }
}

/** The question was given up. */
export const aborted = (): CompletionFailed =>
  failed("llm.aborted", "The question to the model was given up before its answer.")

/** More than the bounds. */
export const large = (what: string): CompletionFailed =>
  failed("llm.too_large", `The model's server sent ${what}, which is not taken.`)

/** By a status that is not 2xx. `said` is what the server wrote, already made plain. */
export const ofStatus = (status: number, said: string, headers?: Headers): CompletionFailed => {
  const quoted = said === "" ? "" : `: ${said}`
  const stop = /[.?!…]$/.test(quoted) ? "" : "."
  if (status === 429) {
    return failed(
      "llm.rate_limited",
      `The model's server takes no more for now (429)${quoted}${stop}`,
      retryAfterMs(headers)
    )
  }
  if (status >= 500 || status === 408 || status === 409) {
    return failed(
      "llm.unavailable",
      `The model's server can't answer for now (${status})${quoted}${stop}`,
      retryAfterMs(headers)
    )
  }
  if (status >= 300 && status < 400) {
    return failed(
      "llm.refused",
      `The model's server points elsewhere (${status}), which is not followed: put the right address into llm.baseURL.`
    )
  }
  return failed(
    "llm.refused",
    `The model's server refused the request (${status})${quoted}${stop}${hints[status] ?? ""}`
  )
}

/** No connection, or it broke before there was an answer. */
export const unreachable = (baseURL: string, code: string | undefined): CompletionFailed =>
  failed(
    "llm.unavailable",
    `The model's server at ${baseURL} can't be reached${code === undefined ? "" : ` (${code})`}.`
  )

/** The code of what a connection failed of: `ECONNREFUSED`. It may be a few causes down. */
export const codeOf = (error: unknown): string | undefined => {
  for (let at = error, depth = 0; typeof at === "object" && at !== null && depth < 8; depth++) {
    const { cause, code } = at as { readonly code?: unknown; readonly cause?: unknown }
    if (typeof code === "string" && /^[A-Z][A-Z0-9_]{2,60}$/.test(code)) return code
    at = cause
  }
  return undefined
}

/** An error that came inside of an answer whose status was 200. */
export const ofErrorBody = (error: unknown, redact: Redact): CompletionFailed => {
  const { code, message, type } = (typeof error === "object" && error !== null ? error : {}) as Record<string, unknown>
  const said = words(typeof message === "string" ? message : typeof error === "string" ? error : "", redact)
  const kind = [type, code].filter((part) => typeof part === "string").join(" ")
  const status = typeof code === "number" && code >= 400 && code < 600
    ? code
    : /rate_limit/.test(kind)
    ? 429
    : /invalid_|context_length|policy/.test(kind)
    ? 400
    : 500
  return ofStatus(status, said)
}
