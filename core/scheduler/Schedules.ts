/**
 * Schedules as the operator has them: made, listed, changed, deleted, and what became of their slots.
 *
 * Each change is one transaction with its audit row. Before what decides the slots of a schedule is changed, those that have
 * come are brought to their end: none is lost by a change, and none comes twice.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { CursorInvalid, openCursor, type Page, pageOf, type PageRequest, sealCursor } from "../audit/Page.ts"
import type { Occurrence, Schedule } from "../contract/Schedule.ts"
import { isUuid, newId } from "../database/Ids.ts"
import { Alarms } from "../health/Alarms.ts"
import { Settings } from "../plugin/Settings.ts"
import { brokenKey } from "./Look.ts"
import { type Here, readNewSchedule, type ScheduleRefused } from "./NewSchedule.ts"
import { readPatch } from "./SchedulePatch.ts"
import {
  changeSchedule,
  databaseNow,
  deleteSchedule,
  insertSchedule,
  lockSchedule,
  type Word
} from "./ScheduleMoves.ts"
import { readPreview } from "./SchedulePreview.ts"
import { type OccurrenceRow, scheduleColumns, type ScheduleRow, toOccurrence, toSchedule } from "./ScheduleRows.ts"
import { Scheduler } from "./Scheduler.ts"

/** A schedule, and what was understood where it was said in words. */
export interface Made extends Schedule {
  readonly said?: string
}

export interface ScheduleFilter {
  /** Also one-shots that are over. */
  readonly all?: boolean
  readonly trace_id?: string
  /** Those that are called so, in capitals or not. */
  readonly name?: string
}

export class Schedules extends Context.Service<Schedules, {
  /** From the body of `POST /schedules`. */
  readonly create: (body: unknown) => Effect.Effect<Made, ScheduleRefused | SqlError.SqlError>
  /** Newest first; those that have slots to come or come again. `limit` 1 to 500. */
  readonly page: (
    filter: ScheduleFilter,
    page: PageRequest
  ) => Effect.Effect<Page<Schedule>, CursorInvalid | SqlError.SqlError>
  readonly byId: (schedule_id: string) => Effect.Effect<Schedule | undefined, SqlError.SqlError>
  /** From the body of `PATCH /schedules/{id}`; nothing where there is none. The same once more changes nothing. */
  readonly patch: (
    schedule_id: string,
    body: unknown
  ) => Effect.Effect<Made | undefined, ScheduleRefused | SqlError.SqlError>
  /** Whether there was one. */
  readonly remove: (schedule_id: string) => Effect.Effect<boolean, SqlError.SqlError>
  /** Newest first, of one that was deleted too; nothing where nobody knows it. `limit` 1 to 500. */
  readonly occurrences: (
    schedule_id: string,
    page: PageRequest
  ) => Effect.Effect<Page<Occurrence> | undefined, CursorInvalid | SqlError.SqlError>
  /** The slots to come of what the body of `POST /schedules/preview` says. */
  readonly preview: (
    body: unknown
  ) => Effect.Effect<
    { readonly slots: ReadonlyArray<string>; readonly said: string },
    ScheduleRefused | SqlError.SqlError
  >
}>()("syris/scheduler/Schedules") {
  static readonly layer = Layer.effect(Schedules, Effect.suspend(() => make))
}

