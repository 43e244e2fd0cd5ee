/**
 * Bounds one request in real time: the whole of it, and each silence of the server. It keeps the first thing that ended
 * the request, and ends the connection with it.
 */
import { type CompletionFailed, failed } from "./CompletionProvider.ts"
import { aborted } from "./Failure.ts"

export interface WatchOptions {
  /** For the whole answer, milliseconds. */
  readonly timeoutMs: number
  /** Without a byte, milliseconds. */
  readonly silenceMs: number
  readonly signal?: AbortSignal | undefined
}

/** Nobody reads it: a reason that is made for each request would cost more than the rest of its end. */
const over = new Error("The request is over.")

export class Watch {
  readonly #controller = new AbortController()
  readonly #whole: NodeJS.Timeout
  readonly #silence: NodeJS.Timeout
  readonly #caller: AbortSignal | undefined
  #failure: CompletionFailed | undefined

  constructor({ signal, silenceMs, timeoutMs }: WatchOptions) {
    this.#whole = setTimeout(() => {
      this.end(failed("llm.timeout", `The model did not end its answer within ${seconds(timeoutMs)}. See llm.timeout.`))
    }, timeoutMs)
    this.#silence = setTimeout(() => {
      this.end(failed("llm.silent", `The model's server sent nothing for ${seconds(silenceMs)}. See llm.silence.`))
    }, silenceMs)
    this.#caller = signal
    if (signal?.aborted === true) this.abort()
    signal?.addEventListener("abort", this.abort, { once: true })
  }

  /** Aborted when the request has to end. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Why it had to. */
  get failure(): CompletionFailed | undefined {
    return this.#failure
  }

  /** The server sent something. */
  heard(): void {
    this.#silence.refresh()
  }

  /** Ends the request; only the first reason counts. Answers that reason. */
  end(failure: CompletionFailed): CompletionFailed {
    const first = this.#failure ??= failure
    this.close()
    return first
  }

  /** Nobody waits for the answer any more. */
  readonly abort = (): void => {
    this.end(aborted())
  }

  /** The request is over, and so is its connection if something of it was left unread. */
  close(): void {
    clearTimeout(this.#whole)
    clearTimeout(this.#silence)
    this.#caller?.removeEventListener("abort", this.abort)
    this.#controller.abort(over)
  }
}

const seconds = (ms: number): string => ms === 1000 ? "1 second" : `${ms / 1000} seconds`
