import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Schedule, Scope } from "effect"
import { SqlClient } from "effect/sql"
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import * as EmbeddedPostgres from "./EmbeddedPostgres.ts"
import * as HomeLock from "./HomeLock.ts"

const asRoot = process.getuid?.() === 0
const timeout = 180_000
const root = path.resolve(import.meta.dirname, "../..")

/** A folder of its own for each test, removed with it. */
const folder = (mode: number) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const made = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "syris-pg-")))
      fs.chmodSync(made, mode)
      return made
    }),
    (made) => Effect.sync(() => fs.rmSync(made, { recursive: true, force: true }))
  )

const makeHome = Effect.map(folder(0o711), (made) => path.join(made, "home"))

/**
 * What a first start makes, made once: most tests are about what comes after it. In an empty folder of root's, which is opened
 * just enough, so that all stays in it.
 */
let made: Promise<string> | undefined
const firstStart = async () => {
  const home = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "syris-pg-")))
  const { dataDir } = await Effect.runPromise(Effect.scoped(EmbeddedPostgres.start({ home })))
  assert.strictEqual(dataDir, path.join(home, "postgres"))
  return home
}
afterAll(async () => made && fs.rmSync(await made, { recursive: true, force: true }))

/** A home that was stopped after its first start, with an empty database; `below` is a path to it. */
const usedHomeAt = Effect.fnUntraced(function*(below: string) {
  const home = path.join(yield* makeHome, below)
  const from = yield* Effect.promise(() => made ??= firstStart())
  fs.mkdirSync(home, { mode: 0o711, recursive: true })
  // With its owner, who as root is not who copies.
  execFileSync("cp", ["-a", path.join(from, "postgres"), home])
  return home
})
const usedHome = usedHomeAt("")

const query = (running: Pick<EmbeddedPostgres.Running, "connection">, text: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    return yield* sql.unsafe<{ readonly n: number }>(text)
  }).pipe(Effect.provide(PgClient.layer({ ...running.connection, maxConnections: 1 }), { local: true }))

const notes = (running: Pick<EmbeddedPostgres.Running, "connection">) =>
  Effect.map(query(running, "select n from notes order by n"), (rows) => rows.map((row) => row.n))

const write = (running: Pick<EmbeddedPostgres.Running, "connection">, n: number) =>
  Effect.andThen(
    query(running, "create table if not exists notes (n int primary key)"),
    query(running, `insert into notes values (${n})`)
  )

/** A host of its own process group, as a terminal or a service manager starts one. */
const spawnHost = (home: string) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      spawn(
        process.execPath,
        [
          "--import",
          pathToFileURL(path.join(root, "test", "compileCache.mjs")).href,
          "--input-type=module",
          "-e",
          `import { Effect } from "effect"
           import { start } from "./core/database/EmbeddedPostgres.ts"
           await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
             const running = yield* start({ home: process.argv[1] })
             console.log(JSON.stringify(running))
             setInterval(() => {}, 1000)
             yield* Effect.never
           })))`,
          home
        ],
        { cwd: root, detached: true, stdio: ["ignore", "pipe", "inherit"] }
      )
    ),
    (child) => Effect.sync(() => killGroup(child))
  )

const killGroup = (child: ChildProcess) => {
  if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, "SIGKILL")
}

const readyHost = (home: string) =>
  Effect.gen(function*() {
    const child = yield* spawnHost(home)
    const [line] = yield* Effect.promise(() => once(child.stdout!, "data"))
    return {
      child,
      running: JSON.parse(String(line)) as Pick<EmbeddedPostgres.Running, "connection" | "pid" | "dataDir">
    }
  })

const eventually = (what: string, check: () => boolean) =>
  Effect.sync(check).pipe(
    Effect.repeat({ until: (yes) => yes, schedule: Schedule.spaced("10 millis"), times: 4000 }),
    Effect.flatMap((yes) => Effect.sync(() => assert.isTrue(yes, what)))
  )

const isRunning = (pid: number) => HomeLock.startOf(pid) !== undefined

