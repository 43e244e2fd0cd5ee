/**
 * A throw-away database with all migrations, on the server that `SYRIS_TEST_DATABASE_URL` names. Dropped with the
 * scope, whoever is still connected.
 *
 * `SYRIS_TEST_TEMPLATE` names a migrated database of that server to copy: that takes a fraction of the time. Without it the
 * database is empty, and whoever asked for it migrates it.
 */
import { PgClient } from "@effect/sql-pg"
import { Config, Effect, Layer, Redacted } from "effect"
import { SqlClient } from "effect/sql"
import * as crypto from "node:crypto"
import { fromUrl, layerPool, migrate } from "../database/Database.ts"

const makeDatabase = Effect.fnUntraced(function*(from: string) {
  const server = yield* Config.Redacted("SYRIS_TEST_DATABASE_URL")
  const name = `syris_test_${crypto.randomBytes(6).toString("hex")}`
  const onServer = <E>(statement: (sql: SqlClient.SqlClient) => Effect.Effect<unknown, E>) =>
    Effect.flatMap(SqlClient.SqlClient, statement).pipe(
      Effect.provide(
        Layer.fresh(PgClient.layer({ ...fromUrl(server), maxConnections: 1, connectTimeout: "1 minute" }))
      ),
      Effect.orDie
    )
  yield* Effect.acquireRelease(
    onServer((sql) => sql.unsafe(`create database ${name} ${from}`)),
    () => onServer((sql) => sql.unsafe(`drop database if exists ${name} with (force)`))
  )
  const url = new URL(Redacted.value(server))
  url.pathname = `/${name}`
  return Redacted.make(url.href)
})

/** Makes a database without tables and answers its URL. */
export const emptyDatabase = makeDatabase("")

/** Makes a database to be migrated, which most often is so already, and answers its URL. */
export const newDatabase = Effect.suspend(() => {
  const template = process.env["SYRIS_TEST_TEMPLATE"]
  return makeDatabase(template === undefined ? "" : `template ${template} strategy file_copy`)
})

/** `SqlClient` and `PgClient` on a migrated database of its own. */
export const layerTestDatabase = Layer.unwrap(
  Effect.map(newDatabase, (url) => Layer.effectDiscard(migrate).pipe(Layer.provideMerge(layerPool(fromUrl(url)))))
)
