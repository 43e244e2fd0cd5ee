/**
 * A schedule, and what became of its slots.
 */
import { Schema } from "effect"
import { CatchUp, OccurrenceStatus, Overrun, ScheduleType } from "./Enums.ts"
import { RawEvent } from "./Event.ts"

/** Which quiet hours hold something back: all of them, those with an id of `GET /quiet-hours`, or a window of its own. */
export const QuietChoice = Schema.Union([
  Schema.Boolean,
  Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(100)),
  Schema.Struct({
    start: Schema.String,
    end: Schema.String,
    timezone: Schema.optionalKey(Schema.String),
    days: Schema.optionalKey(Schema.Array(Schema.String))
  })
])
export type QuietChoice = typeof QuietChoice.Type

export const Schedule = Schema.Struct({
  schedule_id: Schema.String,
  name: Schema.String,
  enabled: Schema.Boolean,
  type: ScheduleType,
  /** Cron text, an ISO 8601 duration or an instant. */
  spec: Schema.String,
  timezone: Schema.String,
  catch_up: CatchUp,
  /** How many slots `run_all_capped` makes up, the latest ones. 1 to 1000. */
  catch_up_cap: Schema.Int,
  overrun: Overrun,
  quiet_hours: Schema.optionalKey(QuietChoice),
  /** The event that a slot becomes. */
  payload: RawEvent,
  /** What the operator is told in the chat when it is due. */
  notify: Schema.optionalKey(Schema.String),
  next_run_at: Schema.optionalKey(Schema.String),
  last_run_at: Schema.optionalKey(Schema.String),
  created_at: Schema.String,
  updated_at: Schema.String
})
export type Schedule = typeof Schedule.Type

export const Occurrence = Schema.Struct({
  schedule_id: Schema.String,
  /** When it was due. */
  slot: Schema.String,
  status: OccurrenceStatus,
  /** Why it did not run, or that it was made up. */
  reason: Schema.optionalKey(Schema.String),
  event_id: Schema.optionalKey(Schema.String),
  trace_id: Schema.String,
  recorded_at: Schema.String
})
export type Occurrence = typeof Occurrence.Type
