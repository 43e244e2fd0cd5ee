/**
 * A database that can only be read: every transaction of its sessions is, so a replay that would write is refused by the
 * server itself.
 */
import type { PgClient } from "@effect/sql-pg"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { layerClient } from "../database/Client.ts"
import { type Connection, DatabaseError, rootOf } from "../database/Database.ts"

/** The newest schema that the records are read by. */
const schema = 7

const checkSchema = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql<{ readonly id: number | null }>`select max(migration_id) as id from migrations`
  if ((found?.id ?? 0) >= schema) return
  return yield* new DatabaseError({
    detail: `The database is older than this SYRIS (schema ${
      found?.id ?? 0
    }): start the host once, and it is brought up to date.`
  })
})

export const layerReadOnly = (
  connection: Connection
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, DatabaseError> =>
  layerClient({
    ...connection,
    applicationName: "syris replay",
    maxConnections: 2,
    connectTimeout: "5 seconds",
    startupParameters: { timezone: "UTC", default_transaction_read_only: "on" }
  }).pipe(
    Layer.tap((services) => Effect.provide(checkSchema, services)),
    Layer.catch((cause) =>
      Layer.effectContext(Effect.fail(
        cause instanceof DatabaseError
          ? cause
          : new DatabaseError({ detail: `The database can't be reached (${rootOf(cause)}).`, cause })
      ))
    )
  )
