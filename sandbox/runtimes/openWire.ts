/** Starts what is to be an isolate, in one of the three runtimes; nothing was said to it yet. */
import * as fs from "node:fs/promises"
import { denoGuest } from "../guest/bundle.ts"
import type { Hearing, Launch } from "../Isolate.ts"
import { openDenoProcess } from "./DenoProcess.ts"
import { type GuestFiles, nodeGuest } from "./GuestFiles.ts"
import { kernel } from "./Kernel.ts"
import { openNodeProcess } from "./NodeProcess.ts"
import { type PrivateFolder, privateFolder } from "./PrivateFolder.ts"
import { openThread } from "./ThreadWire.ts"
import type { Wire } from "./Wire.ts"

/** As it is named and as it really is: permissions are compared with either. */
const both = async (files: ReadonlyArray<string>): Promise<ReadonlyArray<string>> => {
  const real = await Promise.all(files.map((file) => fs.realpath(file).catch(() => file)))
  return [...new Set([...files, ...real])]
}

const withReal = async (launch: Launch): Promise<Launch> => {
  const { code } = launch
  const { entry, folders, grant } = code
  return {
    ...launch,
    code: {
      ...code,
      folders: await both([entry, ...folders]),
      grant: grant === undefined
        ? undefined
        : { ...grant, read: await both(grant.read ?? []), write: await both(grant.write ?? []) }
    }
  }
}

const within = async (launch: Launch, open: (folder: PrivateFolder) => Wire): Promise<Wire> => {
  const folder = await privateFolder(launch.temporary)
  try {
    return open(folder)
  } catch (error) {
    await fs.rm(folder.all, { recursive: true, force: true })
    throw error
  }
}

/** Rejects with an `Error` whose message is a sentence's end where this machine can't. */
export const openWire = async (launch: Launch, hearing: Hearing, guest?: GuestFiles): Promise<Wire> => {
  switch (launch.runtime) {
    case "thread":
      return openThread(launch, hearing, guest ?? nodeGuest("thread"))
    case "process": {
      const [able, known] = await Promise.all([kernel(), withReal(launch)])
      return await within(
        known,
        (folder) => openNodeProcess(known, hearing, guest ?? nodeGuest("process"), folder, able)
      )
    }
    case "deno": {
      const [able, known] = await Promise.all([kernel(), withReal(launch)])
      const { deno } = able
      if ("missing" in deno) throw new Error(deno.missing)
      const program = guest ?? await denoGuest()
      return await within(known, (folder) => openDenoProcess(known, hearing, program, folder, deno.path))
    }
  }
}
