/**
 * What a plugin's function gives back in the end, whichever way it answers: a value, a Promise or an Effect.
 */
import { Cause, Effect, Exit } from "effect"
import type { Awaitable } from "../../core/plugin/Tool.ts"

/** Throws what the function threw, rejected with or failed with. An Effect is interrupted with the signal. */
export const awaited = async <A>(call: () => Awaitable<A>, signal?: AbortSignal): Promise<A> => {
  const given = call()
  if (!Effect.isEffect(given)) return await given
  const exit = await Effect.runPromiseExit(given as Effect.Effect<A, unknown>, signal === undefined ? {} : { signal })
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}
