/**
 * One side of a conversation: its open questions, and what it answers. The same on both sides; what is counted and what is
 * believed is the business of whoever made it.
 */
import { encodeError, reviveError } from "./CrossedError.ts"
import { type AnswerMessage, code, readMessage, type RequestMessage, type RpcError, version } from "./Messages.ts"

/** A question that is no question: answered with this code, and counted. */
export class BadRequest extends Error {
  override readonly name = "BadRequest"
  readonly code: number
  constructor(message: string, number: number = code.invalidRequest) {
    super(message)
    this.code = number
  }
}

export interface PeerOptions {
  /** Throws a `RangeError` for what is too long. */
  readonly send: (message: unknown) => void
  /** Answers a question; throws or rejects where it can't. */
  readonly request: (method: string, params: unknown, id: number) => unknown
  readonly notification: (method: string, params: unknown) => void
  /** The other side did what nobody does who keeps to the protocol. The words are a sentence's end. */
  readonly strange: (words: string) => void
  /** Reads what was answered, into fresh objects. Throws where it can't be taken. */
  readonly readResult?: (result: unknown) => unknown
}

interface Open {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: unknown) => void
}

export class Peer {
  readonly #options: PeerOptions
  readonly #open = new Map<number, Open>()
  /** Given up here; the answer may still come. */
  readonly #left = new Set<number>()
  /** Of the other side, not answered yet. */
  readonly #asked = new Set<number>()
  #last = 0
  #over: unknown

  constructor(options: PeerOptions) {
    this.#options = options
  }

  /** Questions of the other side that wait for their answer. */
  get asked(): number {
    return this.#asked.size
  }

  /** Settles with the answer. `began` is told its id before it is sent. */
  request(method: string, params: object, began?: (id: number) => void): Promise<unknown> {
    if (this.#over !== undefined) return Promise.reject(this.#over)
    const id = ++this.#last
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject })
      began?.(id)
      try {
        this.#options.send({ jsonrpc: version, id, method, params })
      } catch (error) {
        this.#open.delete(id)
        reject(error)
      }
    })
  }

  notify(method: string, params: object = {}): void {
    if (this.#over === undefined) this.#options.send({ jsonrpc: version, method, params })
  }

  /** Rejects a question without its answer, which may still come. */
  giveUp(id: number, error: unknown): void {
    const open = this.#open.get(id)
    if (open === undefined) return
    this.#open.delete(id)
    this.#left.add(id)
    open.reject(error)
  }

  receive(given: unknown): void {
    if (this.#over !== undefined) return
    const message = readMessage(given)
    if (message === undefined) return this.#options.strange("it sent a message that is no JSON-RPC")
    switch (message.kind) {
      case "answer":
        return this.#settle(message)
      case "notification":
        try {
          this.#options.notification(message.method, message.params)
        } catch (error) {
          this.#options.strange(
            error instanceof BadRequest ? error.message : "it sent a notification that can't be read"
          )
        }
        return
      case "request":
        return void this.#answer(message)
    }
  }

  /** Nothing is sent or answered any more; open questions are rejected with this. */
  close(error: unknown): void {
    if (this.#over !== undefined) return
    this.#over = error
    for (const { reject } of this.#open.values()) reject(error)
    this.#open.clear()
    this.#left.clear()
    this.#asked.clear()
  }

  #settle({ error, id, result }: AnswerMessage): void {
    const open = this.#open.get(id)
    if (open === undefined) {
      if (!this.#left.delete(id)) this.#options.strange("it answered what nobody asked")
      return
    }
    this.#open.delete(id)
    if (error !== undefined) return open.reject(reviveError(error.message, error.data))
    try {
      open.resolve(this.#options.readResult === undefined ? result : this.#options.readResult(result))
    } catch (unreadable) {
      open.reject(unreadable)
    }
  }

  async #answer({ id, method, params }: RequestMessage): Promise<void> {
    if (this.#asked.has(id)) {
      this.#options.strange("it asked twice under one id")
      return
    }
    this.#asked.add(id)
    try {
      const result: unknown = await this.#options.request(method, params, id)
      this.#reply(id, { result: result ?? null })
    } catch (error) {
      if (error instanceof BadRequest) {
        this.#options.strange(error.message)
        this.#reply(id, { error: { code: error.code, message: error.message } })
      } else this.#fail(id, error)
    } finally {
      this.#asked.delete(id)
    }
  }

  #reply(id: number, answer: { readonly result: unknown } | { readonly error: RpcError }): void {
    if (this.#over !== undefined) return
    try {
      this.#options.send({ jsonrpc: version, id, ...answer })
    } catch (error) {
      this.#fail(id, error instanceof RangeError ? new RangeError("The answer is longer than 1 MiB.") : error)
    }
  }

  #fail(id: number, error: unknown): void {
    if (this.#over !== undefined) return
    const data = encodeError(error)
    this.#options.send({ jsonrpc: version, id, error: { code: code.failed, message: data.message, data } })
  }
}
