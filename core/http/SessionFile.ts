/**
 * `$SYRIS_HOME/sessions`: the browsers that are logged in, for its owner alone. It has hashes of their cookies and when they
 * end; nobody can log in with what stands in it. Whatever else lies there is a sentence and no session at all: the operator
 * logs in again, and the host starts.
 */
import { Option, Schema } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"

export interface Session {
  /** SHA-256 of the cookie's value, in base64url. */
  readonly hash: string
  readonly begunAt: number
  readonly expiresAt: number
}

/** How long one lasts, in milliseconds. */
export const sessionLifetime = 30 * 24 * 3_600_000
/** One for each browser of one operator, and more; the oldest makes room. */
export const maximumSessions = 100

export class SessionsNotKept extends Schema.TaggedError<SessionsNotKept>()("SessionsNotKept", {
  detail: Schema.String
}) {
  override get message() {
    return this.detail
  }
}

/** A hundred of them have a fifth of it. */
const maximumBytes = 64 * 1024

const Written = Schema.Struct({
  version: Schema.Literal(1),
  sessions: Schema.Array(Schema.Struct({
    hash: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9_-]{43}$/)),
    begun_at: Schema.Finite,
    expires_at: Schema.Finite
  }))
})
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Written))

/** Those that have not expired, the oldest first, and why there are none where the file can't be used. */
export const readSessions = (
  file: string,
  now: number
): { readonly sessions: ReadonlyArray<Session>; readonly mistake?: string } => {
  const unusable = (why: string) => ({
    sessions: [],
    mistake:
      `The file of the browser sessions, ${file}, is not used: ${why}. Every browser has to log in again (syris open), ` +
      "and the next one that does puts a new file in its place."
  })
  let text: string
  try {
    // A link is not followed, a pipe is not waited for.
    const opened = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK)
    try {
      const stat = fs.fstatSync(opened)
      if (!stat.isFile()) return unusable("it is not a plain file")
      if (process.getuid !== undefined && stat.uid !== process.getuid()) return unusable("it belongs to another user")
      if ((stat.mode & 0o022) !== 0) return unusable("other users could write to it")
      if (stat.size > maximumBytes) return unusable(`it is larger than ${maximumBytes / 1_024} KiB`)
      if ((stat.mode & 0o077) !== 0) fs.fchmodSync(opened, 0o600)
      text = fs.readFileSync(opened, "utf8")
    } finally {
      fs.closeSync(opened)
    }
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === "ENOENT") return { sessions: [] }
    return unusable(code === "ELOOP" || code === "EMLINK" ? "it is a symbolic link" : `it can't be read (${message})`)
  }
  const read = decode(text)
  if (Option.isNone(read)) return unusable("it is not one that a host wrote")
  const sessions = read.value.sessions
    .map(({ begun_at, expires_at, hash }) => ({
      hash,
      begunAt: begun_at,
      expiresAt: Math.min(expires_at, now + sessionLifetime)
    }))
    .filter(({ expiresAt }) => expiresAt > now)
    .toSorted((a, b) => a.begunAt - b.begunAt)
  return { sessions: sessions.slice(-maximumSessions) }
}

/** Written beside and renamed into place: whoever reads it sees all of the old one or all of the new one. */
export const writeSessions = (file: string, sessions: ReadonlyArray<Session>): void => {
  try {
    const draft = `${file}.new`
    const written: typeof Written.Type = {
      version: 1,
      sessions: sessions.map(({ begunAt, expiresAt, hash }) => ({ hash, begun_at: begunAt, expires_at: expiresAt }))
    }
    fs.rmSync(draft, { force: true })
    fs.writeFileSync(draft, JSON.stringify(written), { mode: 0o600, flag: "wx", flush: true })
    fs.renameSync(draft, file)
    syncFolder(path.dirname(file))
  } catch (cause) {
    throw new SessionsNotKept({
      detail: `The file of the browser sessions, ${file}, can't be written (${
        cause instanceof Error ? cause.message : String(cause)
      }). Mend that, or remove what is there, and try again.`
    })
  }
}

/** Without it a cut of the power might bring back who logged out. Not every system has it. */
const syncFolder = (folder: string): void => {
  try {
    const opened = fs.openSync(folder, "r")
    try {
      fs.fsyncSync(opened)
    } finally {
      fs.closeSync(opened)
    }
  } catch {
    // The rename holds for whoever reads it now.
  }
}
