/**
 * Ends what an earlier host left running on a data folder, told by command line, working folder and start time, never
 * by a process id alone; and clears away what it left lying.
 */
import { Effect, Schedule } from "effect"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import * as HomeLock from "../HomeLock.ts"
import { attempt, EmbeddedPostgresError, readOr } from "./Failure.ts"
import { clusterName, type Place, removeSocketDir, socketName } from "./Place.ts"

interface Process {
  readonly pid: number
  readonly start: string
  readonly postmaster: boolean
}

/** The live PostgreSQL processes of this data folder, told by their command lines and their working folder. */
const findLeftovers = (dataDir: string): ReadonlyArray<Process> => {
  const title = `postgres: ${clusterName(dataDir)}: `
  const commands: ReadonlyArray<readonly [number, ReadonlyArray<string>]> = process.platform === "linux"
    ? fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map((name) =>
      [Number(name), readOr(`/proc/${name}/cmdline`, "").split("\0")] as const
    )
    : spawnSync("ps", ["-axo", "pid=,command="], { encoding: "utf8" }).stdout.split("\n").map((line) => {
      const [, pid, command] = /^\s*(\d+) (.*)$/.exec(line) ?? []
      return [Number(pid), command?.startsWith("postgres: ") === true ? [command] : (command ?? "").split(" ")] as const
    })
  return commands.flatMap(([pid, command]) => {
    const postmaster = path.basename(command[0] ?? "") === "postgres" && command[command.indexOf("-D") + 1] === dataDir
    if (!postmaster && command[0]?.startsWith(title) !== true) return []
    const start = HomeLock.startOf(pid)
    if (start === undefined) return []
    try {
      if (process.platform === "linux" && fs.readlinkSync(`/proc/${pid}/cwd`) !== dataDir) return []
    } catch {
      // root without the right to look into other users' processes
    }
    return [{ pid, start, postmaster }]
  })
}

export const endLeftovers = (place: Place, signals: ReadonlyArray<NodeJS.Signals> = ["SIGINT", "SIGQUIT", "SIGKILL"]) =>
  Effect.gen(function*() {
    const { dataDir } = place
    const pidFile = path.join(dataDir, "postmaster.pid")
    if (!fs.existsSync(pidFile)) return // a clean stop removes it last of all
    let left = findLeftovers(dataDir)
    for (const signal of signals) {
      if (left.length === 0) break
      // The postmaster ends its own; without one, or at last, each is told.
      const masters = signal === "SIGKILL" ? [] : left.filter((each) => each.postmaster)
      for (const each of masters.length > 0 ? masters : left) yield* attempt(dataDir, () => sendSignal(each, signal))
      left = yield* Effect.sync(() => findLeftovers(dataDir)).pipe(
        Effect.repeat({
          until: (now) => now.length === 0,
          times: signal === "SIGINT" ? 500 : 150,
          schedule: Schedule.spaced("20 millis")
        })
      )
    }
    if (left.length > 0) {
      return yield* new EmbeddedPostgresError({
        detail: `A PostgreSQL of an earlier run (process ${
          left.map((each) => each.pid).join(", ")
        }) still uses ${dataDir} and does not end: end it, then start again.`
      })
    }
    if (!fs.existsSync(pidFile)) return
    const [, , , , socketDir] = fs.readFileSync(pidFile, "utf8").split("\n")
    const socket = path.resolve(dataDir, socketDir ?? ".", socketName)
    if (yield* answers(socket)) {
      return yield* new EmbeddedPostgresError({
        detail:
          `Another PostgreSQL, in a container perhaps, runs on ${dataDir}: stop it first, or set SYRIS_HOME to another folder.`
      })
    }
    yield* attempt(dataDir, () => {
      for (const stale of [socket, `${socket}.lock`, pidFile]) fs.rmSync(stale, { force: true })
      removeSocketDir(path.dirname(socket))
    })
  })

const sendSignal = (target: Process, signal: NodeJS.Signals) => {
  if (HomeLock.startOf(target.pid) !== target.start) return
  try {
    process.kill(target.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error
  }
}

const answers = (socket: string) =>
  Effect.callback<boolean>((resume) => {
    const connection = net.connect({ path: socket })
    connection.on("connect", () => resume(Effect.succeed(true))).on("error", () => resume(Effect.succeed(false)))
    return Effect.sync(() => connection.destroy())
  }).pipe(Effect.timeoutOrElse({ duration: "1 second", orElse: () => Effect.succeed(false) }))
