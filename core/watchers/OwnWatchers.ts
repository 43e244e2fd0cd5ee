/**
 * The host's own watchers.
 */
import { Context, Effect, Layer } from "effect"
import { heartbeatWatcher } from "./HeartbeatWatcher.ts"
import type { OwnWatcher } from "./OwnWatcher.ts"
import { vigil } from "./Vigil.ts"

export class OwnWatchers extends Context.Service<OwnWatchers, {
  readonly all: ReadonlyArray<OwnWatcher>
}>()("syris/watchers/OwnWatchers") {
  static readonly layer = Layer.effect(
    OwnWatchers,
    Effect.map(Effect.all([heartbeatWatcher(), vigil()]), (all) => OwnWatchers.of({ all }))
  )
}
