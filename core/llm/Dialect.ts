/**
 * A way of asking over OpenAI's protocol: what is sent, and how its answer is read. All that differs is behind it.
 */
import type { OpenAI } from "openai"
import type { Asked } from "./AnswerDraft.ts"
import type { Completion, CompletionRequest } from "./CompletionProvider.ts"
import type { Redact } from "./Failure.ts"
import type { WireNames } from "./WireNames.ts"

/** Puts one answer together; `take` and `end` throw `CompletionFailed`. */
export interface AnswerReader {
  /** Why the model stopped has come, so that the end may come in any way. */
  readonly finished: boolean
  /** Nothing more can come. */
  readonly over: boolean
  /** One piece of a stream, or a whole answer. */
  readonly take: (json: string) => void
  /** The completion; `done`: the stream said that it is over. */
  readonly end: (done: boolean, asked: Asked) => Completion
}

export interface WireContext {
  readonly baseURL: string
  readonly model: string
  readonly names: WireNames
  readonly redact: Redact
}

export interface Sent {
  readonly response: Promise<Response>
  /** Of what the model has to read. */
  readonly inputCharacters: () => number
}

export interface Dialect {
  readonly send: (client: OpenAI, request: CompletionRequest, context: WireContext) => Sent
  readonly reader: (redact: Redact, onText: (delta: string) => void) => AnswerReader
}
