/**
 * A clock that stands at a moment of the past, for the code that decides.
 */
import { Clock, Effect } from "effect"

/** Runs an effect as if it were that time. */
export const standing = <A, E, R>(effect: Effect.Effect<A, E, R>, at: Date): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.service(Clock.Clock), (clock) => {
    const nanos = BigInt(at.getTime()) * 1_000_000n
    return Effect.provideService(effect, Clock.Clock, {
      sleep: (duration) => clock.sleep(duration),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos,
      currentTimeMillisUnsafe: () => at.getTime(),
      currentTimeMillis: Effect.sync(() => at.getTime()),
      currentTimeNanosUnsafe: () => nanos,
      currentTimeNanos: Effect.sync(() => nanos)
    })
  })
