/**
 * A window in which what is not urgent waits.
 */
import { Schema } from "effect"

export const QuietHoursRecord = Schema.Struct({
  quiet_hours_id: Schema.String,
  /** As `22:00`. */
  start: Schema.String,
  /** Before `start`: on the next day. The same as `start`: 24 hours later. */
  end: Schema.String,
  timezone: Schema.String,
  /** On which it begins; all without it. */
  days: Schema.optionalKey(Schema.Array(Schema.Literals(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]))),
  enabled: Schema.Boolean,
  origin: Schema.Literals(["config", "api"])
})
export type QuietHoursRecord = typeof QuietHoursRecord.Type
