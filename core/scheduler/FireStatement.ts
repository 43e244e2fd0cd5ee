/**
 * The statements of a look: which schedules are due, and everything that follows from it as one write.
 *
 * - A slot is one row of `occurrences`. Whatever else is written of it hangs on that row having been inserted.
 * - Hosts that look at the same time take different schedules, and wait for nobody.
 */
import { tellAudit, type Told, toldLists } from "../audit/Audit.ts"
import type { AuditRow } from "../audit/Audit.ts"
import type { EventRow, PlannedAction } from "../contract/Rows.ts"
import { lists } from "../database/Lists.ts"
import { workChannel } from "../database/Notifications.ts"
import { eventsEmitted } from "../tools/LedgerStatements.ts"
import { scheduleColumns } from "./ScheduleRows.ts"

/** The database's clock, when the next look is due, and since when `$1` says that it looks. Milliseconds. */
export const nextStatement = `
select (extract(epoch from clock_timestamp()) * 1000)::float8 as now,
       (select (extract(epoch from h.scheduling_since) * 1000)::float8
        from hosts h
        where h.host_id = $1::uuid) as since,
       (select (extract(epoch from s.look_at) * 1000)::float8
        from schedules s
        where s.look_at is not null
        order by s.look_at
        limit 1) as next`

// A host that is frozen in the middle of a look must not hold its rows for long.
const now = `(extract(epoch from clock_timestamp()) * 1000)::float8 as now,
       set_config('idle_in_transaction_session_timeout', '15s', true) as bounded`

// `clock_timestamp()` would be asked row by row: no index can answer that.
// Nothing but the table: PostgreSQL 18.4 has crashed on a recheck of `exists` under `skip locked`.
/** `$1` at most so many. */
export const takeStatement = `
select ${scheduleColumns("s")}, ${now}
from schedules s
where s.look_at <= statement_timestamp()
order by s.look_at
limit $1::int
for update skip locked`

/** `$1` this one, if it is due. Waits for whoever looks at it. */
export const takeOneStatement = `
select ${scheduleColumns("s")}, ${now}
from schedules s
where s.schedule_id = $1::uuid and s.look_at <= statement_timestamp()
for update`

/** A slot and what became of it, with what goes along. */
export interface Recorded {
  readonly schedule_id: string
  readonly slot: Date
  readonly status: "fired" | "skipped" | "missed"
  readonly reason: string | undefined
  readonly revision: number
  readonly trace_id: string
  readonly event?: EventRow
  readonly action?: PlannedAction
  readonly rows: ReadonlyArray<AuditRow>
}

/** Where a schedule goes on. */
export interface Moved {
  readonly schedule_id: string
  readonly next_run_at: Date | undefined
  readonly look_at: Date | undefined
  readonly held: boolean
}

const slots = lists<Recorded & { readonly event_id: string | undefined }>(
  "schedule_id uuid, slot timestamptz, status text, reason text, revision int, event_id uuid, trace_id uuid"
)
const moves = lists<Moved>(
  "schedule_id uuid, next_run_at timestamptz, look_at timestamptz, held boolean"
)

/** What an audit row depends on. */
const slotKey = ({ schedule_id, slot }: Pick<Recorded, "schedule_id" | "slot">): string =>
  `${schedule_id}/${slot.getTime()}`

export const fireStatement = `
with recorded as (
    insert into occurrences (schedule_id, slot, status, reason, revision, event_id, trace_id)
    select o.schedule_id, o.slot, o.status, o.reason, o.revision, o.event_id, o.trace_id
    from ${slots.from("$1", "o")}
    order by o.ord
    on conflict (schedule_id, slot) do nothing
    returning schedule_id, slot, event_id, trace_id
  ),
  ${eventsEmitted("$2", "$3", "e.event_id in (select event_id from recorded)")},
  planned as (
    insert into planned_actions (event_id, action)
    select p.event_id, p.action
    from json_to_recordset($4::json) as p(event_id uuid, action jsonb)
    where p.event_id in (select event_id from stored)
  ),
  ran as (
    select distinct on (r.schedule_id) r.schedule_id, r.slot, r.trace_id
    from recorded r
    where r.event_id is not null
    order by r.schedule_id, r.slot desc
  ),
  moved as (
    update schedules s
    set next_run_at   = m.next_run_at,
        look_at       = m.look_at,
        held          = m.held,
        last_run_at   = coalesce(ran.slot, s.last_run_at),
        last_trace_id = coalesce(ran.trace_id, s.last_trace_id)
    from ${moves.from("$5", "m")} left join ran on ran.schedule_id = m.schedule_id
    where s.schedule_id = m.schedule_id
  ),
  ${
  tellAudit(
    "$6",
    `r.told_when in (select c.schedule_id || '/' || (extract(epoch from c.slot) * 1000)::bigint from recorded c)`
  )
}
select (select count(*)::int from recorded)                                                       as recorded,
       (select count(*)::int from stored)                                                         as fired,
       (select pg_notify('${workChannel}', '')::text from (select 1 from stored limit 1) n where $7::boolean) as told`

/** `tell`: whoever claims work is told of it. */
export const fireParameters = (
  recorded: ReadonlyArray<Recorded>,
  moved: ReadonlyArray<Moved>,
  tell: boolean
): Array<unknown> => [
  slots.of(recorded.map((one) => ({ ...one, event_id: one.event?.event_id }))),
  JSON.stringify(recorded.flatMap(({ event }) => event ?? [])),
  // A slot's event has no dedupe key.
  "[]",
  JSON.stringify(
    recorded.flatMap(({ action, event }) =>
      action === undefined || event === undefined ? [] : [{ event_id: event.event_id, action }]
    )
  ),
  moves.of(moved),
  toldLists(recorded.flatMap((one) => one.rows.map((row): Told => ({ ...row, told_when: slotKey(one) })))),
  tell
]
