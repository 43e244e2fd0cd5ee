/**
 * The transaction that a transactional tool may write in. It is opened when the tool first asks for it, and what the
 * tool wrote is committed with the call's outcome or not at all.
 */
import { Context, Deferred, Effect, Fiber, type Semaphore } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { isTransient } from "../database/Transient.ts"

export interface OutcomeTransaction {
  /** The run has ended: from now on it can't be opened, nor written in by what the run left behind. */
  readonly close: () => void
  /** Whether the tool asked for it. */
  readonly isOpen: () => boolean
  /** Whether it went down with its connection. Then nothing of it is there, unless the commit was under way. */
  readonly isLost: () => boolean
  /** Runs an effect inside, opening it first where needed. Refused once the run has ended. */
  readonly within: <A, E>(effect: Effect.Effect<A, E, SqlClient.SqlClient>) => Effect.Effect<A, E | SqlError.SqlError>
  /** Runs the last effect inside and commits; rolls back when it fails. */
  readonly commit: <A, E>(last: Effect.Effect<A, E>) => Effect.Effect<A, E | SqlError.SqlError>
  readonly rollback: Effect.Effect<void>
}

type Last = { readonly run: Effect.Effect<unknown, unknown> } | undefined

class RolledBack {
  readonly _tag = "RolledBack"
}

/** `room` bounds how many are open at once: whoever else needs a connection finds one. */
export const make = Effect.fnUntraced(function*(room: Semaphore.Semaphore) {
  const sql = yield* SqlClient.SqlClient
  let opened: Deferred.Deferred<Context.Context<never>, SqlError.SqlError> | undefined
  let fiber: Fiber.Fiber<unknown, unknown> | undefined
  let ended = false
  let lost = false
  const noteLoss = (error: unknown) =>
    Effect.sync(() => {
      lost ||= isTransient(error)
    })
  const last = yield* Deferred.make<Last>()

  const transaction = (ready: Deferred.Deferred<Context.Context<never>, SqlError.SqlError>) =>
    room.withPermit(sql.withTransaction(Effect.gen(function*() {
      yield* Deferred.succeed(ready, yield* Effect.context<never>())
      const final = yield* Deferred.await(last)
      return final === undefined ? yield* Effect.fail(new RolledBack()) : yield* final.run
    })))

  const open = Effect.gen(function*() {
    if (opened !== undefined) return yield* Deferred.await(opened)
    const ready = yield* Deferred.make<Context.Context<never>, SqlError.SqlError>()
    opened = ready
    fiber = yield* transaction(ready).pipe(
      Effect.onError((cause) => Deferred.failCause(ready, cause as never)),
      Effect.forkDetach
    )
    return yield* Deferred.await(ready)
  })

  const within: OutcomeTransaction["within"] = (effect) =>
    Effect.suspend(() => {
      if (ended) return Effect.die(new Error("This call has ended; its transaction can't be used any more."))
      return Effect.flatMap(open, (context) =>
        effect.pipe(Effect.provideService(SqlClient.SqlClient, sql), Effect.provideContext(context))).pipe(
          Effect.tapError(noteLoss)
        )
    })

  const commit: OutcomeTransaction["commit"] = (run) =>
    Effect.suspend(() => {
      ended = true
      if (fiber === undefined) return run
      return Effect.andThen(Deferred.succeed(last, { run }), Effect.tapError(Fiber.join(fiber), noteLoss)) as typeof run
    })

  const rollback = Effect.suspend(() => {
    ended = true
    if (fiber === undefined) return Effect.void
    return Effect.andThen(Deferred.succeed(last, undefined), Fiber.interrupt(fiber))
  })

  return {
    close: () => {
      ended = true
    },
    isOpen: () => opened !== undefined,
    isLost: () => lost,
    within,
    commit,
    rollback
  } satisfies OutcomeTransaction
})
