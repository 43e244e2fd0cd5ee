/**
 * The folders that a server is told of: exactly those of its settings, and no word of any other.
 */
import * as path from "node:path"
import { pathToFileURL } from "node:url"

export interface Root {
  readonly uri: string
  readonly name: string
}

/** A folder that is not absolute is one of the folder that the host was started in. */
export const rootsOf = (folders: ReadonlyArray<string>): ReadonlyArray<Root> =>
  [...new Set(folders.map((folder) => path.resolve(folder)))].map((folder) => ({
    uri: pathToFileURL(folder).href,
    name: path.basename(folder) || folder
  }))
