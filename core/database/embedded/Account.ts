/**
 * Who PostgreSQL runs as where the host runs as root, which PostgreSQL refuses, and what that user can reach.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { EmbeddedPostgresError } from "./Failure.ts"

export const shared = "/var/lib/syris"

export interface Account {
  readonly uid: number
  readonly gid: number
}

export const nobody = (): Account => {
  const line = fs.readFileSync("/etc/passwd", "utf8").split("\n").find((text) => text.startsWith("nobody:"))?.split(":")
  if (line === undefined) {
    throw new EmbeddedPostgresError({
      detail:
        "PostgreSQL does not run as root and this system has no user `nobody`: start SYRIS as an ordinary user, or set DATABASE_URL."
    })
  }
  return { uid: Number(line[2]), gid: Number(line[3]) }
}

export const may = (account: Account, stat: fs.Stats, bits: number) =>
  ((stat.uid === account.uid ? stat.mode >> 6 : stat.gid === account.gid ? stat.mode >> 3 : stat.mode) & bits) === bits

/** The first folder (or file) on the way to `target` that the account can't enter (or run), if any. */
export const closedTo = (account: Account, target: string): string | undefined => {
  const parts = target.split(path.sep)
  return parts.map((_, i) => parts.slice(0, i + 1).join(path.sep) || path.sep)
    .find((step) => !may(account, fs.statSync(step), 1))
}

/** A folder that every user can reach, for what the home keeps from PostgreSQL's. */
export const makeShared = () => {
  try {
    fs.mkdirSync(shared, { recursive: true })
    fs.chmodSync(shared, 0o755)
  } catch (cause) {
    throw new EmbeddedPostgresError({
      detail:
        `PostgreSQL does not run as root, its user can't reach this folder, and ${shared} can't be made: start SYRIS as an ordinary user, or set DATABASE_URL.`,
      cause: cause
    })
  }
  return shared
}
