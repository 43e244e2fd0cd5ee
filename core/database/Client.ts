/**
 * The client of a pool whose transactions fail as what was done in them failed.
 *
 * On a lost connection the rollback fails, too. The library makes a defect of that, and of the error that led to it: whoever would
 * try again, or answer for the error, would not see one. The server has rolled back what it lost the connection of.
 */
import { PgClient } from "@effect/sql-pg"
import { Cause, Effect, Exit, Layer } from "effect"
import { SqlClient, SqlError } from "effect/sql"

export const layerClient = (config: Parameters<typeof PgClient.layer>[0]): ReturnType<typeof PgClient.layer> =>
  Layer.tap(PgClient.layer(config), (services) =>
    Effect.provide(
      Effect.map(SqlClient.SqlClient, (client) => Object.assign(client, { withTransaction: transactionsOf(client) })),
      services
    ))

const transactionsOf = (
  { transactionService, withTransaction }: SqlClient.SqlClient
): SqlClient.SqlClient["withTransaction"] =>
  Effect.fnUntraced(function*<A, E, R>(body: Effect.Effect<A, E, R>) {
    const within = yield* Effect.serviceOption(transactionService)
    let done: Exit.Exit<A, E> | undefined
    const transaction = withTransaction(Effect.onExit(body, (exit) => Effect.sync(() => (done = exit))))
    return yield* Effect.catchCause(transaction, (cause) => {
      const own = done !== undefined && Exit.isFailure(done) ? done.cause : undefined
      const lost = cause.reasons.filter(Cause.isDieReason).map(({ defect }) => defect).find(SqlError.isSqlError)
      if (own === undefined || lost === undefined) return Effect.failCause(cause)
      // What is around it must not go on in a transaction whose state nobody knows.
      return within._tag === "Some" ? Effect.fail(lost) : Effect.failCause(own)
    })
  })
