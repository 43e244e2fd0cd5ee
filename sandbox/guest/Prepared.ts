/**
 * The guest and one granted code as one file with only what the two need, so that Deno is soon ready: made once for each code by
 * `bin/guest-code.mjs`, in a process of its own with limits, since nobody vouches for what it reads. It is made from the copy
 * that was granted and from nothing else. Where there is none, or the code is not fit for it, Deno loads the copy itself: that
 * does the same and takes longer.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import type { Launch } from "../Isolate.ts"
import { signalGroup, startGuarded } from "../runtimes/Guard.ts"
import type { GuestFiles } from "../runtimes/GuestFiles.ts"

const maker = path.join("bin", "guest-code.mjs")
/** Of the maker, seconds and MiB. */
const longestSeconds = 60
const memoryMb = 4_096
/** The maker's word for code that will never be fit. */
const unfitStatus = 2
/** A host that starts has other things to do first. */
const laterMs = 30_000
/** The youngest are kept. */
const kept = 64

interface Place {
  readonly folder: string
  readonly code: string
  readonly stamp: string
}

const read = (file: string): string | undefined => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return undefined
  }
}

/** Only code that was copied can be prepared: other code may change. */
const placeOf = ({ code: { entry, folders, hash }, prepared }: Launch, guest: string): Place | undefined => {
  const [code] = folders
  const stamp = read(path.join(guest, "stamp"))
  if (prepared === undefined || hash === undefined || code === undefined || stamp === undefined) return undefined
  const key = createHash("sha256").update(JSON.stringify([hash, path.relative(code, entry), stamp])).digest("hex")
  return { folder: path.join(prepared, key.slice(0, 32)), code, stamp }
}

/** `guest`: the folder of the guest for all plugins. */
export const preparedGuest = (launch: Launch, guest: string): GuestFiles | undefined => {
  const place = placeOf(launch, guest)
  if (place === undefined || !fs.existsSync(path.join(place.folder, "fit"))) return undefined
  const entry = path.join(place.folder, "boot.mjs")
  return { entry, files: [], denoDir: path.join(place.folder, "deno") }
}

const making = new Map<string, Promise<void>>()

/** Settles when it is there, or when it is known that there will be none. */
export const prepare = (launch: Launch, guest: string, root: string): Promise<void> => {
  const place = placeOf(launch, guest)
  if (place === undefined || fs.existsSync(path.join(place.folder, "fit"))) return Promise.resolve()
  const known = making.get(place.folder)
  if (known !== undefined) return known
  const made = make(place, launch, root)
  making.set(place.folder, made)
  return made
}

const later = new Set<string>()

/** Once, and not at once. */
export const prepareLater = (launch: Launch, guest: string, root: string): void => {
  const place = placeOf(launch, guest)
  if (place === undefined || later.has(place.folder)) return
  later.add(place.folder)
  setTimeout(() => void prepare(launch, guest, root), laterMs).unref()
}

const make = async ({ code, folder, stamp }: Place, launch: Launch, root: string): Promise<void> => {
  const { prepared } = launch
  if (prepared === undefined || !fs.existsSync(path.join(root, maker))) return
  // Why it is not fit, as it was found the last time.
  const unfit = `${folder}.unfit`
  if (fs.existsSync(unfit)) return
  await fs.promises.mkdir(prepared, { recursive: true, mode: 0o700 })
  const out = path.join(await fs.promises.realpath(prepared), path.basename(folder))
  const { reason, status } = await run(root, { entry: launch.code.entry, folder: code, out, stamp })
  if (status === unfitStatus) await fs.promises.writeFile(unfit, `${reason}\n`, { mode: 0o600 })
  await sweep(prepared)
}

interface Ended {
  readonly status: number | null
  readonly reason: string
}

const run = (root: string, wanted: object): Promise<Ended> =>
  new Promise((resolve) => {
    const child = startGuarded({
      command: process.execPath,
      args: ["--disable-warning=ExperimentalWarning", path.join(root, maker), JSON.stringify(wanted)],
      env: {},
      cwd: root,
      limits: ["-c 0", `-t ${longestSeconds}`, `-d ${memoryMb * 1_024}`]
    })
    const timer = setTimeout(() => signalGroup(child, "SIGKILL"), longestSeconds * 1_000)
    let said = ""
    child.stdout?.resume()
    child.stderr?.setEncoding("utf8").on("data", (text: string) => said = `${said}${text}`.slice(0, 1_000))
    child.stdin?.on("error", () => undefined).end()
    const end = (status: number | null): void => {
      clearTimeout(timer)
      // The guard is left.
      signalGroup(child, "SIGKILL")
      resolve({ status, reason: said.trim() })
    }
    child.once("error", () => end(null))
    child.once("exit", end)
  })

const sweep = async (prepared: string): Promise<void> => {
  const found = await fs.promises.readdir(prepared).catch(() => [])
  const aged = await Promise.all(found.map(async (name) => ({
    name,
    at: await fs.promises.stat(path.join(prepared, name)).then(({ mtimeMs }) => mtimeMs, () => 0)
  })))
  for (const { name } of aged.toSorted((a, b) => b.at - a.at).slice(kept)) {
    await fs.promises.rm(path.join(prepared, name), { recursive: true, force: true }).catch(() => undefined)
  }
}