describe("EmbeddedPostgres", () => {
  it.live("keeps what was written over a stop, and promises durability", () =>
    Effect.gen(function*() {
      const home = yield* usedHome
      const first = yield* Effect.scoped(Effect.gen(function*() {
        const running = yield* EmbeddedPostgres.start({ home })
        yield* write(running, 1)
        return running
      }))
      assert.isFalse(isRunning(first.pid))
      assert.isFalse(fs.existsSync(path.join(home, "host.lock")))
      const running = yield* EmbeddedPostgres.start({ home })
      assert.deepStrictEqual(yield* notes(running), [1])
      const settings = yield* query(
        running,
        `select name || '=' || setting as n from pg_settings where name in
           ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums', 'autovacuum', 'listen_addresses') order by name`
      )
      assert.deepStrictEqual(settings.map((row) => String(row.n)), [
        "autovacuum=on",
        "data_checksums=on",
        "fsync=on",
        "full_page_writes=on",
        "listen_addresses=",
        "synchronous_commit=on"
      ])
      assert.match(running.version, /^\d+\.\d+$/)
      assert.strictEqual(fs.statSync(running.dataDir).mode & 0o777, 0o700)
    }), timeout)

  it.live("ends soon after its host was killed with its whole group, and loses nothing", () =>
    Effect.gen(function*() {
      const home = yield* usedHome
      const { child, running } = yield* readyHost(home)
      yield* write(running, 7)
      killGroup(child)
      yield* eventually("PostgreSQL ends with its host", () => !isRunning(running.pid))
      assert.deepStrictEqual(yield* notes(yield* EmbeddedPostgres.start({ home })), [7])
    }), timeout)

  it.live("waits for one that is still stopping after its host was killed", () =>
    Effect.gen(function*() {
      const home = yield* usedHome
      const { child, running } = yield* readyHost(home)
      yield* write(running, 3)
      const gone = once(child, "exit")
      killGroup(child)
      yield* Effect.promise(() => gone)
      assert.deepStrictEqual(yield* notes(yield* EmbeddedPostgres.start({ home })), [3])
      assert.isFalse(isRunning(running.pid))
    }), timeout)

  it.live.skipIf(process.platform !== "linux")(
    "ends the orphan of a host that was killed together with the watcher",
    () =>
      Effect.gen(function*() {
        const home = yield* usedHome
        const { child, running } = yield* readyHost(home)
        yield* write(running, 5)
        const stat = fs.readFileSync(`/proc/${running.pid}/stat`, "utf8")
        const watcher = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])
        const children = fs.readFileSync(`/proc/${watcher}/task/${watcher}/children`, "utf8").trim().split(" ").map(
          Number
        )
        for (const pid of [...children.filter((each) => each !== running.pid), watcher]) process.kill(pid, "SIGKILL")
        killGroup(child)
        yield* eventually("the host is gone", () => !isRunning(child.pid!))
        assert.isTrue(isRunning(running.pid))
        const next = yield* EmbeddedPostgres.start({ home })
        assert.isFalse(isRunning(running.pid))
        assert.deepStrictEqual(yield* notes(next), [5])
      }),
    timeout
  )

  it.live(
    "is not fooled by a stale pid file whose process id belongs to another program",
    () =>
      Effect.gen(function*() {
        const home = yield* usedHome
        const stranger = yield* Effect.acquireRelease(
          Effect.sync(() => spawn("sleep", ["600"], { stdio: "ignore" })),
          (child) => Effect.sync(() => child.kill("SIGKILL"))
        )
        const { dataDir } = yield* Effect.scoped(Effect.gen(function*() {
          const running = yield* EmbeddedPostgres.start({ home })
          yield* write(running, 9)
          return running
        }))
        fs.writeFileSync(
          path.join(dataDir, "postmaster.pid"),
          `${stranger.pid}\n${dataDir}\n1700000000\n5432\n.\n\n  1  2\nready   \n`
        )
        fs.writeFileSync(path.join(dataDir, ".s.PGSQL.5432"), "")
        fs.writeFileSync(path.join(dataDir, ".s.PGSQL.5432.lock"), `${stranger.pid}\n${dataDir}\n1700000000\n5432\n.\n`)
        fs.writeFileSync(
          path.join(home, "host.lock"),
          JSON.stringify({ pid: stranger.pid, start: "1", boot: "another", token: "t" })
        )
        assert.deepStrictEqual(yield* notes(yield* EmbeddedPostgres.start({ home })), [9])
        assert.isTrue(isRunning(stranger.pid!))
      }),
    timeout
  )

  it.live("runs in two homes at once, one of them with a path too long for a socket", () =>
    Effect.gen(function*() {
      const one = yield* EmbeddedPostgres.start({ home: yield* usedHome })
      const scope = yield* Scope.make()
      const two = yield* EmbeddedPostgres.start({ home: yield* usedHomeAt("deep".repeat(30)) }).pipe(
        Scope.provide(scope)
      )
      yield* Effect.all([write(one, 1), write(two, 2)], { concurrency: 2 })
      assert.deepStrictEqual([yield* notes(one), yield* notes(two)], [[1], [2]])
      const socketDir = path.dirname(two.connection.path)
      assert.isBelow(two.connection.path.length, 100)
      assert.strictEqual(fs.statSync(socketDir).mode & 0o777, 0o700)
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(fs.existsSync(socketDir))
      assert.deepStrictEqual(yield* notes(one), [1])
    }), timeout)

  it.live("refuses a second host in the same home and leaves the first alone", () =>
    Effect.gen(function*() {
      const home = yield* usedHome
      const running = yield* EmbeddedPostgres.start({ home })
      assert.strictEqual(running.dataDir, path.join(home, "postgres"))
      const refusal = yield* Effect.flip(Effect.scoped(EmbeddedPostgres.start({ home })))
      assert.strictEqual(
        refusal.message,
        `SYRIS is already running in ${home} (process ${process.pid}). Stop it first, or set SYRIS_HOME to another folder.`
      )
      yield* write(running, 1)
    }), timeout)

  it.live("lets exactly one of many take over the home of a dead host", () =>
    Effect.gen(function*() {
      const home = yield* folder(0o700)
      for (let round = 0; round < 20; round++) {
        fs.writeFileSync(
          path.join(home, "host.lock"),
          round % 2 === 0 ? "" : JSON.stringify({ pid: 1, start: "0", boot: "", token: `${round}` })
        )
        const scope = yield* Scope.make()
        const all = yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => Effect.exit(HomeLock.acquire(home).pipe(Scope.provide(scope))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(all.filter(Exit.isSuccess).length, 1)
        assert.deepStrictEqual(fs.readdirSync(home), ["host.lock"])
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(fs.readdirSync(home), [])
      }
    }), timeout)

  it.live("does the first start again when it was interrupted", () =>
    Effect.gen(function*() {
      const begun = (home: string) =>
        fs.existsSync(home) && fs.readdirSync(home).some((name) =>
          name.startsWith("postgres.init-") && fs.existsSync(path.join(home, name, "base"))
        )
      const done = (home: string) => fs.existsSync(path.join(home, "postgres"))
      const interrupted = Effect.gen(function*() {
        const home = yield* makeHome
        const child = yield* spawnHost(home)
        yield* eventually("initdb has begun", () => begun(home) || done(home))
        killGroup(child)
        yield* eventually("the host is gone", () => !isRunning(child.pid!))
        return home
      })
      // Whoever looks away for too long sees it done.
      const home = yield* Effect.repeat(interrupted, { until: (home) => !done(home), times: 5 })
      assert.isFalse(done(home))
      yield* write(yield* EmbeddedPostgres.start({ home }), 1)
      assert.deepStrictEqual(fs.readdirSync(home).sort(), ["host.lock", "postgres", "postgres.log"])
    }), timeout)

  it.live("says when PostgreSQL ends by itself", () =>
    Effect.gen(function*() {
      const running = yield* EmbeddedPostgres.start({ home: yield* usedHome })
      process.kill(running.pid, "SIGQUIT")
      assert.match((yield* Effect.flip(running.lost)).message, /^PostgreSQL ended: .*immediate shutdown/)
    }), timeout)

  it.live("explains a data folder of another version in one sentence", () =>
    Effect.gen(function*() {
      const home = yield* usedHome
      const { dataDir } = yield* Effect.scoped(EmbeddedPostgres.start({ home }))
      fs.writeFileSync(path.join(dataDir, "PG_VERSION"), "9\n")
      assert.match(
        (yield* Effect.flip(EmbeddedPostgres.start({ home }))).message,
        /was made by PostgreSQL 9 and this SYRIS brings/
      )
    }), timeout)

  it.live.skipIf(!asRoot)(
    "as root, keeps the data where its user can reach it when the home is closed",
    () =>
      Effect.gen(function*() {
        const home = path.join(yield* folder(0o700), "home")
        const { dataDir, note } = yield* Effect.scoped(Effect.gen(function*() {
          const running = yield* EmbeddedPostgres.start({ home })
          yield* write(running, 4)
          return running
        }))
        yield* Effect.addFinalizer(() =>
          Effect.sync(() => {
            for (const name of fs.readdirSync(path.dirname(dataDir))) {
              if (name.startsWith(path.basename(dataDir))) {
                fs.rmSync(path.join(path.dirname(dataDir), name), { recursive: true })
              }
            }
          })
        )
        assert.strictEqual(fs.readlinkSync(path.join(home, "postgres")), dataDir)
        assert.match(note ?? "", /^The database is in \/var\/lib\/syris\//)
        assert.deepStrictEqual(yield* Effect.scoped(Effect.flatMap(EmbeddedPostgres.start({ home }), notes)), [4])
        // A new home of the same name begins with an empty database, and the old one is kept aside.
        fs.rmSync(home, { recursive: true })
        const fresh = yield* EmbeddedPostgres.start({ home })
        assert.match(fresh.note ?? "", /put aside/)
        yield* write(fresh, 1)
        assert.deepStrictEqual(yield* notes(fresh), [1])
      }),
    timeout
  )
})
