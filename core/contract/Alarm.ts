/**
 * Something that the operator should look at. One that is not resolved for each `dedupe_key`.
 */
import { Schema } from "effect"
import { AlarmSeverity, AlarmStatus } from "./Enums.ts"

export const Alarm = Schema.Struct({
  alarm_id: Schema.String,
  /** Dotted, stable: `notifications.storm`. */
  type: Schema.String,
  severity: AlarmSeverity,
  dedupe_key: Schema.String,
  status: AlarmStatus,
  /** One sentence that says what to do. */
  message: Schema.String,
  refs: Schema.Unknown,
  opened_at: Schema.String,
  acked_at: Schema.optionalKey(Schema.String),
  resolved_at: Schema.optionalKey(Schema.String),
  note: Schema.optionalKey(Schema.String)
})
export type Alarm = typeof Alarm.Type
