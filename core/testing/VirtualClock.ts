/**
 * A clock that a test moves. It runs like the real one until it is moved; whoever sleeps past the new time wakes at once.
 * Only what asks the host's clock sees it; the database has its own.
 */
import { type Clock, Duration, Effect } from "effect"

interface Sleeper {
  readonly until: number
  readonly wake: () => void
}

export interface VirtualClock extends Clock.Clock {
  /** Moves it forward. */
  readonly advance: (by: Duration.Input) => void
  readonly now: () => Date
}

export const make = (): VirtualClock => {
  let offset = 0
  const sleepers = new Set<Sleeper>()
  const millis = () => Date.now() + offset
  const nanos = () => process.hrtime.bigint() + BigInt(offset) * 1_000_000n
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) =>
      Effect.callback<void>((resume) => {
        const ms = Duration.toMillis(duration)
        let timer: NodeJS.Timeout | undefined
        const sleeper: Sleeper = {
          until: millis() + ms,
          wake: () => {
            clearTimeout(timer)
            sleepers.delete(sleeper)
            resume(Effect.void)
          }
        }
        sleepers.add(sleeper)
        if (ms <= 2_147_483_647) timer = setTimeout(sleeper.wake, ms)
        return Effect.sync(() => {
          clearTimeout(timer)
          sleepers.delete(sleeper)
        })
      }),
    advance: (by) => {
      offset += Duration.toMillis(Duration.fromInputUnsafe(by))
      for (const sleeper of Array.from(sleepers)) if (sleeper.until <= millis()) sleeper.wake()
    },
    now: () => new Date(millis())
  }
}
