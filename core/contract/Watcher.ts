/**
 * A watcher, and how its last tick went.
 */
import { Schema } from "effect"

export const WatcherState = Schema.Struct({
  /** `<plugin>.<name>`. */
  watcher_id: Schema.String,
  enabled: Schema.Boolean,
  interval_ms: Schema.Int,
  last_tick_at: Schema.optionalKey(Schema.String),
  last_outcome: Schema.optionalKey(Schema.Literals(["success", "failure"])),
  /** What went wrong, where the last tick failed. */
  last_error: Schema.optionalKey(Schema.String),
  consecutive_errors: Schema.Int,
  /** Later than the interval says while it fails. */
  next_tick_at: Schema.optionalKey(Schema.String),
  /** Its own JSON. */
  state: Schema.Unknown
})
export type WatcherState = typeof WatcherState.Type
