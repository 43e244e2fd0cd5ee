/**
 * A watcher of the host itself: it has what it needs from the layer that it is built in, and runs like any other. Plugins can't
 * have the names of these: `system.…` is refused to them.
 */
import type { RegisteredWatcher } from "../plugin/Registry.ts"
import { watcherDefaults } from "../plugin/WatcherRegistration.ts"

export type OwnWatcher = Omit<RegisteredWatcher, "log" | "plugin">

export const ownWatcher = (given: Pick<OwnWatcher, "watcher_id" | "intervalMs" | "tick">): OwnWatcher => ({
  ...watcherDefaults,
  ...given
})
