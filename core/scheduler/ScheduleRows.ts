/** Rows of `schedules` and `occurrences`, as the database has them and as they go over the wire. */
import type { CatchUp, OccurrenceStatus, Overrun, ScheduleType, Trust } from "../contract/Enums.ts"
import type { RawEvent } from "../contract/Event.ts"
import type { Occurrence, QuietChoice, Schedule } from "../contract/Schedule.ts"
import { present } from "../audit/Page.ts"

export interface ScheduleRow {
  readonly schedule_id: string
  readonly name: string
  readonly enabled: boolean
  readonly type: ScheduleType
  readonly spec: string
  readonly timezone: string
  readonly catch_up: CatchUp
  readonly catch_up_cap: number
  readonly overrun: Overrun
  readonly quiet_hours: QuietChoice | null
  readonly payload: RawEvent
  readonly notify: string | null
  readonly trust: Trust
  readonly trace_id: string
  readonly parent_event_id: string | null
  readonly depth: number
  readonly revision: number
  readonly anchor: Date
  readonly next_run_at: Date | null
  readonly last_run_at: Date | null
  readonly last_trace_id: string | null
  readonly look_at: Date | null
  readonly held: boolean
  readonly created_at: Date
  readonly updated_at: Date
}

/** Of the table under an alias. */
export const scheduleColumns = (alias: string): string =>
  `schedule_id name enabled type spec timezone catch_up catch_up_cap overrun quiet_hours payload notify trust trace_id
   parent_event_id depth revision anchor next_run_at last_run_at last_trace_id look_at held created_at updated_at`
    .split(/\s+/).map((column) => `${alias}.${column}`).join(", ")

const iso = (date: Date | null): string | null => date === null ? null : date.toISOString()

export const toSchedule = (row: ScheduleRow): Schedule =>
  present({
    schedule_id: row.schedule_id,
    name: row.name,
    enabled: row.enabled,
    type: row.type,
    spec: row.spec,
    timezone: row.timezone,
    catch_up: row.catch_up,
    catch_up_cap: row.catch_up_cap,
    overrun: row.overrun,
    quiet_hours: row.quiet_hours,
    payload: row.payload,
    notify: row.notify,
    next_run_at: iso(row.next_run_at),
    last_run_at: iso(row.last_run_at),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString()
  })

export interface OccurrenceRow {
  readonly schedule_id: string
  readonly slot: Date
  readonly status: OccurrenceStatus
  readonly reason: string | null
  readonly event_id: string | null
  readonly trace_id: string
  readonly recorded_at: Date
}

export const toOccurrence = (row: OccurrenceRow): Occurrence =>
  present({ ...row, slot: row.slot.toISOString(), recorded_at: row.recorded_at.toISOString() })
