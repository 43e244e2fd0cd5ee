/**
 * The tool call ledger: every move of a call is one statement here, with its audit rows, under the fence of the claim.
 *
 * ```
 * planned ──▶ attempted ──▶ succeeded
 *    │            ├───────▶ failed        (not done, and no older attempt still open)
 *    ▼            └───────▶ unknown ──▶ succeeded | failed | planned (repeat)
 * canceled        (only if no attempt was ever made)
 * ```
 *
 * - The intent is committed before the effect, the outcome after it.
 * - What was in flight when its holder ended is `unknown`: never taken as done, never blindly repeated.
 * - A holder whose fence is stale writes nothing.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit, type AuditRow, type Fact, tellAudit, toldLists } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { EventRow, SettlementRow } from "../contract/Rows.ts"
import { keyRow, storeEvents } from "../database/EventStatements.ts"
import * as GroupCommit from "../database/GroupCommit.ts"
import { newId } from "../database/Ids.ts"
import { HostLease } from "../health/HostLease.ts"

/** What names a call to the ledger: the call, and the claim under which it is written. */
export interface Held {
  readonly tool_call_id: string
  readonly event_id: string
  readonly fence: number
}

export interface AttemptRequest extends Held {
  readonly deadline_ms: number
  /** The policy that the call was judged by. */
  readonly policy_version: number
  readonly row: AuditRow
}

export interface ScheduleRow {
  readonly schedule_id: string
  readonly name: string
  readonly type: "one_shot"
  readonly spec: string
  readonly timezone: string
  readonly payload: unknown
  readonly trust: string
  readonly trace_id: string
  readonly made_by: string
  readonly next_run_at: string
  readonly at: string
}

export interface Outcome extends Held {
  readonly status: "succeeded" | "failed" | "unknown"
  readonly output?: unknown
  readonly error?: ErrorDetail | undefined
  readonly latency_ms: number
  readonly at: string
  /** Only for `unknown`: when somebody may look at it again; without it a person must. */
  readonly again_ms?: number | undefined
  readonly settlement?: SettlementRow | undefined
  readonly schedules: ReadonlyArray<ScheduleRow>
  readonly canceled_schedules: ReadonlyArray<string>
  readonly emitted: ReadonlyArray<{
    readonly event: EventRow
    readonly body_hash: string
    readonly row: AuditRow
    /** What is told instead when the same message is there already. */
    readonly again?: AuditRow
  }>
  readonly rows: ReadonlyArray<AuditRow>
}

const attemptStatement = `
with wanted as materialized (
    select w.*, i.event_id is not null and not k.paused and k.policy_version = w.policy_version
             and exists (select 1 from hosts where host_id = $2::uuid and ended_at is null
                                               and lease_until > clock_timestamp()) as go
    from json_to_recordset($1::json) as w(
           tool_call_id uuid, event_id uuid, fence bigint, deadline_ms float8, policy_version bigint)
         cross join control k
         left join inbox i on i.event_id = w.event_id and i.claimed_by = $2::uuid and i.fence = w.fence
  ),
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
    returning c.tool_call_id, c.event_id, c.attempts, c.open_attempts
  ),
  ${tellAudit("$3", "r.tool_call_id in (select tool_call_id from moved)")}
select tool_call_id, attempts, open_attempts from moved`

/** What this host attempted in a statement whose answer it never heard. In a snapshot of its own, after that statement. */
const attemptedStatement = `
select c.tool_call_id, c.attempts, c.open_attempts
from json_to_recordset($1::json) as w(tool_call_id uuid, fence bigint)
     join tool_calls c on c.tool_call_id = w.tool_call_id
where c.status = 'attempted' and c.fence = w.fence and c.held_by = $2::uuid`

const settleStatement = `
with done as materialized (
    select * from json_to_recordset($1::json) as d(
      tool_call_id uuid, event_id uuid, fence bigint, status text, output jsonb, error jsonb, latency_ms real,
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
    returning c.tool_call_id, c.event_id, c.status, d.again_ms
  ),
  closed as (
    delete from inbox i using moved m where i.event_id = m.event_id and m.status <> 'unknown'
  ),
  put_off as (
    update inbox i
    set claimed_by = null,
        parked     = m.again_ms is null,
        tries      = i.tries + 1,
        due_at     = clock_timestamp() + make_interval(secs => coalesce(m.again_ms, 0) / 1000)
    from moved m
    where i.event_id = m.event_id and m.status = 'unknown'
  ),
  settled as (
    insert into settlements
    select s.* from json_populate_recordset(null::settlements, $2::json) s
    where s.event_id in (select event_id from moved)
  ),
  scheduled as (
    insert into schedules (schedule_id, name, type, spec, timezone, payload, trust, trace_id, made_by, next_run_at,
                           created_at, updated_at)
    select s.schedule_id, s.name, s.type, s.spec, s.timezone, s.payload, s.trust, s.trace_id, s.made_by, s.next_run_at,
           s.at, s.at
    from json_to_recordset($3::json) as s(
      schedule_id uuid, name text, type text, spec text, timezone text, payload jsonb, trust text, trace_id uuid,
      made_by uuid, next_run_at timestamptz(3), at timestamptz(3))
    where s.made_by in (select tool_call_id from moved)
  ),
  unscheduled as (
    update schedules s
    set enabled = false, next_run_at = null, updated_at = clock_timestamp()
    from json_to_recordset($4::json) as x(schedule_id uuid, tool_call_id uuid)
    where s.schedule_id = x.schedule_id and x.tool_call_id in (select tool_call_id from moved)
  ),
  ${
  storeEvents(
    "$5",
    "$6",
    "e.parent_event_id in (select event_id from moved)"
  )
},
  emitted as (
    insert into inbox (event_id, trace_id, thread_id, fence)
    select event_id, trace_id, thread_id, nextval('fence_seq') from stored
  ),
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
const settledStatement = `
select c.tool_call_id
from json_to_recordset($1::json) as d(tool_call_id uuid, fence bigint, status text)
     join tool_calls c on c.tool_call_id = d.tool_call_id
