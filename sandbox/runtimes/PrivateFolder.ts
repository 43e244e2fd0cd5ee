/** A folder that one isolate has for itself, and that ends with it. */
import * as fs from "node:fs/promises"
import * as path from "node:path"

export interface PrivateFolder {
  readonly all: string
  /** The part that is the plugin's: its working folder and `TMPDIR`. */
  readonly tmp: string
}

const cleared = new Map<string, Promise<unknown>>()

/**
 * Removes what a host left there that was killed: nobody is in these folders any more when a host of the same home begins. Once
 * in the life of a process; whatever can't be removed stays.
 */
export const clearFolders = (temporary: string): Promise<unknown> => {
  const known = cleared.get(temporary)
  if (known !== undefined) return known
  const clearing = fs.rm(temporary, { recursive: true, force: true, maxRetries: 3 }).catch(() => undefined)
  cleared.set(temporary, clearing)
  return clearing
}

/** Rejects with an `Error` whose message is a sentence's end. */
export const privateFolder = async (temporary: string): Promise<PrivateFolder> => {
  await clearFolders(temporary)
  try {
    await fs.mkdir(temporary, { recursive: true, mode: 0o700 })
    // Where it really is: permissions are compared with real paths.
    const all = await fs.mkdtemp(path.join(await fs.realpath(temporary), "isolate-"))
    const tmp = path.join(all, "tmp")
    await fs.mkdir(tmp, { mode: 0o700 })
    return { all, tmp }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(
      `its temporary folder can't be made in ${temporary} (${
        code ?? message
      }): see that there is room and that the host may ` +
        "write there",
      { cause: error }
    )
  }
}
