/**
 * The statements of the tool call ledger, and the parts that every lane's statement of an outcome shares: the schedules and
 * the child events that calls leave behind.
 *
 * Each is harmless to repeat (docs/adr/0003): what it writes hangs on the call that it moved, and a call moves once.
 */
import { tellAudit, type Told } from "../audit/Audit.ts"
import { keyRow, storeEvents } from "../database/EventStatements.ts"
import { consume } from "../safety/ApprovalRows.ts"
import type { Outcome } from "./ToolLedger.ts"

export const attemptStatement = `
with wanted as materialized (
    select w.*, i.work_id is not null and (not k.paused or w.steers) and k.policy_version = w.policy_version
             and exists (select 1 from hosts where host_id = $2::uuid and ended_at is null
                                               and lease_until > clock_timestamp()) as go
    from json_to_recordset($1::json) as w(
           tool_call_id uuid, work_id uuid, fence bigint, deadline_ms float8, policy_version bigint, steers boolean,
           approved boolean)
         cross join control k
         left join work i on i.work_id = w.work_id and i.claimed_by = $2::uuid and i.fence = w.fence
  ),
  ${consume("(select * from wanted where go and approved) w")},
  moved as (
    update tool_calls c
    set status        = 'attempted',
        held_by       = $2::uuid,
        fence         = w.fence,
        attempts      = c.attempts + 1,
        open_attempts = c.open_attempts + 1,
        deadline_at   = clock_timestamp() + make_interval(secs => w.deadline_ms / 1000),
        quiet_at      = clock_timestamp() + make_interval(secs => w.deadline_ms / 1000)
    from wanted w
    where c.tool_call_id = w.tool_call_id and c.status = 'planned' and w.go
      and (not c.needs_approval or c.attempts > 0 or c.tool_call_id in (select tool_call_id from consumed))
    returning c.tool_call_id, c.attempts, c.open_attempts
  ),
  ${tellAudit("$3", "r.tool_call_id in (select tool_call_id from moved)")}
select tool_call_id, attempts, open_attempts from moved`

/** What this host attempted in a statement whose answer it never heard. In a snapshot of its own, after that statement. */
export const attemptedStatement = `
select c.tool_call_id, c.attempts, c.open_attempts
from json_to_recordset($1::json) as w(tool_call_id uuid, fence bigint)
     join tool_calls c on c.tool_call_id = w.tool_call_id
where c.status = 'attempted' and c.fence = w.fence and c.held_by = $2::uuid`

/** CTE `scheduled`: the schedules that calls made. `condition` is over `s` (`made_by`, `schedule_id`, `trace_id`, …). */
export const schedulesMade = (parameter: string, condition: string): string => `
  scheduled as (
    insert into schedules (schedule_id, name, type, spec, timezone, payload, notify, trust, trace_id, parent_event_id, depth,
                           made_by, next_run_at, created_at, updated_at)
    select s.schedule_id, s.name, s.type, s.spec, s.timezone, s.payload, s.notify, s.trust, s.trace_id, s.parent_event_id,
           s.depth, s.made_by, s.next_run_at, s.at, s.at
    from json_to_recordset(${parameter}::json) as s(
      schedule_id uuid, name text, type text, spec text, timezone text, payload jsonb, notify text, trust text,
      trace_id uuid, parent_event_id uuid, depth int, made_by uuid, next_run_at timestamptz(3), at timestamptz(3))
    where ${condition}
  )`

/** CTE `unscheduled`: the schedules that calls canceled. `condition` is over `x` (`schedule_id`, `tool_call_id`). */
export const schedulesCanceled = (parameter: string, condition: string): string => `
  unscheduled as (
    delete from schedules s
    using json_to_recordset(${parameter}::json) as x(schedule_id uuid, tool_call_id uuid)
    where s.schedule_id = x.schedule_id and ${condition}
  )`

/**
 * CTEs `incoming`, `keyed`, `stored` and `emitted`: the child events of calls, and the work that they are. `condition` is
 * over `e`, a row of `events`. Where calls of one event can end apart, `emittedBy` says whose child an event is. `holder`: who
 * takes a child up that need not wait for others of its thread.
 */
export const eventsEmitted = (events: string, keys: string, condition: string, holder = "null::uuid"): string => `
  ${storeEvents(events, keys, condition)},
  emitted as (
    insert into work (work_id, kind, event_id, trace_id, thread_id, fence, claimed_by)
    select event_id, 'event', event_id, trace_id, thread_id, nextval('fence_seq'),
           case when thread_id is null then ${holder} end
    from stored
    returning event_id, fence, claimed_by
  )`

