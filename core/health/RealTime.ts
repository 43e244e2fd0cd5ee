/**
 * Time as processes and sockets have it. The host's own clock stands still in a test until the test moves it; a process or a
 * server that hangs does not.
 */
import { Effect } from "effect"

export interface Time {
  readonly sleep: (ms: number) => Effect.Effect<void>
  /** Milliseconds since some moment; never goes back. */
  readonly now: () => number
}

export const realTime: Time = {
  sleep: (ms) =>
    Effect.callback((resume) => {
      const timer = setTimeout(() => resume(Effect.void), ms)
      return Effect.sync(() => clearTimeout(timer))
    }),
  now: () => performance.now()
}
