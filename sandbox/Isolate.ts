/**
 * A piece of code that runs apart from the host, as the host sees it: it says what it brings, its parts are invoked, and it
 * ends within its bounds. One protocol (`protocol/`), three runtimes (`runtimes/`), one program on the other side (`guest/`).
 *
 * Everything that comes from an isolate is hostile: it is bounded, checked and copied before anybody else sees it.
 */
import type { Schema } from "effect"
import type { Runtime } from "../core/contract/Enums.ts"
import type { PluginCode } from "../core/plugin/PluginCode.ts"
import type { Described } from "./protocol/Described.ts"

export interface Limits {
  /** Of the heap, MiB. The process as a whole may have what its runtime needs besides. */
  readonly memoryMb: number
  /** Of the processor, seconds; nothing where the host has its own time-out. */
  readonly cpuSeconds?: number
  /** Processes and threads of its group. Default 64. */
  readonly processes?: number
  /** Open files. Default 256. */
  readonly openFiles?: number
}

export interface Launch {
  readonly runtime: Runtime
  readonly code: PluginCode
  readonly limits: Limits
  /** Where its private temporary folder is made, which is removed with it. */
  readonly temporary: string
  /** Where what is made of granted code is kept, so that it starts sooner the next time; nothing is made without. */
  readonly prepared?: string
  /** Variables of the host's environment that it was granted, with their values. */
  readonly env: Readonly<Record<string, string>>
}

/** What was written by or about an isolate, for whoever looks after it. */
export interface Hearing {
  /** `stream`: what it wrote with `ctx.log`, or printed. Bounded in length and rate, as it came: secrets are still in it. */
  readonly log: (line: {
    readonly level: "debug" | "info" | "warn" | "error"
    readonly message: string
    readonly fields?: Readonly<Record<string, unknown>>
    /** Of which invocation, where it is known. */
    readonly invocation?: number
  }) => void
}

/** The parts of a plugin that are invoked. */
export type Part = "tool" | "job" | "task" | "channel" | "watcher" | "route" | "intent"

export interface Invocation {
  readonly part: Part
  /** Name of the part; of a channel its connector_id; of a route `GET /path`. */
  readonly name: string
  /**
   * tool: `read` (decode and judge), `run`, `preview`, `probe`, `compensate`; job: `read`, `run`; task: `read`, `run`; channel:
   * `receive`, `webhook`, `live`; watcher: `tick`; route: `handle`; intent: `input`.
   */
  readonly member: string
  readonly args: ReadonlyArray<Schema.Json>
  /** Plain facts that the context has on the other side: `idempotencyKey`, `traceId`, `now`, `trust`, … */
  readonly facts: Readonly<Record<string, Schema.Json>>
  /**
   * What it may ask of the host while it runs, by name; nothing else exists for it. Arguments are plain JSON that is not
   * checked yet; what is answered is plain JSON. Where it throws, its words go back.
   */
  readonly asks: Readonly<Record<string, (...args: ReadonlyArray<Schema.Json>) => unknown>>
  /** Aborting it tells the other side, and settles the invocation at once. */
  readonly signal: AbortSignal
}

/** Why an isolate is over. */
export interface IsolateEnd {
  /** `stopped`: the host wanted it. */
  readonly code: "stopped" | "exited" | "signal" | "memory" | "cpu" | "protocol" | "start"
  /** Without a subject: "it ended by itself (code 1)". */
  readonly reason: string
}

/** The isolate ended before it answered: what was invoked may or may not have been done. */
export class IsolateLost extends Error {
  override readonly name = "IsolateLost"
  readonly end: IsolateEnd
  constructor(end: IsolateEnd) {
    super(`The isolate is gone: ${end.reason}.`)
    this.end = end
  }
}

export interface Isolate {
  readonly runtime: Runtime
  /** None for a thread. */
  readonly pid: number | undefined
  readonly described: Described
  /**
   * Settles when the other side answered. Rejects with what was thrown there, in the same classes (`ToolRefused`,
   * `ToolUnknown`, `WebhookRefused`, `TaskStepFailed`, else `Error` with its name and `code`), with `IsolateLost`, or with an
   * `AbortError`.
   */
  readonly invoke: (invocation: Invocation) => Promise<Schema.Json | undefined>
  readonly ended: Promise<IsolateEnd>
  /** Asks it to end, then SIGTERM, and after the grace SIGKILL of the whole group. Settles when nothing of it is left. */
  readonly stop: (graceMs?: number) => Promise<IsolateEnd>
}

/** Between SIGTERM and SIGKILL, milliseconds. */
export const defaultGraceMs = 2_000