/** A condition for `eventsEmitted`: the call that made the event is one of `calls`, a select of `tool_call_id`. */
export const emittedBy = (parameter: string, calls: string): string =>
  `e.event_id in (
     select m.event_id from json_to_recordset(${parameter}::json) as m(event_id uuid, tool_call_id uuid)
     where m.tool_call_id in (${calls}))`

/** What calls leave behind, as parameters: `events` and `keys` of `eventsEmitted`, the others of the one of their name. */
export const leftParameters = (
  left: ReadonlyArray<Pick<Outcome, "tool_call_id" | "schedules" | "canceled_schedules" | "emitted">>
) => {
  const emitted = left.flatMap((one) => one.emitted)
  return {
    schedules: JSON.stringify(left.flatMap((one) => one.schedules)),
    canceled_schedules: JSON.stringify(
      left.flatMap(({ canceled_schedules, tool_call_id }) =>
        canceled_schedules.map((schedule_id) => ({ schedule_id, tool_call_id }))
      )
    ),
    events: JSON.stringify(emitted.map(({ event }) => event)),
    keys: JSON.stringify(emitted.flatMap(keyRow)),
    emitted_by: JSON.stringify(
      left.flatMap((one) =>
        one.emitted.map(({ event }) => ({ event_id: event.event_id, tool_call_id: one.tool_call_id }))
      )
    )
  }
}

/**
 * The audit rows of child events: those told when `stored` are true of an event in the CTE `stored`, those told when
 * `duplicate` of one that is `incoming` only.
 */
export const childrenTold = (emitted: Outcome["emitted"]): ReadonlyArray<Told> =>
  emitted.flatMap(({ again, event, row }): ReadonlyArray<Told> => [
    { ...row, event_id: event.event_id, told_when: "stored" },
    ...(again === undefined ? [] : [{ ...again, event_id: event.event_id, told_when: "duplicate" }])
  ])

/** What waited before ends now. */
export const settledAnew = `
    on conflict (event_id) do update
    set lane = excluded.lane, outcome = excluded.outcome, reply = excluded.reply, settled_at = excluded.settled_at,
        answer_by = excluded.answer_by`

/** The outcome of calls of the fast lane. */
export const settleStatement = `
with done as materialized (
    select * from json_to_recordset($1::json) as d(
      tool_call_id uuid, work_id uuid, fence bigint, status text, output jsonb, error jsonb, latency_ms real,
      at timestamptz, again_ms float8)
    -- All of them. The planner expects few rows by it, and takes the primary key of the calls.
    where d.status in ('succeeded', 'failed', 'unknown')
  ),
  moved as (
    update tool_calls c
    set status        = d.status,
        output        = d.output,
        error         = d.error,
        latency_ms    = d.latency_ms,
        open_attempts = case d.status when 'succeeded' then 0 when 'failed' then c.open_attempts - 1 else c.open_attempts end,
        resolved_at   = case when d.status <> 'unknown' then d.at end
    from done d
    where c.tool_call_id = d.tool_call_id and c.fence = d.fence and c.status = 'attempted'
    returning c.tool_call_id, c.event_id, c.status, d.work_id, d.again_ms
  ),
  closed as (
    delete from work i using moved m where i.work_id = m.work_id and m.status <> 'unknown'
  ),
  put_off as (
    update work i
    set claimed_by = null,
        parked     = m.again_ms is null,
        waits_for  = case when m.again_ms is null then 'person' end,
        tries      = i.tries + 1,
        due_at     = clock_timestamp() + make_interval(secs => coalesce(m.again_ms, 0) / 1000)
    from moved m
    where i.work_id = m.work_id and m.status = 'unknown'
  ),
  settled as (
    insert into settlements
    select s.* from json_populate_recordset(null::settlements, $2::json) s
    where s.event_id in (select event_id from moved)
    ${settledAnew}
  ),
  ${schedulesMade("$3", "s.made_by in (select tool_call_id from moved)")},
  ${schedulesCanceled("$4", "x.tool_call_id in (select tool_call_id from moved)")},
  ${eventsEmitted("$5", "$6", "e.parent_event_id in (select event_id from moved)")},
  ${
  tellAudit(
    "$7",
    `case r.told_when
       when 'stored'    then r.event_id in (select event_id from stored)
       when 'duplicate' then r.event_id in (select event_id from incoming)
                             and r.event_id not in (select event_id from stored)
       else r.tool_call_id in (select tool_call_id from moved)
     end`
  )
}
select tool_call_id from moved`

/** What this host settled in a statement whose answer it never heard. */
export const settledStatement = `
select c.tool_call_id
from json_to_recordset($1::json) as d(tool_call_id uuid, fence bigint, status text)
     join tool_calls c on c.tool_call_id = d.tool_call_id
where c.fence = d.fence and c.status = d.status`
