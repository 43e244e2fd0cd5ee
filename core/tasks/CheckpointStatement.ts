/**
 * The statement that every move of a claimed task is: what ended, what begins, and what becomes of the task, with their
 * audit rows, in one commit that tasks of the same moment share.
 *
 * - It is written under the fence of the claim, and once: each write of a claim has a number, one above the last
 *   (`work.checkpoint`), so that the same statement sent again after a lost connection finds itself done.
 * - It locks the row of `work` first, as whoever pauses, cancels or takes over does: so a race has one winner. What the
 *   operator wishes stands in that row; nothing begins and nothing ends the task against it.
 */
import { tellAudit } from "../audit/Audit.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { SettlementRow } from "../contract/Rows.ts"
import { lists } from "../database/Lists.ts"
import { askFor, consume } from "../safety/ApprovalRows.ts"
import type { CallRow } from "../tools/ToolCallPlan.ts"
import { emittedBy, eventsEmitted, schedulesCanceled, schedulesMade } from "../tools/LedgerStatements.ts"
import type { Advance } from "./Checkpoints.ts"
import { stepChangeLists, stepColumns, stepLists } from "./TaskRows.ts"

/** What becomes of the task and of its claim. */
export interface AdvanceRow {
  readonly task_id: string
  readonly fence: number
  /** The number of this write under its claim, from 1. */
  readonly checkpoint: number
  /** The task's new status; without it the status stays. */
  readonly status?: "pending" | "running" | "waiting" | "succeeded" | "failed" | undefined
  /** The task has ended: the claim goes. */
  readonly closes: boolean
  /** Nothing of it is under way after this write. */
  readonly idle: boolean
  /** The claim is given back: somebody takes it up again when it is due, or never while it is parked. */
  readonly put_off: boolean
  readonly due_at?: string | undefined
  readonly due_in_ms?: number | undefined
  /** Due when nothing of this call can land any more. */
  readonly quiet_call?: string | undefined
  readonly parked: boolean
  readonly waits_for?: "time" | "person" | "answer" | "approval" | "job" | undefined
  /** It was looked at and nothing was found out: counts as a try. */
  readonly counts: boolean
  readonly next_wake_at?: string | undefined
  /** What the operator wishes of the task, as far as this host knew. */
  readonly known_wish?: "pause" | "cancel" | undefined
  /** It holds the end of a write that had no intent: it is there only if nothing is paused and this policy still holds. */
  readonly acts_under?: number | undefined
  readonly output?: unknown
  readonly error?: ErrorDetail | undefined
  readonly at: string
}

export const advanceLists = lists<AdvanceRow>(
  "task_id uuid, fence bigint, checkpoint int, status text, closes boolean, idle boolean, put_off boolean, " +
    "due_at timestamptz, due_in_ms float8, quiet_call uuid, parked boolean, waits_for text, counts boolean, " +
    "next_wake_at timestamptz, known_wish text, acts_under bigint, output jsonb, error jsonb, at timestamptz"
)

/** A call that is stored for the first time, or attempted again: as an intent, or with its end. */
export interface PutCall extends Omit<CallRow, "status" | "error" | "needs_approval" | "labels"> {
  readonly task_id: string
  readonly step_id: string
  readonly needs_approval?: boolean | undefined
  readonly labels?: CallRow["labels"] | undefined
  /** A person is asked about it: written only while nobody wishes the task to stop. */
  readonly asks?: boolean | undefined
  /** It was attempted before, or begins with its approval, which this consumes. */
  readonly approved?: boolean | undefined
  /** To be attempted, if nothing forbids it: under this policy, in a lease that lives, while nothing is paused. */
  readonly intent: boolean
  readonly policy_version?: number | undefined
  readonly status: "attempted" | "planned" | "succeeded" | "failed" | "canceled"
  readonly attempts: number
  readonly output?: unknown
  readonly error?: ErrorDetail | undefined
  readonly latency_ms?: number | undefined
  readonly resolved_at?: string | undefined
}

export const callLists = lists<PutCall>(
  "tool_call_id uuid, trace_id uuid, event_id uuid, task_id uuid, step_id uuid, ordinal int, tool text, tool_pin text, " +
    "input jsonb, input_hash text, idempotency_key text, effect text, guarantee text, risk text, autonomy text, " +
    "status text, error jsonb, created_at timestamptz, deadline_ms float8, intent boolean, policy_version bigint, " +
    "attempts int, output jsonb, latency_ms real, resolved_at timestamptz, needs_approval boolean, labels jsonb, asks boolean, " +
    "approved boolean"
)

