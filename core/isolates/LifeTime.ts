/**
 * Time as processes have it. The host's own clock stands still in a test until the test moves it; an isolate that hangs does not.
 */
import { Effect } from "effect"
import type { LifeTime } from "./IsolateLife.ts"

export const realTime: LifeTime = {
  sleep: (ms) =>
    Effect.callback((resume) => {
      const timer = setTimeout(() => resume(Effect.void), ms)
      return Effect.sync(() => clearTimeout(timer))
    }),
  now: () => performance.now()
}
