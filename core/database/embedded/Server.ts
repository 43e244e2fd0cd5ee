/**
 * The server's process, and the shell that watches it: PostgreSQL lives exactly as long as its host, however that ends.
 */
import { Deferred, Effect, Schedule } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { attempt, EmbeddedPostgresError, explain, plainly, readOr } from "./Failure.ts"
import { environment } from "./FirstStart.ts"
import { endLeftovers } from "./Leftovers.ts"
import { clusterName, makeSocketDir, type Place, removeSocketDir, socketName } from "./Place.ts"

/** Given at every start: nothing in a file overrules them. */
const promised = {
  fsync: "on",
  full_page_writes: "on",
  synchronous_commit: "on",
  autovacuum: "on",
  listen_addresses: "",
  port: "5432",
  unix_socket_permissions: "0700",
  logging_collector: "off",
  log_destination: "stderr"
}

/**
 * Starts PostgreSQL ("$@"), says its process id, and stops it when the host's end of the pipe closes: fast, and
 * after 5 s at once. Signals meant for the host (a closed terminal, a service manager) do not end the watch.
 */
const watch = `
trap '' HUP INT TERM PIPE
exec 3<&0
"$@" </dev/null >&2 3<&- &
postgres=$!
{ read -r _ <&3; kill -INT $postgres; sleep 5; kill -QUIT $postgres; } >&2 &
reader=$!
exec 3<&- </dev/null
echo $postgres
wait $postgres
code=$?
kill -KILL $reader
exit $code
`

/** Starts the server and waits until it takes connections; stops it with the scope. */
export const launch = (place: Place, log: string) =>
  Effect.gen(function*() {
    const { account, dataDir } = place
    const socketDir = yield* Effect.acquireRelease(
      attempt(dataDir, () => makeSocketDir(place)),
      (folder) => Effect.sync(() => removeSocketDir(folder))
    )
    yield* attempt(dataDir, () => writeAccess(place))
    const offset = yield* attempt(log, () => {
      limitLog(log)
      return fs.statSync(log, { throwIfNoEntry: false })?.size ?? 0
    })
    const settings = {
      ...promised,
      cluster_name: clusterName(dataDir),
      unix_socket_directories: socketDir === dataDir ? "." : socketDir
    }
    const args = ["-D", dataDir, ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`])]
    const lost = yield* Deferred.make<never, EmbeddedPostgresError>()
    const failure = () => explain(readOr(log, "").slice(offset), dataDir, log)
    const watcher = yield* Effect.acquireRelease(
      attempt(log, () => {
        const fd = fs.openSync(log, "a", 0o600)
        try {
          if (account !== undefined) fs.fchownSync(fd, account.uid, account.gid)
          return spawn(
            "/bin/sh",
            ["-c", watch, "syris-postgres", path.join(place.native, "bin", "postgres"), ...args],
            {
              ...account,
              cwd: "/",
              env: environment,
              detached: true,
              stdio: ["pipe", "pipe", fd]
            }
          )
        } finally {
          fs.closeSync(fd)
        }
      }),
      (child) => stop(place, child)
    )
    watcher.on("error", (cause) => Deferred.doneUnsafe(lost, Effect.fail(plainly(cause, "/bin/sh"))))
    watcher.on("exit", () => Deferred.doneUnsafe(lost, Effect.sync(failure).pipe(Effect.flatMap(Effect.fail))))
    watcher.stdin?.on("error", () => {})
    const pid = yield* Effect.tryPromise({
      try: (signal) => once(watcher.stdout!, "data", { signal }).then(([text]) => Number(String(text))),
      catch: (cause) => plainly(cause, "/bin/sh")
    }).pipe(Effect.raceFirst(Deferred.await(lost)))
    yield* Effect.sync(() => isReady(dataDir, pid)).pipe(
      Effect.repeat({ until: (ready) => ready, schedule: Schedule.spaced("3 millis") }),
      Effect.raceFirst(Deferred.await(lost)),
      Effect.timeoutOrElse({
        duration: "3 minutes", // a recovery after a crash may take its time
        orElse: () =>
          Effect.fail(
            new EmbeddedPostgresError({ detail: `PostgreSQL did not become ready within 3 minutes: see ${log}.` })
          )
      })
    )
    return { pid, lost, socket: path.join(socketDir, socketName) }
  })

/** The watcher stops PostgreSQL; what does not end in time is killed, and recovers at the next start. */
const stop = (place: Place, watcher: ChildProcess) =>
  Effect.callback<void>((resume) => {
    const ended = () => resume(Effect.void)
    watcher.on("exit", ended)
    watcher.stdin?.end()
    if (watcher.pid === undefined || watcher.exitCode !== null || watcher.signalCode !== null) ended()
  }).pipe(
    Effect.timeoutOption("7 seconds"),
    Effect.andThen(Effect.suspend(() => watcher.exitCode === null ? endLeftovers(place, ["SIGKILL"]) : Effect.void)),
    Effect.ignore
  )

/** The last line of the file that PostgreSQL keeps about itself says how far it is. */
const isReady = (dataDir: string, pid: number) => {
  const lines = readOr(path.join(dataDir, "postmaster.pid"), "").split("\n")
  return lines[0] === String(pid) && lines[7]?.trim() === "ready"
}

/** Only the user who runs the host may connect, as the kernel tells it; users without a name in this system by the folder alone. */
const writeAccess = ({ account, dataDir }: Place) => {
  let user: string | undefined
  try {
    user = os.userInfo().username
  } catch {
    user = undefined
  }
  const heading = "# Written by SYRIS at every start.\n"
  const files = {
    "pg_hba.conf": `${heading}${user === undefined ? "local all syris trust" : "local all syris peer map=syris"}\n`,
    "pg_ident.conf": `${heading}${user === undefined ? "" : `syris "${user}" syris\n`}`
  }
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(dataDir, name)
    if (readOr(file, "") === content) continue
    fs.writeFileSync(`${file}.next`, content, { mode: 0o600 })
    if (account !== undefined) fs.chownSync(`${file}.next`, account.uid, account.gid)
    fs.renameSync(`${file}.next`, file)
  }
}

const logLimit = 8 * 1024 * 1024

/** Copied and emptied, not renamed: PostgreSQL goes on writing at the end of the same file. */
export const limitLog = (log: string) => {
  if ((fs.statSync(log, { throwIfNoEntry: false })?.size ?? 0) <= logLimit) return
  fs.copyFileSync(log, `${log}.1`)
  fs.truncateSync(log)
}
