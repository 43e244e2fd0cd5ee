/**
 * What the host is doing, in numbers.
 */
import { Schema } from "effect"
import { Autonomy } from "./Enums.ts"

export const State = Schema.Struct({
  autonomy: Autonomy,
  paused: Schema.Boolean,
  counts: Schema.Struct({
    tasks: Schema.Int,
    schedules: Schema.Int,
    watchers: Schema.Int,
    approvals: Schema.Int,
    alarms: Schema.Int,
    jobs: Schema.Int
  }),
  queue_depth: Schema.Int,
  unknown: Schema.Int,
  versions: Schema.Struct({ syris: Schema.String, node: Schema.String, postgres: Schema.String, schema: Schema.Int }),
  hosts: Schema.Array(Schema.Struct({
    host_id: Schema.String,
    version: Schema.String,
    started_at: Schema.String,
    beat_at: Schema.String,
    lease_until: Schema.String
  }))
})
export type State = typeof State.Type
