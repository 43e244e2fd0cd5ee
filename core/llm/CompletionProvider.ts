/**
 * Who answers questions to a language model: whole or not at all.
 *
 * - One provider asks nothing twice: whoever asks decides with `retryable` and `retryAfterMs`. Where the configuration has
 *   a fallback, `Fallback.ts` asks the next model instead.
 * - An answer that was cut, is too large or is not a completion is a failure; what was handed on of its text counts no more.
 * - An interruption, or the request's signal, ends the connection.
 */
import { Context, type Effect } from "effect"
import type { Completion, CompletionFailed, CompletionRequest } from "../plugin/Completion.ts"

export {
  type AnswerShape,
  type Completion,
  CompletionCode,
  CompletionFailed,
  completionFailed as failed,
  type CompletionRequest,
  type Message,
  type OfferedTool,
  type Tried,
  type Usage,
  type WantedCall
} from "../plugin/Completion.ts"

export interface CompletionProvider {
  /** The model that is asked first. */
  readonly model: string
  readonly complete: (request: CompletionRequest) => Effect.Effect<Completion, CompletionFailed>
}

/** The model of this host; none until one is configured. */
export const Provider = Context.Reference<CompletionProvider | undefined>("syris/llm/Provider", {
  defaultValue: () => undefined
})
