/**
 * What a bench stands on: the embedded PostgreSQL, databases in it with the host's schema, and processes that end with
 * the bench. Everything is in a temporary folder and goes with `await using`.
 */
import { Effect, Exit, Layer, Scope } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { layerPool, migrate } from "../core/database/Database.ts"
import * as EmbeddedPostgres from "../core/database/EmbeddedPostgres.ts"
import type { Target } from "./HttpLoad.ts"
import * as PgWire from "./PgWire.ts"

export const root = path.resolve(import.meta.dirname, "..")

export interface TemporaryFolder extends AsyncDisposable {
  readonly path: string
}

export const temporaryFolder = (): TemporaryFolder => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syris-bench-"))
  fs.chmodSync(folder, 0o755)
  const remove = () => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.once("exit", remove)
  return {
    path: folder,
    [Symbol.asyncDispose]: async () => {
      process.off("exit", remove)
      remove()
    }
  }
}

export interface Postgres extends AsyncDisposable {
  readonly pid: number
  /** The folder of its socket. */
  readonly socketFolder: string
  readonly user: string
  readonly connect: (database: string) => Promise<PgWire.PgWire>
  /** Makes a database, with the host's schema unless told otherwise. */
  readonly createDatabase: (name: string, content?: "schema" | "nothing") => Promise<void>
  readonly url: (database: string) => string
}

export const startPostgres = async (home: string): Promise<Postgres> => {
  const scope = Scope.makeUnsafe()
  const running = await Effect.runPromise(EmbeddedPostgres.start({ home }).pipe(Scope.provide(scope)))
  const { path: socket, username } = running.connection
  const connect = (database: string) => PgWire.connect({ path: socket, database, user: username })
  return {
    pid: running.pid,
    socketFolder: path.dirname(socket),
    user: username,
    connect,
    createDatabase: async (name, content = "schema") => {
      const admin = await connect("postgres")
      await admin.query(`create database ${name}`)
      await admin.close()
      if (content === "nothing") return
      const layer = layerPool({ ...running.connection, database: name })
      await Effect.runPromise(migrate.pipe(Effect.provide(Layer.fresh(layer))))
    },
    url: (database) => `postgres://${username}@localhost/${database}?host=${encodeURIComponent(path.dirname(socket))}`,
    [Symbol.asyncDispose]: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

export interface Started extends AsyncDisposable {
  readonly child: ChildProcess
}

/** A process that ends with the bench; in a group of its own, because npm does not hand a signal on to what it runs. */
export const start = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
  command = process.execPath,
  channel = false
): Started => {
  const own = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(SYRIS_|DATABASE_URL$|NODE_OPTIONS$|PG)/.test(name))
  )
  const child = spawn(command, args, {
    cwd: root,
    env: { ...own, ...env },
    stdio: ["ignore", "ignore", "inherit", ...channel ? ["ipc" as const] : []],
    detached: true
  })
  const send = (signal: NodeJS.Signals) => {
    try {
      process.kill(-(child.pid ?? Number.NaN), signal)
    } catch {
      // it has ended
    }
  }
  const end = () => send("SIGKILL")
  process.once("exit", end)
  return {
    child,
    [Symbol.asyncDispose]: async () => {
      process.off("exit", end)
      if (child.exitCode !== null || child.signalCode !== null) return
      const exit = once(child, "exit")
      send("SIGTERM")
      await exit
    }
  }
}

/** Waits until something is there. */
export const until = async <A>(
  find: () => A | undefined | Promise<A | undefined>,
  everyMs = 5,
  seconds = 60
): Promise<A> => {
  for (const end = performance.now() + seconds * 1_000;;) {
    const found = await find()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error("It did not come in time.")
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
}

export interface Host extends Started {
  readonly target: Target
}

/** The bundled host, as an operator starts it, on a database of this bench or on its own. */
export const startHost = async (
  home: string,
  databaseUrl?: string,
  env: Readonly<Record<string, string>> = {}
): Promise<Host> => {
  const started = start(["bin/syris.mjs", "up"], {
    SYRIS_HOME: home,
    SYRIS_PORT: "0",
    SYRIS_CONFIG: path.join(root, "syris.config.ts"),
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    ...env
  })
  const url = await until(() => {
    if (started.child.exitCode !== null) throw new Error("The host ended.")
    const file = path.join(home, "host.json")
    return fs.existsSync(file) ? new URL((JSON.parse(fs.readFileSync(file, "utf8")) as { url: string }).url) : undefined
  })
  const token = fs.readFileSync(path.join(home, "token"), "utf8").trim()
  return { ...started, target: { host: url.hostname, port: Number(url.port), token } }
}
