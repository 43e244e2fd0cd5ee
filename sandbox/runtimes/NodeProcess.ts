/**
 * A Node child with its permission model on, and where the kernel lets us in namespaces of its own: it sees and signals no
 * other process, ends with all that it started, and without a grant for the network has none. For code that somebody vouches
 * for; what it does not stop is in `docs/isolates.md`.
 */
import type { Hearing, Launch } from "../Isolate.ts"
import type { GuestFiles } from "./GuestFiles.ts"
import type { Kernel } from "./Kernel.ts"
import { shellLimits } from "./Limits.ts"
import { openPiped } from "./PipedWire.ts"
import type { PrivateFolder } from "./PrivateFolder.ts"
import type { Wire } from "./Wire.ts"

/** Resident when it does nothing, MiB, with what the plugin's own code and the young generation take. */
const baseMb = 192
/** Of data segments when it does nothing, MiB: most of it is reserved and never touched. */
const dataMb = 768

export const nodeArguments = (launch: Launch, guest: GuestFiles, tmp: string): ReadonlyArray<string> => {
  const { code: { entry, folders, grant } } = launch
  const read = grant === undefined
    ? ["*"]
    : [guest.entry, ...guest.files, entry, ...folders, ...grant.read ?? [], ...grant.write ?? [], tmp]
  return [
    "--permission",
    ...[...new Set(read)].map((path) => `--allow-fs-read=${path}`),
    ...[tmp, ...grant?.write ?? []].map((path) => `--allow-fs-write=${path}`),
    `--max-old-space-size=${launch.limits.memoryMb}`,
    // SQLite opens files without asking the permission model.
    "--no-experimental-sqlite",
    "--no-addons",
    "--disable-proto=delete",
    "--disable-sigusr1",
    "--disable-warning=ExperimentalWarning",
    "--disable-warning=SecurityWarning",
    guest.entry
  ]
}

export const openNodeProcess = (
  launch: Launch,
  hearing: Hearing,
  guest: GuestFiles,
  folder: PrivateFolder,
  { namespaces }: Kernel
): Wire => {
  const { grant } = launch.code
  // What the configuration lists without isolate() may reach what the host may.
  const online = grant === undefined || (grant.net ?? []).length > 0
  const apart = namespaces === undefined ? [] : online ? namespaces.pid : namespaces.pidAndNet
  const [command = process.execPath, ...args] = [
    ...apart,
    ...apart.length > 0 ? ["--"] : [],
    process.execPath,
    ...nodeArguments(launch, guest, folder.tmp)
  ]
  return openPiped({
    runtime: "process",
    guarded: {
      command,
      args,
      env: { ...launch.env, TMPDIR: folder.tmp },
      cwd: folder.tmp,
      limits: shellLimits(launch.limits, dataMb)
    },
    folder: folder.all,
    limits: launch.limits,
    baseMb,
    hearing
  })
}
