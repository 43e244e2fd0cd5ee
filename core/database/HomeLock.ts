/**
 * At most one host lives in a home folder.
 *
 * `host.lock` names its holder by process id, start time and boot, so a lock left by a crash or a reboot never
 * keeps anybody out, not even when the process id belongs to another program by now. Of any number of hosts that
 * start at once over a dead one's lock exactly one wins: to take over, a host must first be the only one to link
 * its claim to the dead holder's token, and the lock must then still be that holder's.
 */
import { Effect, Schedule, Schema, type Scope } from "effect"
import { spawnSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"

export class HomeLockError extends Schema.TaggedError<HomeLockError>()("HomeLockError", {
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

/** The proof that this process holds a home, until its scope closes. */
export interface HomeLock {
  /** The home folder without symbolic links. */
  readonly home: string
}

/** Makes the home folder if there is none, and holds it. */
export const acquire = (home: string): Effect.Effect<HomeLock, HomeLockError, Scope.Scope> =>
  Effect.gen(function*() {
    const folder = yield* attempt(home, () => makeHome(home))
    const holder: Holder = { pid: process.pid, start: startOf(process.pid) ?? "", boot: bootId(), token: randomUUID() }
    const file = path.join(folder, "host.lock")
    yield* Effect.acquireRelease(
      attempt(home, () => tryTake(file, holder)).pipe(
        Effect.repeat({ until: (taken) => taken, times: 400, schedule: pause }),
        Effect.filterOrFail((taken) => taken, () => running(home, undefined))
      ),
      () =>
        Effect.sync(() => {
          if (read(file)?.token === holder.token) fs.rmSync(file, { force: true })
        })
    )
    return { home: folder }
  })

/** The kernel's start time of a live process: with the id it names a process for good. Undefined if there is none. */
export const startOf = (pid: number): string | undefined => {
  if (process.platform !== "linux") {
    const found = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim()
    return found === "" ? undefined : found
  }
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return fields[0] === "Z" || fields[0] === "X" ? undefined : fields[19]
  } catch {
    return undefined
  }
}

interface Holder {
  readonly pid: number
  readonly start: string
  readonly boot: string
  readonly token: string
}

const pause = Schedule.spaced("5 millis")

const running = (home: string, pid: number | undefined) =>
  new HomeLockError({
    detail: `SYRIS is already running in ${home}${
      pid === undefined ? "" : ` (process ${pid})`
    }. Stop it first, or set SYRIS_HOME to another folder.`
  })

const attempt = <A>(home: string, body: () => A): Effect.Effect<A, HomeLockError> =>
  Effect.try({
    try: body,
    catch: (cause) => {
      if (cause instanceof HomeLockError) return cause
      const code = (cause as NodeJS.ErrnoException).code
      const detail = code === "ENOSPC" || code === "EDQUOT"
        ? `There is no space left on the disk of ${home}: free some, then start again.`
        : code === "EACCES" || code === "EPERM" || code === "EROFS"
        ? `This user can't write ${home}: start SYRIS as its owner, or set SYRIS_HOME to another folder.`
        : code === "ENOTDIR" || code === "EEXIST"
        ? `${home} is not a folder: set SYRIS_HOME to another one.`
        : `${home} can't be used: ${(cause as Error).message}. Set SYRIS_HOME to another folder.`
      return new HomeLockError({ detail, cause })
    }
  })

const makeHome = (home: string): string => {
  const first = fs.mkdirSync(home, { recursive: true, mode: 0o700 })
  if (process.getuid?.() === 0 && (first !== undefined || fs.readdirSync(home).length === 0)) {
    // PostgreSQL does not run as root: its user passes through what is new or empty here, and sees nothing.
    for (let folder = home; folder.length >= (first ?? home).length; folder = path.dirname(folder)) {
      if (fs.statSync(folder).uid === 0) fs.chmodSync(folder, fs.statSync(folder).mode & 0o777 | 0o011)
    }
  }
  return fs.realpathSync(home)
}

/** One try: true when the lock is held, false when the picture changed and another try is due. */
const tryTake = (file: string, holder: Holder): boolean => {
  const mine = `${file}.${holder.token}`
  let claim: string | undefined
  try {
    fs.writeFileSync(mine, JSON.stringify(holder), { mode: 0o600 })
    if (!link(mine, file)) {
      const held = read(file)
      if (held === undefined) return false
      if (isAlive(held)) throw running(path.dirname(file), held.pid)
      claim = claimAfter(file, mine, held)
      if (claim === undefined || read(file)?.token !== held.token) return false
      fs.renameSync(mine, file)
    }
    sweep(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false // swept by another one's start
    throw error
  } finally {
    if (claim !== undefined) fs.rmSync(claim, { force: true })
    fs.rmSync(mine, { force: true })
  }
}

/** Links a claim to the token of the dead holder, or to that of the last dead claimant after it. */
const claimAfter = (file: string, mine: string, held: Holder): string | undefined => {
  for (let last = held;;) {
    const claim = `${file}.after-${last.token}`
    if (link(mine, claim)) return claim
    const next = read(claim)
    if (next === undefined || isAlive(next)) return undefined
    last = next
  }
}

/** What killed starts left behind. Only the holder does this, when no claim on an earlier token can win any more. */
const sweep = (file: string) => {
  for (const name of fs.readdirSync(path.dirname(file))) {
    if (!name.startsWith(`${path.basename(file)}.`)) continue
    const left = path.join(path.dirname(file), name)
    const holder = read(left)
    if (holder !== undefined && !isAlive(holder)) fs.rmSync(left, { force: true })
  }
}

const link = (from: string, to: string): boolean => {
  try {
    fs.linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw error
  }
}

const read = (file: string): Holder | undefined => {
  let text
  try {
    text = fs.readFileSync(file, "utf8")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
  try {
    const holder = JSON.parse(text) as Holder
    if (typeof holder.pid === "number" && typeof holder.token === "string") return holder
  } catch {
    // a power cut can leave the file empty
  }
  return { pid: 0, start: "", boot: "", token: "damaged" }
}

const isAlive = (holder: Holder): boolean => {
  if (holder.pid <= 0 || holder.boot !== bootId()) return false
  const start = startOf(holder.pid)
  if (start !== undefined) return start === holder.start
  try {
    process.kill(holder.pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false
  }
  return !fs.existsSync(`/proc/${holder.pid}`) // it has ended and waits for its parent, or is hidden from us
}

const bootId = (): string => {
  try {
    return fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()
  } catch {
    return ""
  }
}
