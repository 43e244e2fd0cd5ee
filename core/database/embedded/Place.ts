/**
 * Where a home's PostgreSQL is: programs, data, socket, and the user that it runs as.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { type Account, closedTo, makeShared, nobody, shared } from "./Account.ts"
import { findBinaries, reachableBinaries } from "./Binaries.ts"
import { EmbeddedPostgresError } from "./Failure.ts"

export interface Place {
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

export const choosePlace = (home: string): Place => {
  const { native, version } = findBinaries()
  const inHome = path.join(home, "postgres")
  const entry = fs.lstatSync(inHome, { throwIfNoEntry: false })
  if (entry?.isSymbolicLink() === true && !fs.existsSync(inHome)) {
    throw new EmbeddedPostgresError({
      detail: `The database of ${home} was in ${
        fs.readlinkSync(inHome)
      }, which is gone: bring it back, or remove ${inHome} to begin with an empty one.`
    })
  }
  let dataDir = entry === undefined ? inHome : fs.realpathSync(inHome)
  if (entry?.isDirectory() === true && fs.readdirSync(dataDir).length === 0) fs.rmdirSync(dataDir)
  const data = fs.statSync(dataDir, { throwIfNoEntry: false })
  if (process.getuid?.() !== 0) {
    if (data !== undefined && data.uid !== process.getuid?.()) {
      throw new EmbeddedPostgresError({
        detail:
          `The database in ${dataDir} belongs to another user (uid ${data.uid}): start SYRIS as the user who made it.`
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
        detail:
          `PostgreSQL does not run as root, and its user (uid ${account.uid}) can't pass ${closed} to its data: run \`chmod o+x ${closed}\`, or set SYRIS_HOME to another folder.`
      })
    }
  }
  if (path.dirname(dataDir) === shared) {
    notes.push(`The database is in ${dataDir}: PostgreSQL does not run as root, and its user can't reach ${home}.`)
  }
  const binaries = reachableBinaries(account, native, version)
  if (binaries !== native) notes.push(`PostgreSQL itself was copied to ${binaries} for the same reason.`)
  return { native: binaries, version, dataDir, account, abandoned, notes }
}

export const checkVersion = ({ dataDir, version }: Place) => {
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
      detail:
        `The database in ${dataDir} was made by PostgreSQL ${found} and this SYRIS brings PostgreSQL ${major}: use the SYRIS that made it, or move the data over (dump and restore) and set DATABASE_URL.`
    })
  }
}

/** What tells the processes of this data folder from those of others. */
export const clusterName = (dataDir: string) =>
  `syris-${createHash("sha256").update(dataDir).digest("hex").slice(0, 10)}`

export const socketName = ".s.PGSQL.5432"

/** The data folder itself is private; where its path is too long for a socket, a short folder that is. */
export const makeSocketDir = ({ account, dataDir }: Place) => {
  if (Buffer.byteLength(path.join(dataDir, socketName)) < 100) return dataDir
  const folder = fs.mkdtempSync(shortSocketDir)
  if (account !== undefined) fs.chownSync(folder, account.uid, account.gid)
  return folder
}
const shortSocketDir = "/tmp/syris-socket-"

export const removeSocketDir = (folder: string) => {
  if (!/^\/tmp\/syris-socket-\w{6}$/.test(folder)) return
  try {
    fs.rmdirSync(folder) // only when empty
  } catch {
    // gone, or not ours
  }
}
