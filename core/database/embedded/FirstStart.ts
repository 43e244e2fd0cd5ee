/**
 * Makes a data folder with an empty database in it. It appears whole or not at all: what an interrupted first start
 * left is removed by the next one.
 */
import { Effect } from "effect"
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { attempt, EmbeddedPostgresError, explain, plainly } from "./Failure.ts"
import type { Place } from "./Place.ts"

export const database = "syris"
export const username = "syris"

/** Written into a new folder's postgresql.conf: an operator may change them there. */
const tuning = {
  shared_buffers: "64MB",
  max_connections: "100",
  max_wal_size: "512MB",
  wal_compression: "on",
  jit: "off",
  io_method: "sync",
  // System V and POSIX memory of a user is removed by systemd when that user logs out, and is tiny in containers.
  dynamic_shared_memory_type: "mmap",
  log_checkpoints: "off",
  timezone: "UTC",
  log_timezone: "UTC"
}

export const initialise = (home: string, place: Place) =>
  Effect.gen(function*() {
    const { account, dataDir } = place
    const fresh = yield* attempt(dataDir, () => {
      for (const name of fs.readdirSync(path.dirname(dataDir))) {
        if (!name.startsWith(`${path.basename(dataDir)}.init-`)) continue
        fs.rmSync(path.join(path.dirname(dataDir), name), { recursive: true, force: true, maxRetries: 5 })
      }
      const folder = fs.mkdtempSync(`${dataDir}.init-`)
      if (account !== undefined) fs.chownSync(folder, account.uid, account.gid)
      return folder
    })
    yield* Effect.gen(function*() {
      yield* runTool(place, "initdb", [
        "--pgdata",
        fresh,
        "--username",
        username,
        "--encoding",
        "UTF8",
        "--no-locale",
        "--locale-provider",
        "builtin",
        "--builtin-locale",
        "C.UTF-8",
        "--data-checksums",
        "--auth",
        "peer",
        "--no-instructions",
        ...Object.entries(tuning).flatMap(([name, value]) => ["--set", `${name}=${value}`])
      ])
      yield* runTool(
        place,
        "postgres",
        ["--single", "-D", fresh, "-c", "exit_on_error=on", "postgres"],
        `create database ${database}\n`
      )
      yield* attempt(dataDir, () => {
        fs.renameSync(fresh, dataDir)
        if (path.dirname(dataDir) !== home) fs.symlinkSync(dataDir, path.join(home, "postgres"))
        for (const folder of new Set([path.dirname(dataDir), home])) syncFolder(folder)
      })
    }).pipe(Effect.onExit(() => Effect.sync(() => fs.rmSync(fresh, { recursive: true, force: true, maxRetries: 5 }))))
  })

const syncFolder = (folder: string) => {
  const fd = fs.openSync(folder, "r")
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

/** Nothing of the host's environment reaches PostgreSQL: no PG* setting, no secret. */
export const environment = { PATH: "/usr/bin:/bin", LC_ALL: "C" }

const runTool = (place: Place, tool: string, args: ReadonlyArray<string>, input = "") =>
  Effect.callback<void, EmbeddedPostgresError>((resume) => {
    const child = spawn(path.join(place.native, "bin", tool), args, {
      ...place.account,
      cwd: "/",
      env: environment,
      stdio: ["pipe", "ignore", "pipe"]
    })
    let said = ""
    child.stderr.setEncoding("utf8").on("data", (text: string) => said += text)
    child.on("error", (cause) => resume(Effect.fail(plainly(cause, place.native))))
    child.on("close", (code) => resume(code === 0 ? Effect.void : Effect.fail(explain(said, place.dataDir, undefined))))
    child.stdin.on("error", () => {}).end(input)
    return Effect.sync(() => void child.kill("SIGKILL"))
  })
