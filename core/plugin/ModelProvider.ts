/**
 * A plugin's way to a language model: `llm.provider` names it. It needs no Effect: an `async complete` will do.
 *
 * The host bounds it in time and size, takes known secrets out of the question, and checks what comes back.
 */
import type { Question, Usage } from "./Completion.ts"
import type { Awaitable, Log } from "./Tool.ts"

/** What the configuration says of one model. */
export interface ProviderOptions {
  readonly model: string
  /** Without a slash at its end; missing where the configuration has none. */
  readonly baseURL?: string
  /** The key as it is now, which may change between two questions; nothing where the configuration names none. */
  readonly apiKey: () => Promise<string | undefined>
  /** For a whole answer, milliseconds; the host ends it after that. */
  readonly timeoutMs: number
  readonly log: Log
}

export interface ProviderRequest extends Question {
  /** Aborted when nobody waits for the answer any more. Pass it on to `fetch`. */
  readonly signal: AbortSignal
  /** Hands on a piece of the text. May be left alone: the text then goes on as one piece. */
  readonly onText: (delta: string) => void
}

export interface ProviderAnswer {
  /** Exactly the pieces that were handed on, joined, which is the default; anything else is `llm.invalid`. At most 1 MiB. */
  readonly text?: string
  readonly calls?: ReadonlyArray<{
    /** Default: a new one. */
    readonly id?: string
    /** One of the names that were offered. */
    readonly tool: string
    /** JSON text as the model wrote it, or the object that it is. */
    readonly arguments: string | object
  }>
  /** Default: a quarter of the characters. */
  readonly usage?: Pick<Usage, "input_tokens" | "output_tokens">
  /** Default: the model that was asked. */
  readonly model?: string
  /** Default: `tool_calls` or `stop`. With `length`, `content_filter`, `abort` and `error` it is no answer. */
  readonly finish?: string
}

export interface ModelProvider {
  /** For `llm.provider`: lower case, unique among the plugins of a host, not `openai`. */
  readonly name: string
  /** Called once at the start for each model that the configuration names. What it throws ends the start. */
  readonly make: (options: ProviderOptions) => {
    /**
     * Fails with `completionFailed(code, sentence)`; its code decides whether another model or another time may do.
     * Anything else that it throws is `llm.unavailable`.
     */
    readonly complete: (request: ProviderRequest) => Awaitable<ProviderAnswer>
  }
}
