/**
 * The way to a server over HTTP: the SDK's transports, streamable or the old one with its separate stream, inside bounds.
 *
 * - Nothing is sent twice: what is taken up again after a break is the stream of answers (a GET), never a message. The old
 *   transport would open a new session by itself; here its connection is over.
 * - An answer whose stream ended without it is lost at once, not when its time is up.
 * - Whoever can't be reached any more, has forgotten the session, or sends too much: the connection is over.
 */
import type {
  JSONRPCMessage,
  OAuthClientProvider,
  RequestId,
  Transport,
  TransportSendOptions
} from "@modelcontextprotocol/client"
import { makeFetch } from "./BoundedFetch.ts"
import { Flooded, type MessageFlow } from "./MessageFlow.ts"

type Sdk = typeof import("@modelcontextprotocol/client")

export interface HttpOptions {
  readonly sdk: Sdk
  readonly kind: "streamable" | "sse"
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly authProvider: OAuthClientProvider | undefined
  readonly flow: MessageFlow
  readonly noted: (what: string) => void
}

/** Between two attempts to take up a stream again, whatever the server says; milliseconds. */
const minimumReconnectMs = 500
const maximumReconnectMs = 30_000
/** How long the end of an answered request's stream is waited for, milliseconds. */
const streamEndMs = 1_000
/** How long the goodbye to a session may take, milliseconds. */
const goodbyeMs = 1_000

export class HttpTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: <A extends JSONRPCMessage>(message: A) => void

  readonly hasPerRequestStream: boolean
  /** Why it is over, without a subject. */
  readonly ended: Promise<string>

  readonly #options: HttpOptions
  readonly #inner: Transport
  readonly #leave: () => Promise<void>
  /** Ends the stream of one request. */
  readonly #requests = new Map<RequestId, AbortController>()
  #resolveEnded: (why: string) => void = () => {}
  #started = false
  #over = false

  constructor(options: HttpOptions) {
    this.#options = options
    this.hasPerRequestStream = options.kind === "streamable"
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
    const { authProvider, headers, sdk, url } = options
    const end = (why: string): void => void this.#end(why)
    const fetch = makeFetch({
      url,
      headers,
      broken: end,
      unreachable: (code) => {
        // After the request that found it out has failed of it.
        if (this.#started) setImmediate(end, `it can't be reached any more (${code})`)
      }
    })
    const given = { fetch, ...(authProvider === undefined ? {} : { authProvider }) }
    if (options.kind === "streamable") {
      const inner = new sdk.StreamableHTTPClientTransport(url, {
        ...given,
        reconnectionScheduler: (reconnect, delay) => {
          // A server that says "at once, and again" is not obeyed.
          const timer = setTimeout(reconnect, Math.min(Math.max(delay, minimumReconnectMs), maximumReconnectMs))
          return () => clearTimeout(timer)
        }
      })
      this.#leave = () => inner.terminateSession()
      this.#inner = inner
    } else {
      this.#inner = new sdk.SSEClientTransport(url, given)
      this.#leave = () => Promise.resolve()
    }
    this.#inner.onmessage = (message) => this.#receive(message)
    this.#inner.onerror = (error) => this.#failed(error)
    this.#inner.onclose = () => void this.#end("the host closed it")
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId
  }

  setProtocolVersion(version: string): void {
    this.#inner.setProtocolVersion?.(version)
  }

  async start(): Promise<void> {
    await this.#inner.start()
    if (this.#options.kind === "sse") this.#started = true
  }

  /** From now on what can't be reached is gone. */
  established(): void {
    this.#started = true
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    const { flow, sdk } = this.#options
    flow.sending(message)
    if (this.#over) {
      flow.notSent(message)
      throw new Error("The connection is over.")
    }
    const hadSession = this.sessionId !== undefined
    try {
      await this.#inner.send(message, this.#withEnd(message, options))
    } catch (error) {
      if (hadSession && error instanceof sdk.SdkHttpError && error.status === 404) {
        setImmediate(() => void this.#end("it has forgotten the session"))
      }
      throw error
    } finally {
      // Given up: its stream is not wanted, nor that it is taken up again.
      if ("method" in message && message.method === "notifications/cancelled") {
        this.#release(message.params?.["requestId"] as RequestId)
      }
    }
  }

  /** Says goodbye where there is a session. */
  async close(): Promise<void> {
    if (this.#over) return
    if (this.#started && this.sessionId !== undefined) {
      let timer: NodeJS.Timeout | undefined
      await Promise.race([
        this.#leave().catch(() => {}),
        new Promise((resolve) => {
          timer = setTimeout(resolve, goodbyeMs)
        })
      ])
      clearTimeout(timer)
    }
    await this.#end("the host closed it")
  }

  kill(why = "the host closed it"): Promise<void> {
    return this.#end(why)
  }

  async #end(why: string): Promise<void> {
    if (this.#over) return
    this.#over = true
    for (const controller of this.#requests.values()) controller.abort()
    this.#requests.clear()
    await this.#inner.close().catch(() => {})
    this.#resolveEnded(why)
    this.onclose?.()
  }

  /** The old transport has one stream for everything and needs none of it. */
  #withEnd(message: JSONRPCMessage, options: TransportSendOptions | undefined): TransportSendOptions | undefined {
    if (!this.hasPerRequestStream || !("method" in message) || !("id" in message)) return options
    const { id } = message
    const controller = new AbortController()
    this.#requests.set(id, controller)
    const signal = options?.requestSignal
    // The revision of 2026 gives a request up by ending its stream, without a word.
    signal?.addEventListener("abort", () => {
      this.#requests.delete(id)
      this.#options.flow.lose(id, "given up")
    }, { once: true })
    return {
      ...options,
      requestSignal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
      onRequestStreamEnd: () => {
        this.#requests.delete(id)
        if (options?.onRequestStreamEnd !== undefined) return options.onRequestStreamEnd()
        const answer = this.#options.flow.lose(id, "the connection broke off before the answer")
        if (answer !== undefined) this.onmessage?.(answer)
      }
    }
  }

  #release(id: RequestId, afterMs = 0): void {
    const controller = this.#requests.get(id)
    if (controller === undefined) return
    this.#requests.delete(id)
    if (afterMs === 0) controller.abort()
    else setTimeout(() => controller.abort(), afterMs).unref()
  }

  #receive(message: JSONRPCMessage): void {
    let taken: JSONRPCMessage | undefined
    try {
      taken = this.#options.flow.received(message)
    } catch (error) {
      return void this.#end(error instanceof Flooded ? error.message : String(error))
    }
    if (taken === undefined) return
    if (!("method" in taken) && taken.id !== undefined) this.#release(taken.id, streamEndMs)
    this.onmessage?.(taken)
  }

  #failed(error: Error): void {
    const { kind, noted, sdk } = this.#options
    if (this.#over) return
    if (kind === "sse" && this.#started && error instanceof sdk.SseError) {
      return void this.#end("its stream of events broke off")
    }
    noted(`the connection had a fault: ${error.message}`)
    this.onerror?.(error)
  }
}
