/**
 * The wire to a process: frames over its stdin and stdout, lines of its stderr as logs, and its end with all that is left of
 * it. See `Guard.ts` for what ends it when the host is killed.
 */
import * as fs from "node:fs"
import type { Readable } from "node:stream"
import type { Runtime } from "../../core/contract/Enums.ts"
import type { Hearing, IsolateEnd, Limits } from "../Isolate.ts"
import { encodeFrame, FrameReader, ProtocolError } from "../protocol/Frames.ts"
import { type Guarded, signalGroup, startGuarded } from "./Guard.ts"
import { boundedLines } from "./Lines.ts"
import { allProcesses, startedWith } from "./Processes.ts"
import { overCpu, overMemory, watchGroup } from "./Watch.ts"
import type { Wire } from "./Wire.ts"

export interface Piped {
  readonly runtime: Runtime
  readonly guarded: Guarded
  /** Is removed with it; its environment's `TMPDIR` is in it, and marks what it started. */
  readonly folder: string
  readonly limits: Limits
  readonly baseMb: number
  readonly hearing: Hearing
}

/** What was sent and is not read: more than this, and it is ended. */
export const maximumUnread = 16 * 1_048_576
/** For what it had written when it ended. */
const drainMs = 10_000
/** A process that the kernel can't end is left alone after so many looks, 5 ms apart. */
const looks = 500

const outOfMemory = /JavaScript heap out of memory|Fatal JavaScript out of memory|Fatal process out of memory/

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const closing = (stream: Readable | null): Promise<void> =>
  stream === null || stream.readableEnded || stream.destroyed
    ? Promise.resolve()
    : new Promise((resolve) => stream.once("close", resolve))

/** Kills what is left of the group, and what has left it, until nothing is. */
const endAll = async (group: number, marker: string): Promise<void> => {
  for (let look = 0; look < looks; look++) {
    const left = new Set([
      ...allProcesses().filter((line) => line.group === group).map(({ pid }) => pid),
      ...startedWith("TMPDIR", marker)
    ])
    if (left.size === 0) return
    for (const pid of left) {
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // It has ended.
      }
    }
    await pause(5)
  }
}

export const openPiped = ({ baseMb, folder, guarded, hearing, limits, runtime }: Piped): Wire => {
  const child = startGuarded(guarded)
  const { stderr, stdin, stdout } = child
  const ended = Promise.withResolvers<IsolateEnd>()
  const reader = new FrameReader()
  let handler: ((message: unknown, bytes: number) => void) | undefined
  let paused = false
  // Why the host ends it.
  let wanted: IsolateEnd | undefined
  let over = false
  let sawOutOfMemory = false

  const endIt = (end: IsolateEnd): void => {
    if (over) return
    wanted ??= end
    signalGroup(child, "SIGKILL")
  }
  const unwatch = child.pid === undefined
    ? () => undefined
    : watchGroup({ group: child.pid, limits, baseMb, breach: endIt })

  const deliver = (): void => {
    if (handler === undefined) return
    try {
      while (!paused) {
        const next = reader.next()
        if (next === undefined) return
        handler(next.message, next.bytes)
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      endIt({ code: "protocol", reason: error.message })
      paused = true
    }
  }
  const flow = (): void => void (handler === undefined || paused ? stdout?.pause() : stdout?.resume())

  stdout?.pause()
  stdout?.on("data", (chunk: Buffer) => {
    if (wanted?.code === "protocol") return
    reader.push(chunk)
    deliver()
    flow()
  })
  stdout?.on("error", () => undefined)
  // It has ended, or will read nothing more.
  stdin?.on("error", () => undefined)

  const lines = boundedLines((message) => hearing.log({ level: "info", message }))
  stderr?.setEncoding("utf8")
  // The words may come in two pieces.
  let tail = ""
  stderr?.on("data", (text: string) => {
    tail += text
    sawOutOfMemory ||= outOfMemory.test(tail)
    tail = tail.slice(-64)
    lines.push(text)
  })
  stderr?.on("error", () => undefined)

  const reasonOf = (code: number | null, signal: NodeJS.Signals | null): IsolateEnd => {
    if (wanted !== undefined) return wanted
    if (sawOutOfMemory && code !== 0) return overMemory(limits)
    const { cpuSeconds } = limits
    if (cpuSeconds !== undefined && (signal === "SIGXCPU" || signal === "SIGKILL")) return overCpu(cpuSeconds)
    return signal === null
      ? { code: "exited", reason: `it ended by itself (code ${code ?? "unknown"})` }
      : { code: "signal", reason: `it was ended by ${signal}` }
  }

  const finish = async (end: () => IsolateEnd): Promise<void> => {
    if (over) return
    over = true
    unwatch()
    signalGroup(child, "SIGKILL")
    if (child.pid !== undefined) await endAll(child.pid, guarded.env["TMPDIR"] ?? folder)
    // Its pipes have no writer any more: what is in them is read, unless nobody wants it.
    const closed = Promise.all([stdout, stderr].map(closing))
    if (!paused && handler !== undefined) await Promise.race([closed, pause(drainMs)])
    for (const stream of [stdin, stdout, stderr]) stream?.destroy()
    lines.end()
    await fs.promises.rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined)
    ended.resolve(end())
  }
  child.once("exit", (code, signal) => void finish(() => reasonOf(code, signal)))
  child.once("error", (error) => {
    if (child.pid === undefined) {
      void finish(() => ({ code: "start", reason: `it could not be started (${error.message})` }))
    }
  })

  return {
    runtime,
    pid: child.pid,
    send: (message) => {
      const frame = encodeFrame(message)
      if (over || stdin === null || !stdin.writable) return
      stdin.write(frame)
      if (stdin.writableLength > maximumUnread) {
        endIt({ code: "protocol", reason: `it did not read ${maximumUnread / 1_048_576} MiB that it was sent` })
      }
    },
    unread: () => stdin?.writableLength ?? 0,
    receive: (next) => {
      handler = next
      deliver()
      flow()
    },
    pause: () => {
      paused = true
      flow()
    },
    resume: () => {
      if (!paused || wanted?.code === "protocol") return
      paused = false
      deliver()
      flow()
    },
    ended: ended.promise,
    stop: (graceMs) => {
      if (!over) {
        const end: IsolateEnd = { code: "stopped", reason: "it was told to end" }
        wanted ??= end
        signalGroup(child, "SIGTERM")
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
