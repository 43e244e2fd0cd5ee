/**
 * The code of an isolate, copied to where nobody changes it: what was granted is what runs.
 *
 * - It is the folder of an `index.ts` (or .js, .mts, .mjs) with all that is in it but `.git`, else one file. Nothing in it may
 *   be a symbolic link, a socket or a device, and it has an end: 2 000 files, 32 MiB.
 * - What is hashed is what was read, and what was read is what is written: a file that changes meanwhile is noticed, and the
 *   whole is read again. The kernel says which file was opened, so no link leads out, whenever it was made.
 * - The hash covers paths, sizes and contents, and neither modes nor times.
 * - The copy is written beside its place and put there in one step. One that is there already is read and hashed again, and made
 *   anew where anything of it is not as it was.
 */
import { Effect, Schema } from "effect"
import { createHash, randomUUID } from "node:crypto"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { visible } from "../contract/Visible.ts"
import { realWay } from "./GrantedPaths.ts"

/** The code can't be taken. `detail` is a sentence that says what to do. */
export class CodeRefused extends Schema.TaggedError<CodeRefused>()("CodeRefused", {
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

export interface CodeFile {
  /** Inside the code, with `/` between its parts. */
  readonly path: string
  readonly bytes: number
  readonly sha256: string
}

export interface TakenCode {
  /** SHA-256 over all of it. */
  readonly hash: string
  /** The copy; absolute. */
  readonly folder: string
  /** The module in the copy; absolute. */
  readonly entry: string
  /** As the operator wrote it. */
  readonly path: string
  /** The module that it was taken from; absolute, without symbolic links. */
  readonly source: string
  readonly bytes: number
  readonly files: ReadonlyArray<CodeFile>
}

export interface CodePlace {
  /** Of the module; relative to the configuration. */
  readonly path: string
  /** Absolute. */
  readonly configFile: string
  /** `SYRIS_HOME`, absolute. */
  readonly home: string
}

export const maximumFiles = 2_000
export const maximumBytes = 33_554_432
const maximumDepth = 32
/** How often it is read anew because somebody was writing in it. */
const maximumTries = 4
const takesFolder = /^index\.m?[jt]s$/
const isModule = /\.m?[jt]s$/
/** Copies that no grant names and that are kept all the same, for each plugin. */
const keptCopies = 4

/** Where the copies are. */
export const codeFolder = (home: string): string => path.join(home, "isolates", "code")

/** `afterRead` is called with each file that was read, for tests. */
export const takeCode = (
  place: CodePlace,
  afterRead: (file: string) => Promise<void> = () => Promise.resolve()
): Effect.Effect<TakenCode, CodeRefused> =>
  Effect.tryPromise({
    try: () => take(place, afterRead),
    catch: (cause) => cause instanceof Refusal ? new CodeRefused({ detail: cause.message }) : unreadable(place, cause)
  })

/** The copy of what was granted before, if this home has it whole; `entry`: the module in it. */
export const findCopy = (
  home: string,
  hash: string,
  entry: string
): Effect.Effect<{ readonly folder: string; readonly entry: string } | undefined> =>
  Effect.promise(async () => {
    const folder = path.join(codeFolder(home), hash)
    return await hashOfCopy(folder) === hash ? { folder, entry: path.join(folder, entry) } : undefined
  })

/** Removes copies of which nobody may want one again: the last `keptCopies` of each plugin stay, whoever named them. */
export const sweepCode = (home: string, named: ReadonlySet<string>): Effect.Effect<void, CodeRefused> =>
  Effect.tryPromise({
    try: async () => {
      const folder = codeFolder(home)
      const found = await fs.readdir(folder).catch(() => [])
      const aged = await Promise.all(
        found.filter((name) => !named.has(name)).map(async (name) => ({
          name,
          at: await fs.stat(path.join(folder, name)).then(({ mtimeMs }) => mtimeMs, () => 0)
        }))
      )
      const old = aged.toSorted((a, b) => b.at - a.at).slice(keptCopies * Math.max(1, named.size))
      for (const { name } of old) await fs.rm(path.join(folder, name), { recursive: true, force: true })
    },
    catch: (cause) => new CodeRefused({ detail: `Old copies of plugins could not be removed: ${said(cause)}.`, cause })
  })

class Refusal extends Error {}

/** Somebody writes in it. */
class Moved extends Error {}

const said = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

const unreadable = ({ path: given }: CodePlace, cause: unknown): CodeRefused => {
  const code = (cause as NodeJS.ErrnoException).code
  const shown = visible(given)
  return new CodeRefused({
    detail: code === "EACCES" || code === "EPERM"
      ? `This user may not read all of the code of ${shown}: give it the right to, or name another file.`
      : code === "ENOSPC" || code === "EDQUOT"
      ? `There is no space left on the disk for a copy of ${shown}: free some, then start again.`
      : `The code of ${shown} can't be copied: ${visible(said(cause))}.`,
    cause
  })
}

interface Source {
  /** Without symbolic links. */
  readonly root: string
  readonly entry: string
  readonly whole: boolean
}

const take = async (place: CodePlace, afterRead: (file: string) => Promise<void>): Promise<TakenCode> => {
  const source = await find(place)
  const contents = await settled(place, source, afterRead)
  const files = [...contents].map(([name, { bytes }]) => ({ path: name, bytes: bytes.length, sha256: sha256(bytes) }))
  const hash = hashOf(contents)
  const folder = path.join(codeFolder(place.home), hash)
  await inTurn(folder, async () => {
    if (await hashOfCopy(folder) !== hash) await write(folder, contents)
    const now = new Date()
    await fs.utimes(folder, now, now)
  })
  return {
    hash,
    folder,
    entry: path.join(folder, source.entry),
    path: place.path,
    source: path.join(source.root, source.entry),
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    files
  }
}

const find = async ({ configFile, home, path: given }: CodePlace): Promise<Source> => {
  const file = path.resolve(path.dirname(configFile), given)
  const shown = visible(given)
  const stat = await fs.lstat(file).catch(() => undefined)
  if (stat === undefined) throw new Refusal(`There is no file ${shown}: correct the path in isolate(…).`)
  if (stat.isSymbolicLink()) {
    throw new Refusal(`${shown} is a symbolic link: name the file that it leads to.`)
  }
  if (!stat.isFile() || !isModule.test(file)) {
    throw new Refusal(`${shown} is not a module: name a .ts, .mts, .js or .mjs file, such as its index.ts.`)
  }
  const root = await fs.realpath(path.dirname(file))
  const entry = path.basename(file)
  if (!takesFolder.test(entry)) return { root, entry, whole: false }
  for (const [what, other] of [["the configuration", configFile], ["SYRIS_HOME", home]] as const) {
    const real = await realWay(other)
    if (real === root || real.startsWith(root === path.sep ? root : root + path.sep)) {
      throw new Refusal(
        `The code of ${shown} is its whole folder, and ${
          visible(root)
        } holds ${what}: move the plugin to a folder of its own.`
      )
    }
  }
  return { root, entry, whole: true }
}

interface Content {
  readonly bytes: Buffer
  readonly runs: boolean
}
/** By path, in the order of their bytes. */
type Contents = ReadonlyMap<string, Content>

const settled = async (
  { path: given }: CodePlace,
  source: Source,
  afterRead: (file: string) => Promise<void>
): Promise<Contents> => {
  for (let tries = 0; tries < maximumTries; tries++) {
    try {
      const list = source.whole ? await walk(source.root, given) : [source.entry]
      const contents = new Map<string, Content>()
      const marks = new Map<string, string>()
      let left = maximumBytes
      for (const name of list) {
        const { content, mark } = await readOne(source.root, name, left, given)
        left -= content.bytes.length
        contents.set(name, content)
        marks.set(name, mark)
        await afterRead(name)
      }
      const again = source.whole ? await walk(source.root, given) : list
      if (again.join("\0") !== list.join("\0")) throw new Moved()
      for (const name of list) {
        if (markOf(await fs.lstat(path.join(source.root, name), { bigint: true })) !== marks.get(name)) {
          throw new Moved()
        }
      }
      return contents
    } catch (error) {
      // What was listed is not there any more.
      if (!(error instanceof Moved) && (error as NodeJS.ErrnoException).code !== "ENOENT") throw error
    }
  }
  throw new Refusal(`Somebody is writing in the code of ${visible(given)}: wait until it is whole, then try again.`)
}

/** `copied`: everything counts. */
const walk = async (root: string, given: string, copied = false): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  let folders = 0
  const look = async (folder: string, depth: number): Promise<void> => {
    if (depth > maximumDepth || ++folders > maximumFiles) {
      throw new Refusal(`The code of ${visible(given)} has too many folders: name a folder of its own for the plugin.`)
    }
    for (const entry of await fs.readdir(path.join(root, folder), { withFileTypes: true })) {
      const name = folder === "" ? entry.name : `${folder}/${entry.name}`
      if (entry.name === ".git" && !copied) continue
      // Bytes that are no UTF-8 come as U+FFFD.
      if (/[\p{Cc}\uFFFD]/u.test(entry.name)) {
        throw new Refusal(`${visible(name)} in the code of ${visible(given)} has a name that can't be used: rename it.`)
      }
      if (entry.isDirectory()) await look(name, depth + 1)
      else if (entry.isFile()) found.push(name)
      else {
        const what = entry.isSymbolicLink() ? "a symbolic link" : "neither a file nor a folder"
        throw new Refusal(
          `${visible(name)} in the code of ${visible(given)} is ${what}, and what it leads to could not be granted: ` +
            "put the files themselves there."
        )
      }
      if (found.length > maximumFiles) {
        throw new Refusal(
          `The code of ${visible(given)} has more than ${
            maximumFiles.toLocaleString("en")
          } files: bundle it into one, or ` +
            "leave out what it does not need."
        )
      }
    }
  }
  await look("", 0)
  return found.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

interface Stat {
  readonly dev: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

const markOf = ({ ctimeNs, dev, ino, mtimeNs, size }: Stat): string => [dev, ino, size, mtimeNs, ctimeNs].join(" ")

const readOne = async (root: string, name: string, left: number, given: string) => {
  const file = path.join(root, name)
  // A named pipe that is put in its place must not make us wait.
  const handle = await fs.open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error) => {
      throw error.code === "ELOOP" ? new Moved() : error
    }
  )
  try {
    const stat = await handle.stat({ bigint: true })
    if (!stat.isFile() || await openedFile(handle.fd) !== file) throw new Moved()
    if (stat.size > BigInt(left)) {
      throw new Refusal(
        `The code of ${visible(given)} has more than ${maximumBytes / 1_048_576} MiB: leave out what it does not need.`
      )
    }
    const bytes = Buffer.alloc(Number(stat.size))
    let at = 0
    while (at < bytes.length) {
      const { bytesRead } = await handle.read(bytes, at, bytes.length - at, at)
      if (bytesRead === 0) throw new Moved()
      at += bytesRead
    }
    const mark = markOf(stat)
    if (markOf(await handle.stat({ bigint: true })) !== mark) throw new Moved()
    return { content: { bytes, runs: (stat.mode & 0o111n) !== 0n }, mark }
  } finally {
    await handle.close()
  }
}

/** As the kernel knows it. */
const openedFile = (fd: number): Promise<string> => fs.readlink(`/proc/self/fd/${fd}`)

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex")

const hashOf = (contents: Contents): string => {
  const hash = createHash("sha256")
  const length = Buffer.alloc(8)
  const add = (bytes: Uint8Array): void => {
    length.writeBigUInt64BE(BigInt(bytes.length))
    hash.update(length).update(bytes)
  }
  for (const [name, { bytes }] of contents) {
    add(Buffer.from(name))
    add(bytes)
  }
  return hash.digest("hex")
}

/** Nothing where there is none, or where others can get at it. */
const hashOfCopy = async (folder: string): Promise<string | undefined> => {
  try {
    const contents = new Map<string, Content>()
    let left = maximumBytes
    if (isOpen(await fs.lstat(folder))) return undefined
    const root = await fs.realpath(folder)
    for (const name of await walk(root, folder, true)) {
      const { content } = await readOne(root, name, left, folder)
      if (isOpen(await fs.lstat(path.join(folder, name)))) return undefined
      left -= content.bytes.length
      contents.set(name, content)
    }
    return hashOf(contents)
  } catch {
    return undefined
  }
}

/** Others may read it, or it belongs to somebody else. */
const isOpen = ({ mode, uid }: { readonly mode: number; readonly uid: number }): boolean =>
  (mode & 0o077) !== 0 || (process.getuid !== undefined && uid !== process.getuid())

const turns = new Map<string, Promise<void>>()

/** One at a time for each copy. */
const inTurn = async (folder: string, body: () => Promise<void>): Promise<void> => {
  const mine = (turns.get(folder) ?? Promise.resolve()).catch(() => {}).then(body)
  turns.set(folder, mine)
  try {
    await mine
  } finally {
    if (turns.get(folder) === mine) turns.delete(folder)
  }
}

const write = async (folder: string, contents: Contents): Promise<void> => {
  const above = path.dirname(folder)
  await fs.mkdir(above, { recursive: true, mode: 0o700 })
  const fresh = path.join(above, `.new-${randomUUID()}`)
  try {
    await fs.mkdir(fresh, { mode: 0o700 })
    for (const [name, { bytes, runs }] of contents) {
      const file = path.join(fresh, name)
      await fs.mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
      await fs.writeFile(file, bytes, { mode: runs ? 0o500 : 0o400, flag: "wx" })
    }
    // What was in its place is no copy any more.
    await fs.rename(folder, path.join(above, `.old-${randomUUID()}`)).catch((error) => {
      if (error.code !== "ENOENT") throw error
    })
    await fs.rename(fresh, folder)
  } finally {
    for (const left of await fs.readdir(above)) {
      if (left === path.basename(fresh) || left.startsWith(".old-")) {
        await fs.rm(path.join(above, left), { recursive: true, force: true })
      }
    }
  }
}
