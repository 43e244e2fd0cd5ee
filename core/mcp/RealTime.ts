/**
 * Time as processes and sockets have it. The host's own clock stands still in a test until the test moves it; a server that
 * hangs does not.
 */
import { Context, Effect } from "effect"

export interface Time {
  readonly sleep: (ms: number) => Effect.Effect<void>
  /** Milliseconds since some moment; never goes back. */
  readonly now: () => number
  /** From 0 to 1. */
  readonly random: () => number
}

export const sleep = (ms: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const timer = setTimeout(() => resume(Effect.void), ms)
    return Effect.sync(() => clearTimeout(timer))
  })

/** What a test of the waiting itself replaces. */
export const RealTime = Context.Reference<Time>("syris/mcp/RealTime", {
  defaultValue: () => ({ sleep, now: () => performance.now(), random: Math.random })
})