/** The end of a call that is stored: attempted by this holder, or settled after another. */
export interface EndedCall {
  readonly task_id: string
  readonly tool_call_id: string
  readonly status: "succeeded" | "failed" | "unknown" | "planned" | "canceled"
  readonly output?: unknown
  readonly error?: ErrorDetail | undefined
  readonly latency_ms?: number | undefined
  readonly at: string
}

export const endedLists = lists<EndedCall>(
  "task_id uuid, tool_call_id uuid, status text, output jsonb, error jsonb, latency_ms real, at timestamptz"
)

export const settlementLists = lists<SettlementRow & { readonly task_id: string }>(
  "task_id uuid, event_id uuid, trace_id uuid, lane text, outcome text, reply text, settled_at timestamptz, answer_by text"
)

/** What was to be tried again of a task that was canceled in the meantime has failed. Over `m`, or another row with its wish. */
const notAgain = (status: string, again: string, of = "m"): string =>
  `case when ${of}.wish = 'cancel' and ${status} = '${again}' then 'failed' else ${status} end`

/** The task's own status. */
const moved = `
  moved as (
    update tasks t
    set status       = m.status,
        next_wake_at = m.next_wake_at,
        output       = m.output,
        error        = m.error,
        fence        = case when m.closes then m.fence else t.fence end,
        updated_at   = m.at
    from mine m
    where t.task_id = m.task_id and m.status is not null and m.wish is null
  ),`

/** What a move leaves beside its task: its settlement, schedules, child events. */
const around = `
  settled as (
    insert into settlements (event_id, trace_id, lane, outcome, reply, settled_at, answer_by)
    select s.event_id, s.trace_id, s.lane, s.outcome, s.reply, s.settled_at, s.answer_by
    from ${settlementLists.from("$8", "s")} join mine m on m.task_id = s.task_id
    where m.wish is null
    on conflict (event_id) do update
    set outcome = excluded.outcome, reply = excluded.reply, settled_at = excluded.settled_at, answer_by = excluded.answer_by
  ),
  ${schedulesMade("$9", "s.made_by in (select tool_call_id from written)")},
  ${schedulesCanceled("$10", "x.tool_call_id in (select tool_call_id from written)")},
  ${eventsEmitted("$11", "$12", emittedBy("$13", "select tool_call_id from written"))},`

/** One that asks goes with its approval, or as the repetition of one that did. */
const mayGo = `(c.needs_approval is not true
                or c.tool_call_id in (select tool_call_id from consumed)
                or exists (select 1 from tool_calls b
                           where b.tool_call_id = c.tool_call_id and b.attempts > 0
                             and b.input_hash = c.input_hash and b.tool_pin = c.tool_pin))`

const toldOfChildren = `
       when 'stored'    then r.event_id in (select event_id from stored)
       when 'duplicate' then r.event_id in (select event_id from incoming) and r.event_id not in (select event_id from stored)`

/**
 * `$1` the host, `$2` advances, `$3` fresh steps, `$4` steps, `$5` calls, `$6` ended calls, `$7` the audit; in the `whole`
 * also `$8` settlements, `$9` and `$10` schedules made and canceled, `$11` and `$12` child events, `$13` which child is of which
 * call, `$14` approvals that are asked for.
 */
