/**
 * What may be granted of the file system, whoever asks: nothing that holds the host's own home, its database or its configuration,
 * and nothing in them. Who reads there has the token and the key of the secrets; who writes there is the host.
 */
import * as fs from "node:fs/promises"
import * as path from "node:path"
import { visible } from "../contract/Visible.ts"
import type { Permissions } from "../plugin/Plugin.ts"

export interface OwnPlaces {
  /** Absolute. */
  readonly configFile: string
  /** `SYRIS_HOME`, absolute. */
  readonly home: string
}

/** Without symbolic links; of a file that need not be there yet. */
export const realWay = async (file: string): Promise<string> => {
  try {
    return await fs.realpath(file)
  } catch {
    const up = path.dirname(file)
    return up === file ? file : path.join(await realWay(up), path.basename(file))
  }
}

/** Whether one is the other, or in it. */
const isIn = (file: string, folder: string): boolean =>
  file === folder || file.startsWith(folder === path.sep ? folder : folder + path.sep)

/** Why this grant can't stand: a sentence's end. Its paths are absolute. */
export const pathsRefused = async (
  allow: Permissions,
  { configFile, home }: OwnPlaces
): Promise<string | undefined> => {
  const own = [
    ["the configuration", await realWay(configFile)],
    ["SYRIS_HOME", await realWay(home)],
    ["the database", await realWay(path.join(home, "postgres"))]
  ] as const
  for (const kind of ["read", "write"] as const) {
    for (const granted of allow[kind] ?? []) {
      const real = await realWay(granted)
      for (const [what, place] of own) {
        if (!isIn(place, real) && !isIn(real, place)) continue
        return `its allow.${kind} has ${visible(granted)}, which ${
          isIn(place, real) ? "holds" : "is in"
        } ${what}: name a ` +
          "folder of its own"
      }
    }
  }
  return undefined
}
