/**
 * One PostgreSQL for the whole run: `DATABASE_URL` where it is set, else an embedded one in a temporary folder. Every
 * test file makes its own databases on it.
 */
import { Effect, Exit, Scope } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as EmbeddedPostgres from "../core/database/EmbeddedPostgres.ts"

export default async function setup(): Promise<() => Promise<void>> {
  if (process.env["SYRIS_TEST_DATABASE_URL"] !== undefined) return async () => {}
  const given = process.env["DATABASE_URL"]
  if (given !== undefined && given !== "") {
    process.env["SYRIS_TEST_DATABASE_URL"] = given
    return async () => {}
  }
  const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-tests-"))
  const scope = Scope.makeUnsafe()
  const { connection } = await Effect.runPromise(Scope.provide(EmbeddedPostgres.start({ home }), scope))
  const host = encodeURIComponent(path.dirname(connection.path))
  process.env["SYRIS_TEST_DATABASE_URL"] =
    `postgres://${connection.username}@localhost/${connection.database}?host=${host}`
  return async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    fs.rmSync(home, { recursive: true, force: true })
  }
}