const statementOf = (whole: boolean): string => `
with advance as materialized (
    select a.*
    from ${advanceLists.from("$2", "a")} cross join control k
    where a.acts_under is null or (not k.paused and k.policy_version = a.acts_under)
  ),
  held as (
    update work w
    set checkpoint = a.checkpoint,
        heeded     = w.wish,
        claimed_by = case when a.put_off or (w.wish is not null and a.idle) then null else w.claimed_by end,
        -- Whoever did not know that it was canceled can't say what is still to be waited for: it is looked at at once.
        parked     = (w.wish = 'pause' and a.idle) is true
                     or (a.put_off and a.parked and not w.decided and (w.wish = 'cancel' and a.known_wish is distinct from 'cancel') is not true),
        waits_for  = case when w.wish = 'pause' and a.idle then 'pause'
                          when a.put_off and not w.decided and (w.wish = 'cancel' and a.known_wish is distinct from 'cancel') is not true
                          then a.waits_for end,
        tries      = case when a.put_off then w.tries + a.counts::int else 0 end,
        due_at     = case when w.wish = 'cancel' and a.known_wish is distinct from 'cancel' and a.idle then clock_timestamp()
                       when a.put_off and w.decided then greatest(clock_timestamp(), w.due_at)
                       when a.put_off
                       then coalesce(a.due_at, clock_timestamp() + make_interval(secs => a.due_in_ms / 1000),
                                     (select quiet_at from tool_calls c where c.tool_call_id = a.quiet_call),
                                     clock_timestamp())
                       else w.due_at end
    from advance a
    where w.work_id = a.task_id and w.claimed_by = $1::uuid and w.fence = a.fence and w.checkpoint = a.checkpoint - 1
      and not ((a.closes and w.wish is null) or (w.wish = 'cancel' and a.known_wish = 'cancel' and a.idle and not a.put_off)) is true
    returning w.work_id as task_id, w.wish
  ),
  closed as (
    delete from work w
    using advance a
    where w.work_id = a.task_id and w.claimed_by = $1::uuid and w.fence = a.fence and w.checkpoint = a.checkpoint - 1
      and ((a.closes and w.wish is null) or (w.wish = 'cancel' and a.known_wish = 'cancel' and a.idle and not a.put_off)) is true
    returning w.work_id as task_id, w.wish
  ),
  mine as materialized (
    select a.*, x.wish from (select * from held union all select * from closed) x join advance a on a.task_id = x.task_id
  ),
  ${whole ? moved : ""}
  fresh as (
    insert into steps (${stepColumns})
    select s.task_id, s.position, s.step_id, s.stage, s.name, s.kind,
           case when x.held then 'pending' else ${
  notAgain("s.status", "pending")
} end, s.attempt, s.max_attempts, s.retry,
           s.tool, s.input, coalesce(s.checkpoint, '{}'), s.output, s.error, s.ordinal,
           case when not x.held then s.tool_call_id end,
           case when not x.held and (m.wish = 'cancel' and s.status = 'pending') is not true then s.wake_at end,
           case when not x.held then s.started_at end,
           case when m.wish = 'cancel' and s.status = 'pending' then m.at else s.ended_at end
    from ${stepLists.from("$3", "s")} join mine m on m.task_id = s.task_id
         -- What was planned and may not begin is to come; of a canceled task nothing is planned any more.
         cross join lateral (select (s.planned and s.begins and m.wish = 'pause') is true as held) x
    where (m.wish is null or not s.begins or x.held) and (s.planned and m.wish = 'cancel' and s.ended_at is null) is not true
  ),
  stepped as (
    update steps o
    set status       = ${notAgain("s.status", "pending")},
        attempt      = s.attempt,
        checkpoint   = coalesce(s.checkpoint, o.checkpoint),
        output       = s.output,
        error        = s.error,
        tool_call_id = s.tool_call_id,
        wake_at      = case when m.wish = 'cancel' and s.status = 'pending' then null else s.wake_at end,
        started_at   = s.started_at,
        ended_at     = case when m.wish = 'cancel' and s.status = 'pending' then m.at else s.ended_at end
    from ${stepChangeLists.from("$4", "s")} join mine m on m.task_id = s.task_id
    where o.task_id = s.task_id and o.position = s.position and (m.wish is null or not s.begins)
      -- Whoever canceled the task has ended it already.
      and (m.wish = 'cancel' and o.status = 'skipped') is not true
    returning o.step_id
  ),
  wanted as materialized (
    select c.*, m.fence, m.wish, m.at,
           not k.paused and k.policy_version = c.policy_version
             and exists (select 1 from hosts where host_id = $1::uuid and ended_at is null
                                               and lease_until > clock_timestamp()) as may
    from ${callLists.from("$5", "c")} join mine m on m.task_id = c.task_id
         cross join control k
    where m.wish is null or not (c.intent or c.asks is true)
  ),
  ${whole ? `${consume("(select * from wanted where intent and may and approved and needs_approval) w")},` : ""}
  judged as materialized (
    select c.*, c.intent and c.may and ${whole ? mayGo : "true"} as goes from wanted c
  ),
  put as (
    insert into tool_calls
      (tool_call_id, trace_id, event_id, task_id, step_id, ordinal, tool, tool_pin, input, input_hash, idempotency_key, effect,
       guarantee, risk, autonomy, status, needs_approval, labels, held_by, fence, attempts, open_attempts, deadline_at, quiet_at,
       output, error, latency_ms, created_at, resolved_at)
    select c.tool_call_id, c.trace_id, c.event_id, c.task_id, c.step_id, c.ordinal, c.tool, c.tool_pin, c.input, c.input_hash,
           c.idempotency_key, c.effect, c.guarantee, c.risk, c.autonomy,
           case when c.intent and not c.goes then 'planned' else ${notAgain("c.status", "planned", "c")} end,
           -- One that begins with its approval is there already, and asks.
           coalesce(c.needs_approval and not c.goes, false), coalesce(c.labels, '{}'),
           case when c.goes then $1::uuid end, c.fence,
           case when c.intent and not c.goes then 0 else c.attempts end, c.goes::int,
           case when c.goes then clock_timestamp() + make_interval(secs => c.deadline_ms / 1000) end,
           case when c.goes then clock_timestamp() + make_interval(secs => c.deadline_ms / 1000) end,
           c.output, c.error, c.latency_ms, c.created_at,
           case when c.wish = 'cancel' and c.status = 'planned' then c.at else c.resolved_at end
    from judged c
    on conflict (tool_call_id) do update
    set status        = excluded.status,
        needs_approval = tool_calls.needs_approval or excluded.needs_approval,
        -- As it was asked about.
        risk          = case when excluded.needs_approval and not tool_calls.needs_approval then excluded.risk else tool_calls.risk end,
        autonomy      = case when excluded.needs_approval and not tool_calls.needs_approval then excluded.autonomy else tool_calls.autonomy end,
        held_by       = excluded.held_by,
        fence         = excluded.fence,
        attempts      = tool_calls.attempts + excluded.attempts,
        open_attempts = tool_calls.open_attempts + excluded.open_attempts,
        deadline_at   = excluded.deadline_at,
        quiet_at      = coalesce(excluded.quiet_at, tool_calls.quiet_at),
        output        = excluded.output,
        error         = excluded.error,
        latency_ms    = excluded.latency_ms,
        resolved_at   = excluded.resolved_at
    where tool_calls.status = 'planned'
      and (excluded.status <> 'planned' or excluded.attempts > 0 or (excluded.needs_approval and not tool_calls.needs_approval))
    returning tool_call_id, task_id, status, attempts, open_attempts
  ),
  ${whole ? `${askFor("$14", "q.work_id in (select task_id from mine where wish is null)")},` : ""}
  ended as (
    update tool_calls c
    set status        = ${notAgain("d.status", "planned")},
        output        = d.output,
        error         = d.error,
        latency_ms    = coalesce(d.latency_ms, c.latency_ms),
        fence         = m.fence,
        open_attempts = case
                          when d.status = 'succeeded' or (d.status = 'failed' and c.status = 'unknown') then 0
                          when c.status = 'attempted' and d.status in ('failed', 'planned') then c.open_attempts - 1
                          else c.open_attempts end,
        resolved_at   = case when ${
  notAgain("d.status", "planned")
} in ('succeeded', 'failed', 'canceled') then d.at end
    from ${endedLists.from("$6", "d")} join mine m on m.task_id = d.task_id
    where c.tool_call_id = d.tool_call_id and c.status in ('planned', 'attempted', 'unknown')
    returning c.tool_call_id
  ),
  written as materialized (
    select tool_call_id from put union all select tool_call_id from ended
  ),
  ${whole ? around : ""}
  ${
  tellAudit(
    "$7",
    `case r.told_when
       ${whole ? toldOfChildren : ""}
       when 'attempted' then r.tool_call_id in (select tool_call_id from put where status = 'attempted')
       when 'begun'     then r.event_id in (select task_id from mine where wish is null)
       when 'wanted'    then r.event_id in (select task_id from mine where wish is distinct from 'cancel')
       when 'canceled'  then r.event_id in (select task_id from mine where wish = 'cancel')
       when 'ended'     then (r.refs->>'tool_call_id')::uuid in (select tool_call_id from written)
       when 'stepped'   then (r.refs->>'step_id')::uuid in (select step_id from stepped)
       else r.event_id in (select task_id from mine)
     end`
  )
}
select task_id, wish, null::uuid as tool_call_id, 0 as attempts, 0 as open_attempts from mine
union all
select task_id, null, tool_call_id, attempts, open_attempts from put where status = 'attempted'`

export const checkpointStatement = statementOf(true)

/**
 * The same for moves between two steps of a task, which are most: what the server does not find in a statement it does not
 * open, lock and prepare either, and that is a quarter of its work here.
 */
export const stepStatement = statementOf(false)

/** Whether `stepStatement` says all of a move. */
export const isBetweenSteps = ({ asked, calls, left, row, settlement }: Advance): boolean =>
  row.status === undefined && settlement === undefined && asked.length === 0 &&
  calls.every((call) => !call.intent || call.needs_approval !== true) &&
  left.every((one) => one.emitted.length + one.schedules.length + one.canceled_schedules.length === 0)
