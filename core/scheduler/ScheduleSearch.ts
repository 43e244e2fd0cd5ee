/** Schedules by the words of a person: those that are there, and the one that is meant. In the caller's transaction. */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { isUuid } from "../database/Ids.ts"
import { ToolRefused } from "../plugin/Tool.ts"
import { scheduleColumns, type ScheduleRow } from "./ScheduleRows.ts"
import { readSlots } from "./Slots.ts"

/** In one answer. */
const most = 20

const columns = scheduleColumns("s")

/** `every weekday at 07:30 Europe/London`. */
export const inWords = (row: Pick<ScheduleRow, "type" | "spec" | "timezone" | "anchor">): string => {
  const read = readSlots(row)
  return read.ok ? read.value.inWords : `${row.spec} ${row.timezone}`
}

const momentIn = (timeZone: string, at: Date): string =>
  new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    day: "numeric",
    month: "short",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23"
  }).format(at)

const line = (row: ScheduleRow, timezone: string): string => {
  const again = row.type === "one_shot" ? "" : ` (${inWords(row)})`
  const state = row.enabled ? "" : ", paused"
  return `${row.name}: ${
    row.next_run_at === null ? "no slot to come" : momentIn(timezone, row.next_run_at)
  }${again}${state}`
}

export const listSchedules = Effect.fnUntraced(function*(timezone: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<ScheduleRow>`
    select ${sql.literal(columns)}
    from schedules s
    where s.next_run_at is not null or s.type <> 'one_shot'
    order by s.next_run_at nulls last, s.schedule_id
    limit ${most + 1}`
  const shown = rows.slice(0, most)
  return {
    rows: shown,
    message: shown.length === 0
      ? "Nothing is scheduled."
      : [
        `Scheduled${rows.length > most ? ` (the next ${most})` : ""}:`,
        ...shown.map((row) => line(row, timezone))
      ].join("\n")
  }
})

/** Locks the one that is meant, by its name, its id or the end of it; refused with a sentence where that is not one. */
export const theOne = Effect.fnUntraced(function*(which: string) {
  const sql = yield* SqlClient.SqlClient
  const open = sql`(s.next_run_at is not null or s.type <> 'one_shot')`
  const meant = isUuid(which)
    ? sql`s.schedule_id = ${which}::uuid`
    : sql`lower(s.name) = ${which.toLowerCase()} and ${open}`
  let rows = yield* sql<ScheduleRow>`
    select ${sql.literal(columns)} from schedules s where ${meant} order by s.schedule_id limit ${most} for update`
  if (rows.length === 0 && /^[0-9a-f]{6,}$/i.test(which)) {
    rows = yield* sql<ScheduleRow>`
      select ${sql.literal(columns)} from schedules s
      where ${open} and s.schedule_id::text like ${`%${which.toLowerCase()}`} limit ${most} for update`
  }
  const [only] = rows
  if (only === undefined) {
    return yield* Effect.fail(
      new ToolRefused(`Nothing called "${which}" is scheduled. Say "list schedules" to see what is.`)
    )
  }
  if (rows.length > 1) {
    return yield* Effect.fail(
      new ToolRefused(
        `${rows.length} are called "${which}": say which by the end of its id (${
          rows.slice(0, 5).map(({ schedule_id }) => schedule_id.slice(-12)).join(", ")
        }).`
      )
    )
  }
  return only
})
