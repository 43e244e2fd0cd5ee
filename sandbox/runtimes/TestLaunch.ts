/** What a test launches: a guest that evaluates what it is sent. */
import * as path from "node:path"
import type { Runtime } from "../../core/contract/Enums.ts"
import type { Permissions } from "../../core/plugin/Plugin.ts"
import type { Launch, Limits } from "../Isolate.ts"
import type { GuestFiles } from "./GuestFiles.ts"

const here = import.meta.dirname
export const evaluates: GuestFiles = {
  entry: path.join(here, "testGuests", "evaluates.ts"),
  files: [path.join(here, "testGuests"), path.join(here, "..", "protocol")]
}

export interface TestLaunch {
  readonly grant?: Permissions
  readonly limits?: Partial<Limits>
  readonly env?: Readonly<Record<string, string>>
  readonly guest?: GuestFiles
  readonly folder?: string
}

export const launchOf = (runtime: Runtime, folder: string, { env = {}, grant = {}, limits }: TestLaunch): Launch => ({
  runtime,
  code: {
    entry: evaluates.entry,
    plugin: "test",
    name: "test",
    options: undefined,
    timezone: "UTC",
    folders: [],
    grant
  },
  limits: { memoryMb: 128, ...limits },
  temporary: path.join(folder, "temporary"),
  env
})