where c.fence = d.fence and c.status = d.status`

interface AttemptedRow {
  readonly tool_call_id: string
  readonly attempts: number
  readonly open_attempts: number
}

export class ToolLedger extends Context.Service<ToolLedger, {
  /** planned → attempted. Answers nothing when the claim is not ours any more, or pause or policy forbid it. */
  readonly attempt: (request: AttemptRequest) => Effect.Effect<AttemptedRow | undefined, SqlError.SqlError>
  /** attempted → succeeded, failed or unknown. Answers whether it was ours to write. */
  readonly settle: (outcome: Outcome) => Effect.Effect<boolean, SqlError.SqlError>
  /** The same in the caller's transaction, for a tool that wrote in it. */
  readonly settleHere: (outcome: Outcome) => Effect.Effect<boolean, SqlError.SqlError>
  /** attempted → unknown, for a call whose holder is gone. Answers whether it was still attempted. */
  readonly lose: (held: Held, fact: Fact) => Effect.Effect<boolean, SqlError.SqlError>
  /** unknown → planned: the call will be repeated under the same key. */
  readonly replan: (held: Held) => Effect.Effect<void, SqlError.SqlError>
  /** unknown → succeeded or failed, as the remote or a person says. */
  readonly reconcile: (
    held: Held,
    status: "succeeded" | "failed",
    fact: Fact,
    settlement: SettlementRow
  ) => Effect.Effect<boolean, SqlError.SqlError>
  /** planned → failed or, where no attempt was made, canceled; for a call that can't be made any more. No attempt may be open. */
  readonly abandon: (
    held: Held,
    status: "failed" | "canceled",
    fact: Fact,
    settlement: SettlementRow
  ) => Effect.Effect<boolean, SqlError.SqlError>
  /** Gives the claim back: to be looked at again after so many milliseconds, when all is quiet, or by a person. */
  readonly putOff: (
    held: Held,
    until: number | "person" | "quiet",
    /** Whether this counts as a try that found nothing out. */
    counts?: boolean
  ) => Effect.Effect<void, SqlError.SqlError>
  /** Keeps what a holder knew that had lost its claim. */
  readonly keepEvidence: (held: Held, evidence: unknown) => Effect.Effect<void, SqlError.SqlError>
}>()("syris/tools/ToolLedger") {
  static readonly layer = Layer.effect(
    ToolLedger,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const audit = yield* Audit
      const wake = yield* AuditWake
      const { hostId } = yield* HostLease

      const attempt = yield* GroupCommit.make(Effect.fnUntraced(function*(requests: ReadonlyArray<AttemptRequest>) {
        const rows = yield* sql.unsafe<AttemptedRow>(attemptStatement, [
          JSON.stringify(requests),
          hostId,
          toldLists(requests.map(({ event_id, row, tool_call_id }) => ({ ...row, event_id, tool_call_id })))
        ])
        yield* wake.wake
        const found = new Map(rows.map((row) => [row.tool_call_id, row]))
        const missing = requests.filter((request) => !found.has(request.tool_call_id))
        if (missing.length > 0) {
          const own = yield* sql.unsafe<AttemptedRow>(attemptedStatement, [JSON.stringify(missing), hostId])
          for (const row of own) found.set(row.tool_call_id, row)
        }
        return requests.map((request) => found.get(request.tool_call_id))
      }))

      const settleAll = Effect.fnUntraced(function*(outcomes: ReadonlyArray<Outcome>) {
        const emitted = outcomes.flatMap((outcome) => outcome.emitted)
        const rows = yield* sql.unsafe<{ readonly tool_call_id: string }>(settleStatement, [
          JSON.stringify(
            outcomes.map(({ again_ms, at, error, event_id, fence, latency_ms, output, status, tool_call_id }) => ({
              again_ms,
              at,
              error,
              event_id,
              fence,
              latency_ms,
              output,
              status,
              tool_call_id
            }))
          ),
          JSON.stringify(outcomes.flatMap((outcome) => outcome.settlement ?? [])),
          JSON.stringify(outcomes.flatMap((outcome) => outcome.schedules)),
          JSON.stringify(
            outcomes.flatMap(({ canceled_schedules, tool_call_id }) =>
              canceled_schedules.map((schedule_id) => ({ schedule_id, tool_call_id }))
            )
          ),
          JSON.stringify(emitted.map(({ event }) => event)),
          JSON.stringify(emitted.flatMap(keyRow)),
          toldLists([
            ...outcomes.flatMap(({ rows, tool_call_id }) =>
              rows.map((row) => ({ ...row, tool_call_id, told_when: "moved" }))
            ),
            ...emitted.flatMap(({ again, event, row }) => [
              { ...row, event_id: event.event_id, told_when: "stored" },
              ...(again === undefined ? [] : [{ ...again, event_id: event.event_id, told_when: "duplicate" }])
            ])
          ])
        ])
        const found = new Set(rows.map((row) => row.tool_call_id))
        const missing = outcomes.filter((outcome) => !found.has(outcome.tool_call_id))
        if (missing.length > 0) {
          const held = missing.map(({ fence, status, tool_call_id }) => ({ fence, status, tool_call_id }))
          const own = yield* sql.unsafe<{ readonly tool_call_id: string }>(settledStatement, [JSON.stringify(held)])
          for (const row of own) found.add(row.tool_call_id)
        }
        return outcomes.map((outcome) => found.has(outcome.tool_call_id))
      })

      const settle = yield* GroupCommit.make((outcomes: ReadonlyArray<Outcome>) =>
        Effect.tap(settleAll(outcomes), () => wake.wake)
      )
      const settleHere = (outcome: Outcome) => Effect.map(settleAll([outcome]), ([mine]) => mine === true)

      const claimed = (held: Held) =>
        sql`
        exists (select 1 from inbox i where i.event_id = ${held.event_id} and i.claimed_by = ${hostId}
                                        and i.fence = ${held.fence})`

      const lose = (held: Held, fact: Fact) =>
        Effect.gen(function*() {
          const moved = yield* sql`
            update tool_calls
            set status = 'unknown', fence = ${held.fence}, error = ${
            JSON.stringify(fact.data?.["error"] ?? null)
          }::jsonb
            where tool_call_id = ${held.tool_call_id} and status = 'attempted' and fence < ${held.fence}
              and ${claimed(held)}
            returning tool_call_id`
          if (moved.length > 0) yield* audit.append(fact)
          return moved.length > 0
        }).pipe(sql.withTransaction)

      // An attempt is not open any more when it did no harm if it landed, or when the other side said that it did not.
      const replan = (held: Held) =>
        Effect.asVoid(sql`
          update tool_calls
          set status = 'planned', held_by = null, error = null,
              open_attempts = case when effect = 'read' or guarantee = 'transactional'
                                     or (guarantee = 'probe' and quiet_at <= clock_timestamp())
                                   then 0 else open_attempts end
          where tool_call_id = ${held.tool_call_id} and status = 'unknown' and ${claimed(held)}`)

      const end = (
        held: Held,
        from: "planned" | "unknown",
        status: "succeeded" | "failed" | "canceled",
        fact: Fact,
        settlement: SettlementRow
      ) =>
        Effect.gen(function*() {
          const moved = yield* sql`
            update tool_calls
            set status = ${status}, open_attempts = case when ${from} = 'unknown' then 0 else open_attempts end,
                error = ${JSON.stringify(fact.data?.["error"] ?? null)}::jsonb, resolved_at = clock_timestamp(),
                fence = ${held.fence}
            where tool_call_id = ${held.tool_call_id} and status = ${from} and ${claimed(held)}
            returning tool_call_id`
          if (moved.length === 0) return false
          yield* sql`delete from inbox where event_id = ${held.event_id}`
          yield* sql`
            insert into settlements
            select * from json_populate_record(null::settlements, ${JSON.stringify(settlement)}::json)
            on conflict do nothing`
          yield* audit.append(fact)
          return true
        }).pipe(sql.withTransaction)

      const putOff = (held: Held, until: number | "person" | "quiet", counts = false) =>
        Effect.asVoid(sql`
          update inbox
          set claimed_by = null, parked = ${until === "person"}, tries = tries + ${counts ? 1 : 0}::int,
              due_at = coalesce(clock_timestamp() + make_interval(secs => ${
          typeof until === "number" ? until / 1000 : null
        }::float8), (select quiet_at from tool_calls where tool_call_id = ${held.tool_call_id}), due_at)
          where event_id = ${held.event_id} and claimed_by = ${hostId} and fence = ${held.fence}`)

      const keepEvidence = (held: Held, evidence: unknown) =>
        Effect.asVoid(sql`
          insert into tool_call_evidence (evidence_id, tool_call_id, fence, evidence)
          values (${newId()}, ${held.tool_call_id}, ${held.fence}, ${JSON.stringify(evidence)}::jsonb)`)

      return ToolLedger.of({
        attempt,
        settle,
        settleHere,
        lose,
        replan,
        putOff,
        keepEvidence,
        abandon: (held, status, fact, settlement) => end(held, "planned", status, fact, settlement),
        reconcile: (held, status, fact, settlement) => end(held, "unknown", status, fact, settlement)
      })
    })
  )
}