const make = Effect.gen(function*() {
  const alarms = yield* Alarms
  const audit = yield* Audit
  const scheduler = yield* Scheduler
  const { timezone } = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(scheduleColumns("s"))

  const withSql = Effect.provideService(SqlClient.SqlClient, sql)
  const here = Effect.map(withSql(databaseNow), (now): Here => ({ now, timezone }))

  const word = Effect.map(Clock.currentTimeMillis, (at): Word => ({
    by: "operator",
    trace_id: newId(),
    at: new Date(at),
    tell: (...facts) => audit.append(...facts)
  }))

  const create = Effect.fnUntraced(
    function*(body: unknown) {
      const made = yield* readNewSchedule(body, yield* here)
      const row = yield* insertSchedule(made, { trust: "operator" }, yield* word)
      return { ...toSchedule(row), ...(made.said === undefined ? {} : { said: made.said }) }
    },
    withSql,
    sql.withTransaction
  )

  const find = Effect.fnUntraced(function*(schedule_id: string) {
    const [row] = yield* sql<ScheduleRow>`
      select ${columns} from schedules s where s.schedule_id = ${schedule_id}::uuid`
    return row
  })

  const known = Effect.fnUntraced(function*(schedule_id: string) {
    const [row] = yield* sql<{ readonly known: boolean }>`
      select exists (select 1 from schedules where schedule_id = ${schedule_id}::uuid)
             or exists (select 1 from occurrences where schedule_id = ${schedule_id}::uuid) as known`
    return row?.known === true
  })

  const page = Effect.fnUntraced(
    function*({ all = false, name, trace_id }: ScheduleFilter, { cursor, limit }: PageRequest) {
      const [before] = cursor === undefined ? [] : openCursor("schedule", cursor) ?? [""]
      if (before !== undefined && !isUuid(before)) return yield* new CursorInvalid()
      const conditions = sql.and([
        sql`true`,
        // In the words of the index that has no others.
        ...(all ? [] : [sql`(s.next_run_at is not null or s.type <> 'one_shot')`]),
        ...(trace_id === undefined ? [] : [sql`s.trace_id = ${trace_id}::uuid`]),
        ...(name === undefined ? [] : [sql`lower(s.name) = lower(${name})`]),
        ...(before === undefined ? [] : [sql`s.schedule_id < ${before}::uuid`])
      ])
      const rows = yield* sql<ScheduleRow>`
      select ${columns} from schedules s where ${conditions} order by s.schedule_id desc limit ${limit + 1}`
      return pageOf(rows, limit, toSchedule, (last) => sealCursor("schedule", last.schedule_id))
    }
  )

  const occurrences = Effect.fnUntraced(function*(schedule_id: string, { cursor, limit }: PageRequest) {
    const [before] = cursor === undefined ? [] : openCursor("occurrence", cursor) ?? [""]
    if (before !== undefined && !/^\d{1,14}$/.test(before)) return yield* new CursorInvalid()
    const rows = yield* sql<OccurrenceRow>`
      select o.schedule_id, o.slot, o.status, o.reason, o.event_id, o.trace_id, o.recorded_at
      from occurrences o
      where o.schedule_id = ${schedule_id}::uuid
        ${before === undefined ? sql`` : sql`and o.slot < ${new Date(Number(before))}`}
      order by o.slot desc
      limit ${limit + 1}`
    // What became of the slots of one that was deleted stays to be seen.
    if (rows.length === 0 && !(yield* known(schedule_id))) return undefined
    return pageOf(rows, limit, toOccurrence, (last) => sealCursor("occurrence", String(last.slot.getTime())))
  })

  /** What has come by now is brought to its end first. */
  const caughtUp = Effect.fnUntraced(function*(schedule_id: string) {
    for (let looks = 0; looks < 1_000; looks++) {
      const { schedules } = yield* scheduler.catchUp(schedule_id)
      if (schedules === 0) return
    }
  })

  /** One transaction; nothing where a slot has come in between: then it is caught up once more. */
  const patchOnce = Effect.fnUntraced(
    function*(schedule_id: string, body: unknown) {
      const before = yield* lockSchedule(schedule_id)
      if (before === undefined) return "absent" as const
      const now = yield* here
      const { anew, fields, said, to } = yield* readPatch(body, before, now)
      if (fields.length === 0) return { row: before, said }
      const due = before.look_at !== null && before.look_at <= now.now
      if (due && !before.held) return "due" as const
      const row = yield* changeSchedule(before, { ...to, anew }, fields, yield* word)
      if (anew !== undefined || fields.includes("payload")) yield* alarms.resolveKey(brokenKey(schedule_id))
      return { row, said }
    },
    withSql,
    sql.withTransaction
  )

  const patch = Effect.fnUntraced(function*(schedule_id: string, body: unknown) {
    while (true) {
      const done = yield* patchOnce(schedule_id, body)
      if (done === "absent") return undefined
      if (done !== "due") return { ...toSchedule(done.row), ...(done.said === undefined ? {} : { said: done.said }) }
      yield* caughtUp(schedule_id)
    }
  })

  const remove = Effect.fnUntraced(
    function*(schedule_id: string) {
      const gone = yield* deleteSchedule(schedule_id, yield* word)
      if (gone === undefined) return false
      yield* alarms.resolveKey(brokenKey(schedule_id))
      return true
    },
    withSql,
    sql.withTransaction
  )

  const preview = Effect.fnUntraced(function*(body: unknown) {
    return yield* readPreview(body, yield* here)
  })

  return Schedules.of({
    create,
    page,
    byId: (schedule_id) => Effect.map(find(schedule_id), (row) => row === undefined ? undefined : toSchedule(row)),
    patch,
    remove,
    occurrences,
    preview
  })
})
