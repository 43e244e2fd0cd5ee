/**
 * The connection pool and the schema. Everything above asks for `SqlClient`; nobody opens a connection of its own.
 *
 * Row values come and go as they are (snake_case from column to wire), timestamps as `Date`, `bigint` as BigInt.
 */
import type { PgClient } from "@effect/sql-pg"
import { Effect, Layer, Redacted, Schema } from "effect"
import { Migrator, SqlClient } from "effect/sql"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { layerClient } from "./Client.ts"

export class DatabaseError extends Schema.TaggedError<DatabaseError>()("DatabaseError", {
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

/** Where the database is: a URL, or a unix socket (its whole path). */
export type Connection =
  | { readonly url: Redacted.Redacted }
  | {
    readonly path: string
    readonly database: string
    readonly username: string
    readonly password?: Redacted.Redacted
  }

/** As libpq reads it: a `host` that begins with `/` is the folder of a unix socket. */
export const fromUrl = (url: Redacted.Redacted): Connection => {
  const parsed = URL.parse(Redacted.value(url))
  const folder = parsed?.searchParams.get("host") ?? decodeURIComponent(parsed?.hostname ?? "")
  if (parsed === null || !folder.startsWith("/")) return { url }
  const port = parsed.searchParams.get("port") ?? (parsed.port === "" ? "5432" : parsed.port)
  return {
    path: path.join(folder, `.s.PGSQL.${port}`),
    database: decodeURIComponent(parsed.pathname.slice(1)),
    username: decodeURIComponent(parsed.username),
    ...(parsed.password === "" ? {} : { password: Redacted.make(decodeURIComponent(parsed.password)) })
  }
}

/** At most this many connections a host. */
export const poolSize = 10

/** A connection is made at once, so that a database that can't be used is known at the start, and why. */
export const layerPool = (
  connection: Connection
): Layer.Layer<PgClient.PgClient | SqlClient.SqlClient, DatabaseError> =>
  layerClient({
    ...connection,
    applicationName: "syris",
    maxConnections: poolSize,
    // A new connection plans everything anew.
    idleTimeout: "10 minutes",
    connectTimeout: "10 seconds",
    keepAlive: "10 seconds",
    // Nobody waits long for a lock or for a peer that is gone: what is cut is sent again.
    // Plans are made while tables are small and kept while they grow: by the default, which is made for turning disks, they
    // would read whole tables.
    startupParameters: {
      timezone: "UTC",
      lock_timeout: "5s",
      tcp_user_timeout: "15000",
      random_page_cost: "1.1",
      // The statements of the hot path are large: planned once for a connection, not for each of the first executions.
      plan_cache_mode: "force_generic_plan",
      // Longer than any tool may take: a transaction that a frozen host left open must not hold its locks for ever.
      idle_in_transaction_session_timeout: "61min"
    }
  }).pipe(
    Layer.tap((services) => Effect.provide(checkServer, services)),
    Layer.catch((error) =>
      Layer.effectContext(Effect.fail(error instanceof DatabaseError ? error : unreachable(error)))
    )
  )

/** The oldest server that the schema and the statements work on. */
const oldestServer = 15

const checkServer = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [server] = yield* sql<{ readonly major: number }>`
    select current_setting('server_version_num')::int / 10000 as major`
  if (server === undefined || server.major >= oldestServer) return
  return yield* new DatabaseError({
    detail:
      `The database is PostgreSQL ${server.major}, and SYRIS needs ${oldestServer} or newer: set DATABASE_URL to another one.`
  })
})

const unreachable = (cause: unknown): DatabaseError =>
  new DatabaseError({
    detail: `The database can't be reached (${rootOf(cause)}): check that it runs, and DATABASE_URL.`,
    cause
  })

/** What lies under all: `connect ECONNREFUSED 127.0.0.1:5432`, `database "x" does not exist`. */
export const rootOf = (error: unknown): string => {
  let root = error
  while (root instanceof Error && root.cause instanceof Error) root = root.cause
  const { code, message } = root as NodeJS.ErrnoException
  return message || code || "it gave no reason"
}

const findMigrations = (): string => {
  let folder = path.dirname(fileURLToPath(import.meta.url))
  while (!fs.existsSync(path.join(folder, "migrations", "0001_foundation.sql"))) {
    const up = path.dirname(folder)
    if (up === folder) throw new Error("The migrations folder is missing beside the host.")
    folder = up
  }
  return path.join(folder, "migrations")
}

/** Runs a whole SQL file in one statement, as the caller's transaction has it. */
const runFile = (file: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    yield* sql`create or replace function pg_temp.run_file(text) returns void language plpgsql as 'begin execute $1; end'`
    yield* sql`select pg_temp.run_file(${fs.readFileSync(file, "utf8")})`
  })

const load = Effect.sync(() => {
  const folder = findMigrations()
  return fs.readdirSync(folder).filter((name) => /^\d{4}_\w+\.sql$/.test(name)).sort().map((name) =>
    [Number(name.slice(0, 4)), name.slice(5, -4), Effect.succeed(runFile(path.join(folder, name)))] as const
  )
})

/** Brings the schema up to date: forward only, each file once, hosts one after the other. */
export const migrate: Effect.Effect<void, DatabaseError, SqlClient.SqlClient> = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const known = Math.max(...(yield* load).map(([id]) => id))
  const newest = sql<{ readonly id: number }>`select max(migration_id) as id from migrations`.pipe(
    Effect.map(([row]) => row?.id ?? 0)
  )
  // One look is enough where there is nothing to do; a database without the table has everything to do.
  const before = yield* Effect.catchReason(newest, "SqlError", "SqlSyntaxError", () => Effect.succeed(0))
  if (before < known) {
    yield* Migrator.make({})({ loader: load, table: "migrations" })
    yield* sql`select ensure_partitions()`
  }
  const now = before < known ? yield* newest : before
  if (now > known) {
    return yield* new DatabaseError({
      detail: `The database was used by a newer SYRIS (schema ${now}, this one knows ${known}). Update this SYRIS.`
    })
  }
}).pipe(
  Effect.mapError((cause) =>
    cause instanceof DatabaseError
      ? cause
      : new DatabaseError({ detail: `The database schema can't be brought up to date: ${cause.message}`, cause })
  ),
  Effect.asVoid
)

/** Makes the partitions of the coming months while the host runs. */
export const layerPartitions = Layer.effectDiscard(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`select ensure_partitions()`.pipe(
    Effect.catch((error) => Effect.logWarning(`Partitions could not be made: ${error.message}`)),
    Effect.andThen(Effect.sleep("6 hours")),
    Effect.forever,
    Effect.delay("5 seconds"),
    Effect.forkScoped
  )
}))
