/**
 * The wire to a thread of a piscina pool, over a port. Threads of one heap limit and one environment are shared and stay warm
 * for a while; one that ends out of turn is replaced. For code that is trusted: a thread bounds its heap and its time, and
 * nothing else.
 */
import { MessageChannel } from "node:worker_threads"
import { Piscina } from "piscina"
import type { Hearing, IsolateEnd, Launch, Limits } from "../Isolate.ts"
import { maximumFrame } from "../protocol/Frames.ts"
import type { GuestFiles } from "./GuestFiles.ts"
import { overMemory } from "./Watch.ts"
import type { Wire } from "./Wire.ts"

/** At once in one pool; one more is refused and does not wait, so a plugin that stays can't hold up a job. */
export const maximumThreads = 64
/** So long a thread that nobody uses stays warm. */
const warmMs = 30_000
/** A thread that was terminated and whose port does not close. */
const goneMs = 5_000

const pools = new Map<string, Piscina>()

const poolFor = (
  guest: GuestFiles,
  { memoryMb }: Limits,
  env: Launch["env"]
): Piscina => {
  const key = JSON.stringify([guest.entry, memoryMb, Object.entries(env).sort(([a], [b]) => a < b ? -1 : 1)])
  const known = pools.get(key)
  if (known !== undefined) return known
  const pool = new Piscina({
    filename: guest.entry,
    minThreads: 0,
    maxThreads: maximumThreads,
    maxQueue: 0,
    idleTimeout: warmMs,
    env: { ...env },
    execArgv: ["--disable-warning=ExperimentalWarning"],
    resourceLimits: {
      maxOldGenerationSizeMb: memoryMb,
      maxYoungGenerationSizeMb: Math.max(8, Math.min(32, memoryMb / 4)),
      stackSizeMb: 4
    },
    recordTiming: false
  })
  // What goes wrong in a thread comes with the run that was in it.
  pool.on("error", () => undefined)
  pools.set(key, pool)
  return pool
}

const reasonOf = (error: unknown, limits: Limits): IsolateEnd => {
  const { code, message } = error instanceof Error
    ? error as Error & { readonly code?: string }
    : { code: undefined, message: String(error) }
  if (code === "ERR_WORKER_OUT_OF_MEMORY") return overMemory(limits)
  return message.includes("queue")
    ? { code: "start", reason: `it found no free thread: all ${maximumThreads} are busy` }
    : { code: "exited", reason: `its thread ended (${message})` }
}

export const openThread = ({ env, limits }: Launch, _hearing: Hearing, guest: GuestFiles): Wire => {
  const { port1: port, port2 } = new MessageChannel()
  const ended = Promise.withResolvers<IsolateEnd>()
  const closed = new Promise<void>((resolve) => port.once("close", () => resolve()))
  const abort = new AbortController()
  // How many messages were taken: the thread waits before it sends too many.
  const taken = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  let handler: ((message: unknown, bytes: number) => void) | undefined
  let paused = false
  let waiting: Array<unknown> = []
  let wanted: IsolateEnd | undefined
  let over = false

  const deliver = (): void => {
    while (!paused && handler !== undefined && waiting.length > 0) {
      const message = waiting.shift()
      Atomics.add(taken, 0, 1)
      Atomics.notify(taken, 0)
      handler(message, JSON.stringify(message)?.length ?? 0)
    }
  }
  port.on("message", (message) => {
    waiting.push(message)
    deliver()
  })

  /** `closing`: its side of the port closes, too. What it sent last comes before that. */
  const finish = async (end: IsolateEnd, closing: boolean): Promise<void> => {
    over = true
    let timer: NodeJS.Timeout | undefined
    if (closing || abort.signal.aborted) {
      // A thread that was terminated is gone when its side of the port is.
      await Promise.race([closed, new Promise((resolve) => timer = setTimeout(resolve, goneMs))])
      clearTimeout(timer)
    }
    port.close()
    if (!paused) deliver()
    waiting = []
    ended.resolve(end)
  }
  poolFor(guest, limits, env).run(
    { port: port2, taken: taken.buffer },
    { transferList: [port2], signal: abort.signal }
  ).then(
    () => finish(wanted ?? { code: "exited", reason: "it ended by itself" }, true),
    (error: unknown) => finish(wanted ?? reasonOf(error, limits), false)
  )
  const endIt = (end: IsolateEnd): void => {
    if (over) return
    wanted ??= end
    abort.abort()
  }

  return {
    runtime: "thread",
    pid: undefined,
    send: (message) => {
      const length = JSON.stringify(message).length
      if (length > maximumFrame) {
        throw new RangeError(`A message has ${length} bytes, and may have ${maximumFrame}.`)
      }
      if (!over) port.postMessage(message)
    },
    unread: () => 0,
    receive: (next) => {
      handler = next
      deliver()
    },
    pause: () => {
      paused = true
    },
    resume: () => {
      paused = false
      deliver()
    },
    ended: ended.promise,
    stop: (graceMs) => {
      if (!over) {
        const end: IsolateEnd = { code: "stopped", reason: "it was told to end" }
        wanted ??= end
        const timer = setTimeout(() => endIt(end), graceMs)
        void ended.promise.then(() => clearTimeout(timer))
      }
      return ended.promise
    },
    kill: (end) => {
      endIt(end)
      return ended.promise
    }
  }
}
