/**
 * Databases for a test's own hosts, and eyes in them that do not go through a host.
 */
import { Effect, Exit, ManagedRuntime, Redacted, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { type Connection, fromUrl, layerPool } from "../../core/database/Database.ts"
import * as EmbeddedPostgres from "../../core/database/EmbeddedPostgres.ts"
import { emptyDatabase, newDatabase } from "../../core/testing/TestDatabase.ts"
import { long } from "./Until.ts"

export interface Eyes {
  readonly query: <Row extends object = Record<string, any>>(
    text: string,
    values?: ReadonlyArray<unknown>
  ) => Promise<ReadonlyArray<Row>>
  readonly close: () => Promise<void>
}

export const look = (connection: Connection): Eyes => {
  const runtime = ManagedRuntime.make(layerPool(connection))
  return {
    query: (text, values = []) =>
      runtime.runPromise(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql.unsafe(text, values)).pipe(
          // What a killed host sent last may still be under way.
          Effect.retry({ times: 3, while: ({ reason }) => reason._tag === "DeadlockError" })
        )
      ) as Promise<any>,
    close: () => runtime.dispose()
  }
}

export interface OwnDatabase extends Eyes {
  readonly url: string
}

/** A database without rows on the server of the test run, or `empty`, without tables, too; dropped at `close`. */
export const makeDatabase = async ({ empty = false } = {}): Promise<OwnDatabase> => {
  const scope = Scope.makeUnsafe()
  const url = await Effect.runPromise(Scope.provide(empty ? emptyDatabase : newDatabase, scope))
  const eyes = look(fromUrl(url))
  return {
    ...eyes,
    url: Redacted.value(url),
    close: async () => {
      await eyes.close()
      await Effect.runPromise(Scope.close(scope, Exit.void))
    }
  }
}

export interface OwnServer {
  readonly connection: { readonly path: string; readonly database: string; readonly username: string }
  /** As `DATABASE_URL` takes it. */
  readonly url: string
  readonly stop: () => Promise<void>
  /** Ends the postmaster with a signal: SIGKILL, or SIGQUIT for an immediate shutdown. Resolves when it is gone. */
  readonly crash: (signal: "SIGKILL" | "SIGQUIT") => Promise<void>
}

/**
 * A home whose PostgreSQL has had its first start, with an empty database: a copy of one, where the run has made one. First
 * starts have tests of their own (`core/database/EmbeddedPostgres.test.ts`, the story of mistakes).
 */
export const furnish = (home: string): void => {
  const first = process.env["SYRIS_TEST_FIRST_START"]
  if (first === undefined || fs.existsSync(path.join(home, "postgres"))) return
  // With its owner, who as root is not who copies.
  execFileSync("cp", ["-a", path.join(first, "postgres"), home])
}

/** A PostgreSQL of its own in a home that no host has. */
export const startServer = async (home: string): Promise<OwnServer> => {
  furnish(home)
  const scope = Scope.makeUnsafe()
  const { connection, pid } = await Effect.runPromise(Scope.provide(EmbeddedPostgres.start({ home }), scope))
  const { database, path: socket, username } = connection
  const folder = encodeURIComponent(socket.slice(0, socket.lastIndexOf("/")))
  const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
  return {
    connection,
    url: `postgres://${username}@localhost/${database}?host=${folder}`,
    stop,
    crash: async (signal) => {
      process.kill(pid, signal)
      await stop()
    }
  }
}

/**
 * A condition over `pg_stat_activity` for whoever cuts connections: a claim whose answer is lost is found forgotten after 30 s,
 * which is for the long form.
 */
export const sparesClaims = long ? "" : "and not (state = 'active' and query like '%with open as materialized%')"
