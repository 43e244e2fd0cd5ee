/**
 * The way to a server that the host starts: messages as lines over its standard input and output.
 *
 * - The process and its whole group end with the host (`Guard.ts`), and when the connection closes: the end of its input,
 *   then SIGTERM, then SIGKILL.
 * - What it prints is hostile: lines are bounded, what is no message is counted and bears no weight until there is much of
 *   it (empty lines, too), and a server that prints without end leaves room for everything else.
 * - What is written to it is bounded too, where it does not read.
 */
import type { JSONRPCMessage, Transport } from "@modelcontextprotocol/client"
import type { ChildProcess } from "node:child_process"
import type { Duplex, Readable, Writable } from "node:stream"
import { clipped } from "../contract/Visible.ts"
import type { Redaction } from "../secrets/Redactor.ts"
import { type Guarded, signalGroup, startGuarded } from "../../sandbox/runtimes/Guard.ts"
import { Lines } from "./Lines.ts"
import type { MessageFlow } from "./MessageFlow.ts"
import { StderrTail } from "./StderrTail.ts"

/** After the end of its input, milliseconds. */
const termAfterMs = 300
const killAfterMs = termAfterMs + 2_000
/** How long what a process that has ended left in its pipes is waited for, milliseconds. */
const restMs = 500
/** How much a server may print that is no message. */
const maximumJunkLines = 1_000
const maximumJunkBytes = 1_048_576
/** Empty lines that each message brings along. */
const emptyOfMessage = 2
/** What may wait to be read by it, bytes. */
const maximumUnread = 16 * 1_048_576
/** How long one turn goes on reading messages, milliseconds. */
const turnMs = 8

export interface StdioOptions extends Guarded {
  readonly flow: MessageFlow
  readonly redaction: Redaction
  /** Throws where it is no message. */
  readonly deserialize: (line: string) => JSONRPCMessage
  /** Something that does not end the connection: a sentence's end. */
  readonly noted: (what: string) => void
}

