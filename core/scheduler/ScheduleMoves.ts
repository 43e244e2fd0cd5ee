/**
 * What is done to a schedule, in the caller's transaction, each with its audit row.
 *
 * A change of what decides its slots counts the revision up, and its next slot is one that is to come: a past one is never
 * fired again.
 */
import { Effect } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Fact } from "../audit/Audit.ts"
import type { AuditType } from "../contract/AuditEvent.ts"
import type { Trust } from "../contract/Enums.ts"
import { newId } from "../database/Ids.ts"
import type { NewSchedule } from "./NewSchedule.ts"
import { scheduleColumns, type ScheduleRow } from "./ScheduleRows.ts"
import { readSlots } from "./Slots.ts"

/** Whose word it is, and how it is told in the same transaction. */
export interface Word {
  readonly by: string
  readonly trace_id: string
  readonly at: Date
  readonly tell: (...facts: ReadonlyArray<Fact>) => Effect.Effect<unknown, SqlError.SqlError, SqlClient.SqlClient>
}

/** Where a new schedule comes from. */
export interface Origin {
  readonly trust: Trust
  /** The event that a one-shot follows, and how many led to it. */
  readonly parent_event_id?: string | undefined
  readonly depth?: number
}

export const databaseNow = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<{ readonly now: Date }>`select clock_timestamp()::timestamptz(3) as now`
).pipe(Effect.map(([row]) => row?.now ?? new Date()))

const columns = scheduleColumns("s")

const shown = (name: string): string => name.length > 200 ? `${name.slice(0, 199)}…` : name

const told = (
  type: Extract<AuditType, `operator.schedule_${string}`>,
  row: ScheduleRow,
  { at, by, tell, trace_id }: Word,
  summary: string,
  data: Record<string, unknown> = {}
) =>
  tell({
    type,
    trace_id,
    at,
    summary,
    refs: { schedule_id: row.schedule_id },
    actor: by,
    data: { name: row.name, type: row.type, spec: row.spec, timezone: row.timezone, ...data }
  })

const json = (value: unknown): string | null => value === undefined || value === null ? null : JSON.stringify(value)

export const insertSchedule = Effect.fn("ScheduleMoves.insert")(
  function*(made: NewSchedule & { readonly first: Date }, origin: Origin, word: Word) {
    const sql = yield* SqlClient.SqlClient
    const [row] = yield* sql<ScheduleRow>`
      insert into schedules as s
        (schedule_id, name, enabled, type, spec, timezone, catch_up, catch_up_cap, overrun, quiet_hours, payload, notify,
         trust, trace_id, parent_event_id, depth, anchor, next_run_at, created_at, updated_at)
      values (${newId()}::uuid, ${made.name}, ${made.enabled}, ${made.type}, ${made.spec}, ${made.timezone},
              ${made.catch_up}, ${made.catch_up_cap}, ${made.overrun}, ${json(made.quiet_hours)}::jsonb,
              ${json(made.payload)}::jsonb, ${made.notify ?? null}, ${origin.trust}, ${word.trace_id}::uuid,
              ${origin.parent_event_id ?? null}::uuid, ${origin.depth ?? 0}, ${made.anchor}, ${made.first},
              clock_timestamp(), clock_timestamp())
      returning ${sql.literal(columns)}`
    if (row === undefined) return yield* Effect.die(new Error("The schedule was not inserted."))
    yield* told(
      "operator.schedule_created",
      row,
      word,
      `The schedule ${shown(row.name)} was made: ${made.slots.inWords}.`
    )
    return row
  }
)

/** Nobody else changes it, and nobody fires it, until the transaction ends. */
export const lockSchedule = Effect.fn("ScheduleMoves.lock")(function*(schedule_id: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<ScheduleRow>`
    select ${sql.literal(columns)} from schedules s where s.schedule_id = ${schedule_id}::uuid for update`
  return row
})

export interface Changed extends Omit<NewSchedule, "slots" | "said"> {
  readonly inWords: string
  /** What decides its slots has changed: the next one that is to come. */
  readonly anew?: {
    readonly next: Date | undefined
    readonly now: Date
    /** Why slots that have come are held back, where what decides them is as it was. */
    readonly reason?: string
  } | undefined
}

/** Slots in one statement. */
const slotsAtOnce = 1_000

