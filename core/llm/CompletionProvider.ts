/**
 * One question to a language model and its answer, whole or not at all.
 *
 * - Nothing is asked twice: no retry happens below; whoever asks decides with `retryable` and `retryAfterMs`.
 * - An answer that was cut, is too large or is not a completion is a failure; no part of it is handed on.
 * - An interruption, or the request's signal, ends the connection.
 * - What comes back is the model's word and no more: names and arguments are unchecked text.
 */
import { Context, type Effect, Schema } from "effect"

export interface OfferedTool {
  /** Dotted, as the host knows it: `coffee.brew`. What goes over the wire is the provider's business. */
  readonly name: string
  readonly description: string
  /** JSON Schema of the input. */
  readonly parameters: object
}

/** A tool that the model wants called. */
export interface WantedCall {
  /** Names the call within its answer; its result refers to it. */
  readonly id: string
  /** The host's name where the model used a name that was offered, else whatever it wrote. */
  readonly tool: string
  /** JSON text as the model wrote it, which may be broken; at most 256 KiB. */
  readonly arguments: string
}

export type Message =
  | { readonly role: "system" | "user"; readonly content: string }
  | { readonly role: "assistant"; readonly content?: string; readonly calls: ReadonlyArray<WantedCall> }
  | { readonly role: "tool"; readonly call_id: string; readonly content: string }

export interface CompletionRequest {
  readonly messages: ReadonlyArray<Message>
  readonly tools: ReadonlyArray<OfferedTool>
  /** Of the answer. Default: the server's own. */
  readonly maxTokens?: number
  /** Ends the request with `llm.aborted`. */
  readonly signal?: AbortSignal
}

export interface Usage {
  readonly input_tokens: number
  readonly output_tokens: number
  /** The server did not say: a quarter of the characters. */
  readonly estimated?: boolean
}

export interface Completion {
  /** Nothing where the model wrote none. */
  readonly text: string | undefined
  /** At most 16. */
  readonly calls: ReadonlyArray<WantedCall>
  readonly usage: Usage
  /** As the server calls it. */
  readonly model: string
  /** Why it ended: `stop`, `tool_calls`, …; `unknown` where the server did not say. */
  readonly finish: string
}

const retryableCodes = ["llm.timeout", "llm.silent", "llm.rate_limited", "llm.unavailable", "llm.cut"] as const
const finalCodes = ["llm.refused", "llm.invalid", "llm.too_large", "llm.aborted"] as const

/**
 * `llm.timeout`, `llm.silent`: too long, or too long without a byte. `llm.rate_limited`: 429. `llm.unavailable`: 5xx,
 * 408, 409, no connection. `llm.refused`: any other status, or there is no key. `llm.cut`: it ended before its end.
 * `llm.invalid`: not what a completion looks like. `llm.too_large`: more than the bounds. `llm.aborted`: by the signal.
 */
export const CompletionCode = Schema.Literals([...retryableCodes, ...finalCodes])
export type CompletionCode = typeof CompletionCode.Type

/** There is no answer. `detail` is a sentence without keys and secrets. */
export class CompletionFailed extends Schema.TaggedError<CompletionFailed>()("CompletionFailed", {
  code: CompletionCode,
  detail: Schema.String,
  /** The same question may be answered later. */
  retryable: Schema.Boolean,
  /** What the server asks for, milliseconds; at most 60 000. */
  retryAfterMs: Schema.optionalKey(Schema.Finite)
}) {
  override get message() {
    return this.detail
  }
}

/** A failure that says by its code whether to ask again. */
export const failed = (code: CompletionCode, detail: string, retryAfterMs?: number): CompletionFailed =>
  new CompletionFailed({
    code,
    detail,
    retryable: (retryableCodes as ReadonlyArray<string>).includes(code),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs })
  })

export interface CompletionProvider {
  /** The model that is asked. */
  readonly model: string
  readonly complete: (request: CompletionRequest) => Effect.Effect<Completion, CompletionFailed>
}

/** The model of this host; none until one is configured. */
export const Provider = Context.Reference<CompletionProvider | undefined>("syris/llm/Provider", {
  defaultValue: () => undefined
})