export class StdioTransport implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: <A extends JSONRPCMessage>(message: A) => void

  /** By this and `pid` the SDK knows that it is no HTTP. */
  readonly stderr: StderrTail
  /** Why it is over, without a subject: "it ended by itself (code 1)". */
  readonly ended: Promise<string>

  readonly #options: StdioOptions
  readonly #lines = new Lines()
  #child: ChildProcess | undefined
  #resolveEnded: (why: string) => void = () => {}
  #why: string | undefined
  #exited = false
  #over = false
  #closing = false
  #timers: Array<NodeJS.Timeout> = []
  #reading = false
  #emptyLines = 0
  #junkLines = 0
  #junkBytes = 0

  constructor(options: StdioOptions) {
    this.#options = options
    this.stderr = new StderrTail(options.redaction)
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve
    })
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  start(): Promise<void> {
    if (this.#child !== undefined || this.#over) return Promise.reject(new Error("It was started before."))
    return new Promise((resolve, reject) => {
      const child = startGuarded(this.#options)
      this.#child = child
      child.once("spawn", resolve)
      child.on("error", (error: NodeJS.ErrnoException) => {
        this.#why ??= `it can't be started (${error.code ?? error.message})`
        reject(new Error(this.#why))
        if (child.pid === undefined) this.#finish()
      })
      child.once("exit", (code, signal) => {
        this.#exited = true
        this.#why ??= endOf(code, signal)
        signalGroup(child, "SIGKILL")
        this.#after(restMs, () => this.#finish())
      })
      child.once("close", () => this.#finish())
      for (const stream of child.stdio) stream?.on("error", () => {})
      child.stdout?.on("data", (chunk: Buffer) => this.#take(chunk))
      child.stderr?.on("data", (chunk: Buffer) => this.#hear(child.stderr, chunk))
    })
  }

  send(message: JSONRPCMessage): Promise<void> {
    const { flow } = this.#options
    const stdin = this.#child?.stdin
    flow.sending(message)
    const refuse = (why: string): Promise<never> => {
      flow.notSent(message)
      return Promise.reject(new Error(why))
    }
    if (stdin === undefined || stdin === null || !stdin.writable || this.#over) return refuse("The server has ended.")
    const line = `${JSON.stringify(message)}\n`
    if (stdin.writableLength + line.length > maximumUnread) return refuse("The server does not read what it is sent.")
    return new Promise((resolve, reject) => {
      stdin.write(line, (error) => {
        if (error === undefined || error === null) return resolve()
        // It has ended, or is about to; how, is known in a moment, and says more than this.
        void Promise.race([this.ended, new Promise((passed) => setTimeout(passed, restMs))]).then(() => reject(error))
      })
    })
  }

  /** As the protocol has it: its input ends, and whoever stays is made to go. */
  async close(): Promise<void> {
    const child = this.#child
    if (child === undefined) return this.#finish()
    if (!this.#closing && !this.#over) {
      this.#closing = true
      this.#why ??= "the host closed it"
      child.stdin?.end()
      this.#after(termAfterMs, () => this.#signal("SIGTERM"))
      this.#after(killAfterMs, () => void this.kill())
    }
    await this.ended
  }

  /** At once. */
  async kill(why?: string): Promise<void> {
    if (this.#child === undefined) return this.#finish()
    if (why !== undefined) this.#why ??= why
    this.#signal("SIGKILL")
    if (!this.#over) this.#after(restMs, () => this.#finish())
    await this.ended
  }

  #signal(signal: NodeJS.Signals): void {
    // The number of a group that is gone may be somebody else's.
    if (this.#child !== undefined && !this.#exited) signalGroup(this.#child, signal)
  }

  #after(ms: number, work: () => void): void {
    this.#timers.push(setTimeout(work, ms))
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#lines.clear()
    this.stderr.end()
    // The guard's pipe is among them: what is left of the group ends with it.
    for (const stream of this.#child?.stdio ?? []) (stream as Readable | Writable | Duplex | null)?.destroy()
    this.#resolveEnded(this.#why ?? "the host closed it")
    this.onclose?.()
  }

  #hear(stderr: Readable | null, chunk: Buffer): void {
    const rest = this.stderr.push(chunk)
    if (rest === 0) return
    stderr?.pause()
    setTimeout(() => stderr?.resume(), rest).unref()
  }

  #take(chunk: Buffer): void {
    this.#lines.push(chunk)
    if (!this.#reading) this.#read()
  }

  /**
   * Reads for one turn, then lets everybody else have theirs. The SDK hears a notification a moment after it is handed over
   * and an answer at once: without a pause between them the last progress of a call would come after its end, to nobody.
   */
  #read(until = performance.now() + turnMs): void {
    const stdout = this.#child?.stdout
    this.#reading = true
    try {
      while (!this.#over) {
        if (performance.now() > until) {
          stdout?.pause()
          return void setImmediate(() => this.#read())
        }
        const line = this.#lines.next()
        if (line === undefined) break
        if (this.#receive(line) === "notification") return queueMicrotask(() => this.#read(until))
      }
    } catch (error) {
      this.#lines.clear()
      // Nothing more of it is heard until it is gone.
      stdout?.destroy()
      void this.kill((error as Error).message)
    }
    this.#reading = false
    if (stdout?.isPaused() === true && !this.#over) stdout.resume()
  }

  #receive(line: Buffer): "notification" | undefined {
    if (line.length === 0 || (line.length === 1 && line[0] === 13)) {
      if (++this.#emptyLines > maximumJunkLines) throw new Error(endlessJunk)
      return undefined
    }
    const { deserialize, flow } = this.#options
    let message: JSONRPCMessage
    try {
      message = deserialize(line.toString("utf8"))
    } catch {
      this.#junk(line)
      return undefined
    }
    this.#emptyLines = Math.max(0, this.#emptyLines - emptyOfMessage)
    const taken = flow.received(message, line.length)
    if (taken === undefined) return undefined
    try {
      this.onmessage?.(taken)
    } catch (error) {
      this.onerror?.(error instanceof Error ? error : new Error(String(error)))
    }
    return "method" in taken && !("id" in taken) ? "notification" : undefined
  }

  #junk(line: Buffer): void {
    this.#junkLines++
    this.#junkBytes += line.length
    if (this.#junkLines > maximumJunkLines || this.#junkBytes > maximumJunkBytes) {
      throw new Error(endlessJunk)
    }
    const text = this.#options.redaction.redactText(line.subarray(0, 4_096).toString("utf8"))
    this.#options.noted(
      `it printed ${this.#junkLines === 1 ? "a line" : `${this.#junkLines} lines`} on its standard output that ` +
        `no message of the protocol is, the last of them: ${clipped(text, 200)}`
    )
  }
}

const endlessJunk = "it prints on its standard output what is no message of the protocol, and does not stop"

const endOf = (code: number | null, signal: NodeJS.Signals | null): string =>
  code === 127
    ? "its command was not found"
    : code === 126
    ? "its command can't be run: it is no program, or it may not be run"
    : signal === null
    ? `it ended by itself (code ${code})`
    : `it was ended by ${signal}`
