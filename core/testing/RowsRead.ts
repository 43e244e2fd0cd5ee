/**
 * How many rows of a table and its partitions an effect has the database look at, whatever it answers.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"

export const rowsRead = <E, R>(table: string, effect: Effect.Effect<unknown, E, R>) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    const count = Effect.map(
      sql<{ readonly rows: number }>`
        select (sum(seq_tup_read) + sum(idx_tup_fetch))::int as rows
        from pg_stat_xact_user_tables where relname = ${table} or relname ~ ${`^${table}_(default|\\d+)$`}`,
      ([row]) => row?.rows ?? Number.NaN
    )
    const before = yield* count
    yield* effect
    return (yield* count) - before
  }).pipe((counted) => Effect.flatMap(SqlClient.SqlClient, (sql) => sql.withTransaction(counted)))
