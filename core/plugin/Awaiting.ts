/**
 * A plugin's function as an effect, whichever way it answers: a value, a Promise or an Effect.
 */
import { Effect } from "effect"

/** Fails with what the function threw, rejected with or failed with. Called anew at each run. */
export const fromPlugin = <A, R = never>(
  call: () => A | PromiseLike<A> | Effect.Effect<A, unknown, R>
): Effect.Effect<A, unknown, R> =>
  Effect.suspend((): Effect.Effect<A, unknown, R> => {
    let given: A | PromiseLike<A> | Effect.Effect<A, unknown, R>
    try {
      given = call()
    } catch (error) {
      return Effect.fail(error)
    }
    if (Effect.isEffect(given)) return given as Effect.Effect<A, unknown, R>
    return isPromiseLike(given)
      ? Effect.catchDefect(Effect.promise(() => Promise.resolve(given)), (error) => Effect.fail(error))
      : Effect.succeed(given)
  })

const isPromiseLike = <A>(value: A | PromiseLike<A>): value is PromiseLike<A> =>
  typeof value === "object" && value !== null && "then" in value && typeof value.then === "function"
