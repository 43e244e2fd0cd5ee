/**
 * The plugins that run apart from the host, as the plugin host sees them. Whoever starts them (core/isolates) provides it.
 */
import { Context, Effect } from "effect"
import type { Runtime } from "../contract/Enums.ts"
import type { NamedParts } from "./CollectParts.ts"
import type { Permissions } from "./Plugin.ts"

/** `held`: its code changed, and waits for a grant; the granted copy may run all the same. */
export type IsolateState = "starting" | "running" | "held" | "failed" | "stopping"

/** One entry of `plugins` that is an `isolate(…)`, as it is now. */
export interface IsolateRecord {
  /** Its name in this host; its path as the operator wrote it for as long as nobody knows the name. */
  readonly name: string
  readonly state: IsolateState
  /** A sentence. */
  readonly last_error?: string
  readonly runtime: Runtime
  /** How often it was started again since the host started. */
  readonly restarts: number
  /** None for a thread, and while it is not running. */
  readonly pid?: number
  /** Of the code that is loaded. */
  readonly hash?: string
  /** What the operator granted. */
  readonly allow: Permissions
}

export interface IsolatedPlugin extends NamedParts {
  /** How many of the plugins that run in the host are listed before it. */
  readonly after: number
}

export const IsolateHost = Context.Reference<{
  /** What they bring: of one that is not running, what it brought last. In the order of the configuration. */
  readonly plugins: () => ReadonlyArray<IsolatedPlugin>
  /** Entries of which nobody knows what they bring: they were never loaded. */
  readonly unknown: () => ReadonlyArray<string>
  /** What one brings can't be registered: it is ended and named in the host's health. `mistake` is a sentence. */
  readonly refuse: (plugin: string, mistake: string) => Effect.Effect<void>
  /** Called when `plugins` answers something else than before. */
  readonly onChange: (listener: () => void) => void
  /** One for each entry, in the order of the configuration. */
  readonly records: () => ReadonlyArray<IsolateRecord>
}>("syris/plugin/IsolateHost", {
  defaultValue: () => ({
    plugins: () => [],
    unknown: () => [],
    refuse: () => Effect.void,
    onChange: () => {},
    records: () => []
  })
})
