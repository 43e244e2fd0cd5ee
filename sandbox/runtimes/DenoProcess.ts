/**
 * A Deno child that is denied everything but its grant: the runtime for code that nobody vouches for. It never starts a
 * program, loads a library, is told of the machine, or asks anybody; and it imports nothing from elsewhere.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import type { Hearing, Launch } from "../Isolate.ts"
import type { GuestFiles } from "./GuestFiles.ts"
import { shellLimits } from "./Limits.ts"
import { deniedAddresses } from "./Network.ts"
import { openPiped } from "./PipedWire.ts"
import type { PrivateFolder } from "./PrivateFolder.ts"
import type { Wire } from "./Wire.ts"

/** Resident when it does nothing, MiB, with what the plugin's own code and the young generation take. */
const baseMb = 160
/** Of data segments when it does nothing, MiB: most of it is reserved and never touched. */
const dataMb = 640

/** Deno splits lists at commas, and takes two for one. */
const list = (items: ReadonlyArray<string>): string => items.map((item) => item.replaceAll(",", ",,")).join(",")
const some = (flag: string, items: ReadonlyArray<string>): ReadonlyArray<string> =>
  items.length === 0 ? [] : [`${flag}=${list([...new Set(items)])}`]

export const denoArguments = (launch: Launch, guest: GuestFiles, tmp: string): ReadonlyArray<string> => {
  const { code: { entry, folders, grant }, env } = launch
  const net = grant?.net ?? []
  const write = [tmp, ...grant?.write ?? []]
  return [
    "run",
    "--quiet",
    "--no-prompt",
    "--no-remote",
    "--no-npm",
    "--no-config",
    "--no-lock",
    "--cached-only",
    "--deny-import",
    "--deny-run",
    "--deny-ffi",
    "--deny-sys",
    ...grant === undefined
      ? ["--allow-read"]
      : some("--allow-read", [guest.entry, ...guest.files, entry, ...folders, ...grant.read ?? [], ...write]),
    ...some("--allow-write", write),
    ...some("--allow-env", ["TMPDIR", ...Object.keys(env)]),
    // Others are not there, instead of an error in libraries that only look.
    "--ignore-env",
    // What the configuration lists without isolate() may reach what the host may.
    ...grant === undefined ? ["--allow-net"] : some("--allow-net", net),
    ...net.length === 0 ? [] : some("--deny-net", deniedAddresses(net)),
    `--v8-flags=--max-old-space-size=${launch.limits.memoryMb}`,
    ...guest.flags ?? [],
    guest.entry
  ]
}

/** Sharing their blocks where the file system can. */
const copyFiles = (from: string, to: string): void => {
  fs.mkdirSync(to, { mode: 0o700 })
  for (const name of fs.readdirSync(from)) {
    fs.copyFileSync(path.join(from, name), path.join(to, name), fs.constants.COPYFILE_FICLONE)
  }
}

export const openDenoProcess = (
  launch: Launch,
  hearing: Hearing,
  guest: GuestFiles,
  folder: PrivateFolder,
  binary: string
): Wire => {
  const denoDir = path.join(folder.all, "deno")
  // One that is shared would be a way from plugin to plugin.
  if (guest.denoDir !== undefined) copyFiles(guest.denoDir, denoDir)
  return openPiped({
    runtime: "deno",
    guarded: {
      command: binary,
      args: denoArguments(launch, guest, folder.tmp),
      env: {
        ...launch.env,
        DENO_DIR: denoDir,
        NO_COLOR: "1",
        TMPDIR: folder.tmp
      },
      cwd: folder.tmp,
      limits: shellLimits(launch.limits, dataMb)
    },
    folder: folder.all,
    limits: launch.limits,
    baseMb,
    hearing
  })
}
