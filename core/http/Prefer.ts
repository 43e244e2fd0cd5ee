/**
 * `Prefer: wait=N` (RFC 7240): an answer that is held until the trace is settled, N seconds have passed, or the host stops.
 */
import { Context, Deferred, Effect } from "effect"

/** The longest that an answer is held, in seconds. */
const maximumWait = 60

const waitPreference = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:$|[,;])/i

/** The seconds that a client would wait for the end of the trace. */
export const readPrefer = (header: string | ReadonlyArray<string> | undefined): number | undefined => {
  if (header === undefined) return undefined
  const wait = waitPreference.exec(typeof header === "string" ? header : header.join(","))?.[1]
  return wait === undefined ? undefined : Math.min(Number(wait), maximumWait)
}

/** What a client is told of the wait that it got. */
export const preferenceApplied = (seconds: number) => ({ "preference-applied": `wait=${seconds}` })

/** Done when the host stops: a stop is not held up by held answers. */
export class Stopping extends Context.Service<Stopping, Deferred.Deferred<void>>()("syris/http/Stopping") {}

/** Waits so long at most; `undefined` where the time passed or the host stops. */
export const held = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  seconds: number,
  stopping: Deferred.Deferred<void>
): Effect.Effect<A | undefined, E, R> =>
  self.pipe(
    Effect.timeoutOption(`${seconds} seconds`),
    Effect.map((end) => end._tag === "Some" ? end.value : undefined),
    Effect.raceFirst(Effect.as(Deferred.await(stopping), undefined))
  )
