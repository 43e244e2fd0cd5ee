/**
 * What the parts of a plugin that runs apart from the host stand on: who it is, what it was granted, and the way to it.
 */
import type { Schema } from "effect"
import type { Invocation } from "../../sandbox/Isolate.ts"
import type { Permissions } from "../plugin/Plugin.ts"

/** It is not running, so nothing was asked of it. The message is a sentence. */
export class PluginAway extends Error {
  override readonly name = "PluginAway"
}

export interface Asked extends Omit<Invocation, "signal" | "asks" | "facts"> {
  readonly facts?: Invocation["facts"]
  readonly asks?: Invocation["asks"]
  readonly signal?: AbortSignal | undefined
  /** After so many milliseconds it is not waited for any more. */
  readonly withinMs?: number
  /** How long it is waited for one that is about to run. Default 5 seconds. */
  readonly patienceMs?: number
}

export interface Access {
  /** Its name in this host. */
  readonly plugin: string
  /** SHA-256 of its code. */
  readonly hash: string
  readonly allow: Permissions
  readonly trusted: boolean
  /** Of a call of a part that names no time-out of its own. */
  readonly timeoutMs: number
  /** Of each of its isolates, those of its jobs, too. */
  readonly memoryMb: number
  /** Whether the operator put a reference to this secret into its options. */
  readonly hasOption: (name: string, key: string) => boolean
  /** Why it is not running: a sentence; `undefined` where it is. */
  readonly away: () => string | undefined
  /**
   * Asks the isolate that runs now. Rejects with what was thrown there, with `PluginAway`, with `IsolateLost`, or with an
   * `AbortError` or a `TimeoutError`.
   */
  readonly invoke: (asked: Asked) => Promise<Schema.Json | undefined>
  /** Something was asked for that it was not granted; a sentence. */
  readonly refused: (sentence: string) => void
}

/** The variables of the host that it was granted, with their values. */
export const grantedEnv = (names: ReadonlyArray<string> = []): Readonly<Record<string, string>> =>
  Object.fromEntries(names.flatMap((name) => {
    const value = process.env[name]
    return value === undefined ? [] : [[name, value]]
  }))
