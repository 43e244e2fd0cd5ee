/**
 * Whether the host is well, for anybody who asks.
 */
import { Schema } from "effect"
import { Health } from "./Enums.ts"

export const SystemHealth = Schema.Struct({
  status: Health,
  uptime_seconds: Schema.Number,
  version: Schema.String,
  last_heartbeat_at: Schema.String,
  next_expected_at: Schema.String,
  /** Names of the subsystems that are not well. */
  degraded: Schema.Array(Schema.String),
  /** Why the host last started, where it was not a plain start. */
  restart_reason: Schema.optionalKey(Schema.String)
})
export type SystemHealth = typeof SystemHealth.Type
