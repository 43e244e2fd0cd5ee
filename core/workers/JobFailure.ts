/**
 * Why a run did not end well: a code that programs branch on, a sentence for a person, and whether another attempt can help.
 */
import { IsolateLost } from "../../sandbox/Isolate.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { RegisteredJob } from "../plugin/Registry.ts"
import { ToolRefused } from "../plugin/Tool.ts"

const codes: Readonly<Record<IsolateLost["end"]["code"], string>> = {
  stopped: "job.stopped",
  exited: "job.exited",
  signal: "job.exited",
  memory: "job.memory",
  cpu: "job.cpu",
  protocol: "job.protocol",
  start: "job.start_failed"
}

const sentence = (text: string): string => /[.?!…]$/.test(text) ? text : `${text}.`

const upper = (text: string): string => text === "" ? "It failed." : text[0]!.toUpperCase() + text.slice(1)

const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message || error.name : String(error)).slice(0, 2_000).toWellFormed()

/** Of what the run threw, or what became of its isolate. */
export const failureOf = (error: unknown): ErrorDetail => {
  if (error instanceof IsolateLost) {
    return { code: codes[error.end.code], message: sentence(upper(error.end.reason)), retryable: true }
  }
  const message = sentence(messageOf(error))
  return error instanceof ToolRefused
    ? { code: "job.refused", message, retryable: false }
    : { code: "job.failed", message, retryable: true }
}

/** It could not be loaded: the message is a sentence's end. */
export const startFailure = (error: unknown): ErrorDetail => ({
  code: "job.start_failed",
  message: sentence(`It could not be loaded: ${messageOf(error)}`),
  retryable: true
})

/** What it gave back can't be kept: the sentence says why. */
export const outputInvalid = (detail: string): ErrorDetail => ({
  code: "job.output_invalid",
  message: sentence(detail),
  retryable: false
})

export const timedOut = (timeoutMs: number): ErrorDetail => ({
  code: "job.timeout",
  message: `It did not end within ${timeoutMs < 1_000 ? `${timeoutMs} ms` : `${timeoutMs / 1_000} s`}.`,
  retryable: true
})

/** Nobody has it. */
export const unknownKind = (kind: string): ErrorDetail => ({
  code: "job.unknown_kind",
  message: `No plugin here has jobs of the kind ${kind} any more.`,
  retryable: false
})

/** Why a job can't be run at all; nothing where it can. */
export const unableOf = (
  { code_hash, kind, plugin }: { readonly code_hash: string | null; readonly kind: string; readonly plugin: string },
  registered: RegisteredJob | undefined
): ErrorDetail | undefined => {
  if (registered === undefined) return unknownKind(kind)
  const { code } = registered
  if (typeof code === "string") return { code: "job.start_failed", message: code, retryable: false }
  // What was granted and said yes to when it was asked for is what runs, or nothing does.
  return code_hash === null || code.hash === code_hash ? undefined : {
    code: "job.code_changed",
    message: `The code of ${plugin} is not the one any more that it was asked of: start it anew.`,
    retryable: false
  }
}