/**
 * Of a row that is locked: its slots that have come and that nobody has looked at, and the one that waits for its run, are
 * held back. Each has its row, and is told once.
 */
const endSlots = Effect.fnUntraced(function*(row: ScheduleRow, now: Date, reason: string, word: Word) {
  const sql = yield* SqlClient.SqlClient
  const read = readSlots(row)
  const name = shown(row.name)
  let next: Date | undefined = row.next_run_at ?? undefined
  while (next !== undefined && next <= now) {
    const slots: Array<Date> = []
    for (; next !== undefined && next <= now && slots.length < slotsAtOnce;) {
      slots.push(next)
      next = read.ok ? read.value.next(next) : undefined
    }
    const rows = slots.map((slot) => ({ slot, trace_id: newId() }))
    const ended = yield* sql<{ readonly slot: Date; readonly trace_id: string }>`
      insert into occurrences (schedule_id, slot, status, reason, revision, trace_id)
      select ${row.schedule_id}::uuid, n.slot, 'skipped', ${reason}, ${row.revision}, n.trace_id
      from json_to_recordset(${JSON.stringify(rows)}::json) as n(slot timestamptz, trace_id uuid)
      on conflict (schedule_id, slot) do nothing
      returning slot, trace_id`
    if (ended.length > 0) {
      yield* word.tell(...ended.map(({ slot, trace_id }): Fact => ({
        type: "schedule.skipped",
        trace_id,
        at: word.at,
        summary: `The schedule ${name} was due and held back: ${reason}.`,
        refs: { schedule_id: row.schedule_id },
        actor: word.by,
        data: { slot: slot.toISOString(), reason }
      })))
    }
  }
})

/** Of a row that is locked. */
export const changeSchedule = Effect.fn("ScheduleMoves.change")(
  function*(before: ScheduleRow, to: Changed, fields: ReadonlyArray<string>, word: Word) {
    const sql = yield* SqlClient.SqlClient
    const revises = to.anew !== undefined && to.anew.reason === undefined
    if (to.anew !== undefined) yield* endSlots(before, to.anew.now, to.anew.reason ?? "the schedule was changed", word)
    const [row] = yield* sql<ScheduleRow>`
      update schedules s
      set name = ${to.name}, enabled = ${to.enabled}, type = ${to.type}, spec = ${to.spec}, timezone = ${to.timezone},
          anchor = ${to.anchor}, catch_up = ${to.catch_up}, catch_up_cap = ${to.catch_up_cap}, overrun = ${to.overrun},
          quiet_hours = ${json(to.quiet_hours)}::jsonb, payload = ${json(to.payload)}::jsonb,
          notify = ${to.notify ?? null}, updated_at = clock_timestamp(),
          revision    = s.revision + ${revises ? 1 : 0},
          held        = ${to.anew === undefined ? before.held : false},
          next_run_at = ${to.anew === undefined ? before.next_run_at : to.anew.next ?? null}
      where s.schedule_id = ${before.schedule_id}::uuid
      returning ${sql.literal(columns)}`
    if (row === undefined) return yield* Effect.die(new Error("A schedule that was locked is gone."))
    const steers = fields.length === 1 && fields[0] === "enabled"
    yield* told(
      "operator.schedule_changed",
      row,
      word,
      steers
        ? `The schedule ${shown(row.name)} is ${row.enabled ? "switched on" : "switched off"}.`
        : `The schedule ${shown(row.name)} was changed (${fields.join(", ")})${revises ? `: ${to.inWords}` : ""}.`,
      { changed: fields, revision: row.revision, enabled: row.enabled }
    )
    return row
  }
)

/** Whether there was one. Slots that have come are brought to their end, and what became of its slots stays. */
export const deleteSchedule = Effect.fn("ScheduleMoves.delete")(function*(schedule_id: string, word: Word) {
  const sql = yield* SqlClient.SqlClient
  const row = yield* lockSchedule(schedule_id)
  if (row === undefined) return undefined
  yield* endSlots(row, yield* databaseNow, "the schedule was deleted", word)
  yield* sql`delete from schedules s where s.schedule_id = ${schedule_id}::uuid`
  yield* told("operator.schedule_deleted", row, word, `The schedule ${shown(row.name)} was deleted.`)
  return row
})
