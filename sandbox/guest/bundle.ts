/**
 * What Deno runs in place of the sources: one folder with the guest, `syris` and `effect`, made by `bin/guest.mjs`. A host that
 * is a bundle brings it; a host that runs from its sources makes it once for each state of them.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { pathToFileURL } from "node:url"
import type { Launch } from "../Isolate.ts"
import type { GuestFiles } from "../runtimes/GuestFiles.ts"
import { prepare, preparedGuest, prepareLater } from "./Prepared.ts"

const fromSources = import.meta.filename.endsWith(".ts")
/** The folder of the host's bundle that this module is part of. */
const bundle = path.basename(import.meta.dirname) === "chunks" ? path.dirname(import.meta.dirname) : import.meta.dirname

/** Of SYRIS: `dist/<id>` is two below it. */
const root = path.resolve(fromSources ? import.meta.dirname : bundle, "../..")

interface Build {
  readonly guestFolder: () => Promise<string>
}

let made: Promise<string> | undefined

/** The folder that holds `boot.mjs` and `import-map.json`. */
export const guestBundle = (): Promise<string> => {
  made ??= (fromSources
    ? (import(pathToFileURL(path.join(root, "bin", "guest.mjs")).href) as Promise<Build>).then((build) =>
      build.guestFolder()
    )
    : Promise.resolve(path.join(bundle, "guest"))).then((folder) => fs.realpathSync(folder))
  made.catch(() => {
    made = undefined
  })
  return made
}

/** As `sandbox/runtimes` starts it; without a launch: for whichever plugin. */
export const denoGuest = async (launch?: Launch): Promise<GuestFiles> => {
  const folder = await guestBundle()
  if (launch !== undefined) {
    const prepared = preparedGuest(launch, folder)
    if (prepared !== undefined) return prepared
    prepareLater(launch, folder, root)
  }
  const denoDir = path.join(folder, "deno")
  return {
    entry: path.join(folder, "boot.mjs"),
    files: [folder],
    flags: [`--import-map=${path.join(folder, "import-map.json")}`],
    ...fs.existsSync(denoDir) ? { denoDir } : {}
  }
}

/** Makes what lets this code start sooner, where it can be made; `denoGuest` makes it by itself after a while. */
export const prepareDeno = async (launch: Launch): Promise<void> => prepare(launch, await guestBundle(), root)
