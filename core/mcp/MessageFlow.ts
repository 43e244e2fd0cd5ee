/**
 * What goes to and fro on one connection: which answers are waited for, and how much comes that nobody asked for.
 *
 * - An answer to nothing, or to what was given up, goes no further.
 * - Results of `tools/list` and `tools/call` go around the checks of the SDK, which would throw a whole page away for one
 *   crooked tool, and call a call failed that was done: they are handed on as they came (`rawResult`).
 * - A server that talks without end is told apart from one that answers much.
 */
import type { JSONRPCMessage, RequestId } from "@modelcontextprotocol/client"

/** Longest answer, bytes. */
export const maximumAnswerBytes = 8 * 1_048_576

/** Messages that are no answers, in one window. */
const maximumUnasked = 5_000
const windowMs = 10_000

/** Marks an error that the host has put in the place of an answer: it is no word of the server. */
export interface Lost {
  readonly lost: string
}

export const isLost = (data: unknown): data is Lost => typeof data === "object" && data !== null && lost.has(data)

const lost = new WeakSet()

/** The server talks too much: a sentence. */
export class Flooded extends Error {}

export class MessageFlow {
  readonly #waiting = new Map<RequestId, string>()
  /** Arguments of calls that were handed to the way to the server. */
  readonly #handed = new WeakSet()
  #asked = 0
  #window = 0
  #unasked = 0

  /** A message is about to go out. */
  sending(message: JSONRPCMessage): void {
    if (!("method" in message)) return
    if ("id" in message) this.#waiting.set(message.id, message.method)
    const params: Readonly<Record<string, unknown>> = message.params ?? {}
    if (message.method === "tools/call" && isObject(params["arguments"])) this.#handed.add(params["arguments"])
    if (message.method === "notifications/cancelled") this.#waiting.delete(params["requestId"] as RequestId)
  }

  /** It has not gone out, for certain. */
  notSent(message: JSONRPCMessage): void {
    if ("method" in message && "id" in message) this.#waiting.delete(message.id)
    const given = "method" in message ? message.params?.["arguments"] : undefined
    if (isObject(given)) this.#handed.delete(given)
  }

  /** Whether a call with exactly this object as its arguments can have reached the server. */
  wasSent(input: object): boolean {
    return this.#handed.has(input)
  }

  /** How often the server has asked something of the host that can be refused. */
  get asked(): number {
    return this.#asked
  }

  isWaitingFor(id: RequestId): boolean {
    return this.#waiting.has(id)
  }

  /** The message as it goes on, or nothing. Throws `Flooded`. */
  received(message: JSONRPCMessage, bytes = 0): JSONRPCMessage | undefined {
    if ("method" in message) {
      this.#count()
      if ("id" in message && message.method !== "ping") this.#asked++
      return message
    }
    const { id } = message
    const method = id === undefined ? undefined : this.#waiting.get(id)
    if (id === undefined || method === undefined) {
      this.#count()
      return undefined
    }
    this.#waiting.delete(id)
    if (bytes > maximumAnswerBytes) return lostAnswer(id, tooLarge)
    return "result" in message && (method === "tools/list" || method === "tools/call")
      ? { ...message, result: shell(method, message.result) }
      : message
  }

  /** The answer to this request is lost: what the SDK is given in its place. */
  lose(id: RequestId, why: string): JSONRPCMessage | undefined {
    return this.#waiting.delete(id) ? lostAnswer(id, why) : undefined
  }

  #count(): void {
    const now = performance.now()
    if (now - this.#window > windowMs) {
      this.#window = now
      this.#unasked = 0
    }
    if (++this.#unasked > maximumUnasked) {
      throw new Flooded(
        `it sent more than ${maximumUnasked} messages in ${windowMs / 1000} seconds that nobody asked for`
      )
    }
  }
}

export const tooLarge = `its answer is larger than ${maximumAnswerBytes / 1_048_576} MiB, which is not taken`

const lostAnswer = (id: RequestId, why: string): JSONRPCMessage => {
  const data: Lost = { lost: why }
  lost.add(data)
  return { jsonrpc: "2.0", id, error: { code: -32_000, message: why, data } }
}

const rawKey = "syris/raw"

/** A result that passes every check, with the server's own in it. */
const shell = (method: string, result: Readonly<Record<string, unknown>>) => {
  // A question of the server in the place of an answer, as the revision of 2026 has it: the SDK answers it.
  if (result["resultType"] === "input_required") return result
  return {
    ...(result["resultType"] === undefined ? {} : { resultType: result["resultType"] }),
    ...(method === "tools/list" ? { tools: [], ttlMs: 0, cacheScope: "private" } : { content: [] }),
    _meta: { [rawKey]: { result } }
  }
}

/** The result as the server sent it. */
export const rawResult = (result: { readonly _meta?: unknown }): Readonly<Record<string, unknown>> => {
  const meta = isObject(result._meta) ? result._meta as Record<string, unknown> : {}
  const raw = meta[rawKey] as { readonly result: Record<string, unknown> } | undefined
  return raw?.result ?? {}
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null
