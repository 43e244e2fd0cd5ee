/**
 * One question to a language model and its answer, as every provider has them: the host's own, and a plugin's.
 *
 * What comes back is the model's word and no more: names and arguments are unchecked text.
 */
import { Schema } from "effect"

export interface OfferedTool {
  /** Dotted, as the host knows it: `coffee.brew`. What goes over the wire is the provider's business. */
  readonly name: string
  readonly description: string
  /** JSON Schema of the input. */
  readonly parameters: object
  /** `untrusted`: what it says of itself are the words of somebody whom nobody vouches for. */
  readonly trust?: "untrusted"
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

/** The shape that the text of an answer is asked to have. A server may not know of it: check what comes. */
export interface AnswerShape {
  readonly name: string
  /** JSON Schema. */
  readonly schema: object
  /**
   * The server has to hold to it. OpenAI takes only a part of JSON Schema then: every property required, no others
   * allowed. Default: it tries.
   */
  readonly strict?: boolean
}

/** What is asked. */
export interface Question {
  readonly messages: ReadonlyArray<Message>
  readonly tools: ReadonlyArray<OfferedTool>
  /** Of the answer. Default: the server's own. */
  readonly maxTokens?: number
  /** The text is to be JSON of this shape. Default: any text. */
  readonly answer?: AnswerShape
}

export interface CompletionRequest extends Question {
  /** Those that may be asked, as the configuration calls them, in its order. Default: all. */
  readonly models?: ReadonlyArray<string>
  /** Ends the request with `llm.aborted`. */
  readonly signal?: AbortSignal
  /**
   * Given the pieces of the text as they come, in order; joined they are the text of the answer. Never called once there
   * is an answer or a failure. What it throws is ignored. The values of secrets are not taken out of them.
   */
  readonly onText?: (delta: string) => void
  /**
   * The model that the pieces came from failed: they count no more, and those of another one follow. Without it nothing
   * follows, and only the answer has the text. What it throws is ignored.
   */
  readonly onRestart?: () => void
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
  /** Models that were asked before this one and gave no answer, in order. */
  readonly tried?: ReadonlyArray<Tried>
  /** The model that answered, as the configuration calls it. */
  readonly configured?: string
  /** What it cost, US dollars, by the price of the model that answered; missing where the configuration has none. */
  readonly usd?: number
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

/** A model that gave no answer: as the configuration calls it, and why. */
export const Tried = Schema.Struct({ model: Schema.String, code: CompletionCode })
export type Tried = typeof Tried.Type

/** There is no answer. `detail` is a sentence without keys and secrets. */
export class CompletionFailed extends Schema.TaggedError<CompletionFailed>()("CompletionFailed", {
  code: CompletionCode,
  detail: Schema.String,
  /** The same question may be answered later. */
  retryable: Schema.Boolean,
  /** What the server asks for, milliseconds; at most 60 000. */
  retryAfterMs: Schema.optionalKey(Schema.Finite),
  /** It ended at its length limit, so the server is well. */
  atLimit: Schema.optionalKey(Schema.Boolean),
  /** Every model that was asked, where several could be. */
  tried: Schema.optionalKey(Schema.Array(Tried))
}) {
  override get message() {
    return this.detail
  }
}

/** A failure that says by its code whether to ask again. `detail` is a sentence that says what to do. */
export const completionFailed = (code: CompletionCode, detail: string, retryAfterMs?: number): CompletionFailed =>
  new CompletionFailed({
    code,
    detail,
    retryable: (retryableCodes as ReadonlyArray<string>).includes(code),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs })
  })
