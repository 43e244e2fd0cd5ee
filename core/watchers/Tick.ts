/**
 * Runs a watcher once, bounded: time, size and shape of what it gives back, number and size of the events that it emits.
 *
 * - A tick is not waited for past its time-out, however it behaves; its signal is aborted then.
 * - What it emits is kept, and handed over by whoever writes its outcome. A tick that fails hands over nothing.
 */
import { Cause, Deferred, Effect, Exit } from "effect"
import { fromPlugin } from "../plugin/Awaiting.ts"
import { isTooLong, NotPlainJson, toPlainJson } from "../plugin/PlainJson.ts"
import type { WatcherContext, WatcherEvent } from "../plugin/Plugin.ts"
import type { RegisteredWatcher } from "../plugin/Registry.ts"
import type { SecretOption } from "../plugin/Secret.ts"
import { guardedFetch } from "../safety/GuardedFetch.ts"
import { publicOnly } from "../safety/Outgoing.ts"
import { messageOf } from "../tools/Ending.ts"
import { seen } from "../tools/ToolRun.ts"

export interface TickRequest {
  readonly watcher: RegisteredWatcher
  /** By the database's clock. */
  readonly now: Date
  readonly state: unknown
  readonly traceId: string
  /** So many events are kept; the others are counted. */
  readonly allowance: number
  readonly secret: (first: SecretOption, key?: string) => Promise<string>
}

export interface Ticked {
  readonly ending:
    /** Without a state: the old one stays. */
    | { readonly ok: true; readonly state?: unknown }
    /** A sentence. */
    | { readonly ok: false; readonly error: string }
  readonly emitted: ReadonlyArray<unknown>
  /** Emitted beyond the allowance. */
  readonly suppressed: number
  readonly tookMs: number
}

/** Longest JSON text of all events of a tick together, in UTF-16 code units. */
const longestTogether = 8 * 1_048_576

const makeContext = ({ allowance, secret, traceId, watcher }: TickRequest, signal: AbortSignal) => {
  const { watcher_id } = watcher
  const emitted: Array<unknown> = []
  let suppressed = 0
  let length = 0
  let over = false

  const emit = (event: WatcherEvent): void => {
    if (over) throw new Error("The tick is over: emit before it ends.")
    if (emitted.length >= allowance) {
      suppressed++
      return
    }
    const plain = plainEvent(event)
    length += JSON.stringify(plain).length
    if (length > longestTogether) throw new Error("The events of one tick are longer than 8 MiB together. Emit less.")
    emitted.push({
      channel: "watcher",
      connector_id: watcher_id,
      actor_type: "system",
      actor_id: watcher_id,
      ...plain
    })
  }
  const context: WatcherContext = {
    emit,
    log: watcher.log.with({ trace_id: traceId }),
    signal,
    secret: (first: SecretOption, key?: string) => seen(secret(first, key)),
    fetch: guardedFetch(watcher.outgoing ?? publicOnly, signal)
  }
  const close = () => {
    over = true
    return { emitted, suppressed }
  }
  return { context, close }
}

/** A copy: what the plugin does to its object later is not stored. */
const plainEvent = (event: unknown): object => {
  try {
    const plain = toPlainJson(event)
    if (typeof plain !== "object" || plain === null || Array.isArray(plain)) {
      throw new NotPlainJson("is not an object, such as { text: \"…\" }")
    }
    if (isTooLong(plain)) throw new NotPlainJson("is longer than 1 MiB")
    return plain
  } catch (error) {
    throw error instanceof NotPlainJson ? new Error(`An event that it emitted ${error.message}.`) : error
  }
}

const failed = (error: string): Ticked["ending"] => ({ ok: false, error })

/** Whatever it threw: a proxy, an error without a message, nothing. */
const thrown = (error: unknown): Ticked["ending"] => {
  try {
    return failed(messageOf(error) || "It failed without a message.")
  } catch {
    return failed("It threw what can't be read.")
  }
}

const stateOf = (given: unknown): Ticked["ending"] => {
  if (given === undefined) return { ok: true }
  try {
    const state = toPlainJson(given)
    return isTooLong(state) ? failed("Its state is longer than 1 MiB. Keep less.") : { ok: true, state }
  } catch (error) {
    return error instanceof NotPlainJson
      ? failed(`Its state ${error.message}. Give back plain JSON.`)
      : failed("Its state can't be read. Give back plain JSON.")
  }
}

/** Interrupted where the host stops: then the signal is aborted, and the tick counts as not begun. */
export const runTick = Effect.fnUntraced(function*(request: TickRequest): Effect.fn.Return<Ticked> {
  const { now, state, watcher: { tick, timeoutMs } } = request
  const controller = new AbortController()
  const { close, context } = makeContext(request, controller.signal)
  const end = yield* Deferred.make<Exit.Exit<unknown, unknown> | "timeout">()
  const started = performance.now()
  const timer = setTimeout(() => void Deferred.doneUnsafe(end, Exit.succeed("timeout" as const)), timeoutMs)
  // Detached: a tick that ignores its interruption is left behind, never waited for.
  const fiber = yield* Effect.forkDetach(
    Effect.flatMap(
      Effect.exit(fromPlugin(() => tick(now, state, context))),
      (exit) => Deferred.succeed(end, exit)
    ),
    { startImmediately: true }
  )
  const leave = () => {
    clearTimeout(timer)
    controller.abort()
    fiber.interruptUnsafe()
  }
  const first = yield* Effect.onInterrupt(Deferred.await(end), () => Effect.sync(leave))
  const left = close()
  const tookMs = Math.round(performance.now() - started)
  leave()
  const ending = first === "timeout"
    ? failed(
      `It did not end within ${timeoutMs / 1_000} s and was aborted. Give it a longer timeout, or let it do less.`
    )
    : Exit.isFailure(first)
    ? thrown(Cause.squash(first.cause))
    : stateOf(first.value)
  return ending.ok ? { ending, tookMs, ...left } : { ending, tookMs, emitted: [], suppressed: 0 }
})
