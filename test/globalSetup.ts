/**
 * One PostgreSQL for the whole run: `DATABASE_URL` where it is set, else an embedded one in a temporary folder, in memory
 * where there is room. Every test file makes its own databases on it, as copies of one that is migrated once. And what runs
 * in Deno, which would be made in the first test that needs it.
 *
 * In memory it promises all that it promises on a disk, but for a loss of power, which no test makes. Tests of the embedded
 * server have servers of their own, on the disk.
 */
import { Effect, Exit, Layer, Redacted, Scope } from "effect"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { fromUrl, layerPool, migrate } from "../core/database/Database.ts"
import * as EmbeddedPostgres from "../core/database/EmbeddedPostgres.ts"
import { emptyDatabase } from "../core/testing/TestDatabase.ts"
import { guestBundle } from "../sandbox/guest/bundle.ts"

export default async function setup(): Promise<() => Promise<void>> {
  await guestBundle()
  if (process.env["SYRIS_TEST_DATABASE_URL"] !== undefined) return async () => {}
  const scope = Scope.makeUnsafe()
  const homes: Array<string> = []
  const given = process.env["DATABASE_URL"]
  if (given !== undefined && given !== "") process.env["SYRIS_TEST_DATABASE_URL"] = given
  else {
    const folder = roomyMemory() ?? os.tmpdir()
    sweep(folder)
    const home = fs.mkdtempSync(path.join(folder, prefix))
    homes.push(home)
    // PostgreSQL never runs as root: its user has to reach its data.
    fs.chmodSync(home, 0o711)
    // What a first start makes, for tests whose servers of their own are about what comes after it.
    await Effect.runPromise(Effect.scoped(EmbeddedPostgres.start({ home })))
    const first = path.join(home, "first")
    fs.mkdirSync(first)
    execFileSync("cp", ["-a", fs.realpathSync(path.join(home, "postgres")), path.join(first, "postgres")])
    process.env["SYRIS_TEST_FIRST_START"] = first
    const { connection } = await Effect.runPromise(Scope.provide(EmbeddedPostgres.start({ home }), scope))
    const host = encodeURIComponent(path.dirname(connection.path))
    process.env["SYRIS_TEST_DATABASE_URL"] =
      `postgres://${connection.username}@localhost/${connection.database}?host=${host}`
  }
  process.env["SYRIS_TEST_TEMPLATE"] = await Effect.runPromise(Scope.provide(template, scope))
  return async () => {
    await Effect.runPromise(Scope.close(scope, Exit.void))
    for (const home of homes) fs.rmSync(home, { recursive: true, force: true })
  }
}

/** Makes a migrated database that nobody is connected to, and answers its name. */
const template = Effect.gen(function*() {
  const url = yield* emptyDatabase
  yield* Effect.provide(migrate, Layer.fresh(layerPool(fromUrl(url))))
  return new URL(Redacted.value(url)).pathname.slice(1)
})

const prefix = "syris-tests-"
const longestRunMs = 6 * 3_600_000

/** What runs left that were killed. */
const sweep = (folder: string): void => {
  for (const name of fs.readdirSync(folder)) {
    const old = path.join(folder, name)
    if (
      !name.startsWith(prefix) ||
      Date.now() - (fs.statSync(old, { throwIfNoEntry: false })?.mtimeMs ?? Infinity) < longestRunMs
    ) continue
    fs.rmSync(old, { recursive: true, force: true })
  }
}

/** A folder that is memory, where the data of a run has room twice over. */
const roomyMemory = (): string | undefined => {
  const folder = "/dev/shm"
  const wanted = 4 * 1024 ** 3
  try {
    fs.accessSync(folder, fs.constants.W_OK)
    const { bavail, bsize } = fs.statfsSync(folder)
    return bavail * bsize > wanted && os.freemem() > wanted ? folder : undefined
  } catch {
    return undefined
  }
}
