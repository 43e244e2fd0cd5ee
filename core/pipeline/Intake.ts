/**
 * Stores accepted events: event, routing decision, planned call, intent to act and all their audit rows are one
 * statement and one commit, shared by the events that arrive together.
 *
 * - Of the same message one is stored; the others get its ids and leave `event.deduped` under its trace.
 * - An intent is `attempted` only while this host holds its lease, nothing is paused and the policy is the one that the
 *   call was judged by; otherwise the call stays `planned` and is judged again.
 * - A call that a person is asked about is stored with its approval, and its work waits until that ends.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit, auditColumns, type AuditRow, insertAudit, tellAudit, toldLists } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { DecisionRow, EventRow, OwedRules, SettlementRow } from "../contract/Rows.ts"
import { keyRow, storeEvents } from "../database/EventStatements.ts"
import * as GroupCommit from "../database/GroupCommit.ts"
import { newId } from "../database/Ids.ts"
import { HostLease } from "../health/HostLease.ts"
import type { CreatedTask } from "../tasks/TaskRows.ts"
import { approvalLists, type ApprovalRow, askFor } from "../safety/ApprovalRows.ts"
import type { CallRow } from "../tools/ToolCallPlan.ts"
import { type HeldRules, heldRules, joinRules, oweRules, owedRules, ownRules } from "./RuleIntake.ts"
import { acceptTasks, decideTaskStatement, ownTasks, writeTasks } from "./TaskIntake.ts"
import { steeringPriority } from "./WorkStatements.ts"

/** An audit row, and when it is true: once the event is stored, or only if the call is attempted. */
export interface Telling {
  readonly row: AuditRow
  /** `started`: only if this host holds the task. */
  readonly told_when: "stored" | "attempted" | "started"
}

export interface Intent {
  readonly event: EventRow
  readonly body_hash: string
  /** Nothing where nothing was decided: the operator asked for a task. */
  readonly decision: DecisionRow | undefined
  readonly call?: CallRow
  /** A person is asked about the call. */
  readonly approval?: ApprovalRow
  /** The call steers the system: a pause does not hold it. */
  readonly steers?: boolean
  /** The task that it becomes, and the positions of the steps that begin with it. */
  readonly task?: CreatedTask & { readonly begins: ReadonlyArray<number> }
  /** A slot of the tool is free here: attempt it at once. */
  readonly attempt: boolean
  /** This host means to run it. Otherwise any host may. */
  readonly claim: boolean
  /** The policy that the call was judged by. */
  readonly policy_version: number
  /** Where the event ends with this commit. */
  readonly settlement?: SettlementRow
  /** The rules that are for it: another row of work, for whoever fires them. */
  readonly rules?: OwedRules
  /** This host means to fire them. */
  readonly claimRules?: boolean
  readonly tellings: ReadonlyArray<Telling>
}

export interface Stored {
  readonly event_id: string
  readonly trace_id: string
  readonly deduped: boolean
  readonly conflict: boolean
  /** Grows at each claim; what this host writes of the call is valid under it. */
  readonly fence: number
  readonly attempted: boolean
  /** This host holds it. Otherwise any host may take it, once nothing of its thread is before it. */
  readonly claimed: boolean
  /** The rules for it, where this host holds them. */
  readonly rules: HeldRules
}

/** `events` makes the CTE `stored`, `owed` notes as work who owes the calls of the CTE `planned`. */
const intentStatement = (events: string, owed: string): string => `
with ${events},
  decided as (
    insert into routing_decisions
    select d.* from json_populate_recordset(null::routing_decisions, $3::json) d
    where d.event_id in (select event_id from stored)
  ),
  planned as materialized (
    select c.*, nextval('fence_seq') as fence, s.thread_id,
           c.claim and not c.needs_approval and h.live and not b.behind as claimed,
           c.attempt and not c.needs_approval and h.live and not b.behind and (not k.paused or c.steers)
             and k.policy_version = c.policy_version as go
    from json_to_recordset($4::json) as c(
           tool_call_id uuid, trace_id uuid, event_id uuid, ordinal int, tool text, tool_pin text, input jsonb,
           input_hash text, idempotency_key text, effect text, guarantee text, risk text, autonomy text, status text,
           needs_approval boolean, labels jsonb, error jsonb, created_at timestamptz, deadline_ms float8, attempt boolean,
           claim boolean, steers boolean, policy_version bigint)
         join stored s on s.event_id = c.event_id
         cross join lateral (
           -- What came earlier in its thread is settled first; the operator's hand on the switch does not queue.
           select case when s.thread_id is null or c.steers then false else
                    exists (select 1 from work i
                            where i.thread_id = s.thread_id and i.kind = 'event' and i.work_id < s.event_id
                              and not i.parked and i.waits_for is distinct from 'approval')
                    or exists (select 1 from stored o where o.thread_id = s.thread_id and o.event_id < s.event_id)
                  end as behind) b,
         control k,
         (select exists (select 1 from hosts
                         where host_id = $7::uuid and ended_at is null and lease_until > clock_timestamp()) as live) h
    where k.one
  ),
  reserved as (
    insert into tool_call_keys (idempotency_key, tool_call_id)
    select idempotency_key, tool_call_id from planned
  ),
  called as (
    insert into tool_calls
      (tool_call_id, trace_id, event_id, ordinal, tool, tool_pin, input, input_hash, idempotency_key, effect, guarantee,
       risk, autonomy, status, needs_approval, labels, held_by, fence, attempts, open_attempts, deadline_at, quiet_at, error,
       created_at, resolved_at)
    select tool_call_id, trace_id, event_id, ordinal, tool, tool_pin, input, input_hash, idempotency_key, effect, guarantee,
           risk, autonomy, case when go then 'attempted' else status end, needs_approval, labels,
           case when go then $7::uuid end, fence, go::int, go::int,
           case when go then clock_timestamp() + make_interval(secs => deadline_ms / 1000) end,
           case when go then clock_timestamp() + make_interval(secs => deadline_ms / 1000) end,
           error, created_at, case when status <> 'planned' then created_at end
    from planned
  ),
  ${askFor("$8", "q.tool_call_id in (select tool_call_id from planned where needs_approval and status = 'planned')")},
  settled as (
    insert into settlements
    select s.* from json_populate_recordset(null::settlements, $5::json) s
    where s.event_id in (select event_id from stored)
    returning event_id, outcome
  ),
  ${owed},
  ${oweRules("$9", "$7::uuid")},
  ${
  tellAudit(
    "$6",
    `r.event_id in (select event_id from stored)
     and (r.told_when = 'stored' or r.event_id in (select event_id from planned where go))`
  )
}
select s.event_id, p.fence, coalesce(p.go, false) as attempted, coalesce(p.claimed, false) as claimed, ${heldRules}
from stored s left join planned p on p.event_id = s.event_id ${joinRules}`

const acceptStatement = intentStatement(
  storeEvents("$1", "$2"),
  `
  owed as (
    insert into work (work_id, kind, event_id, trace_id, thread_id, tool_call_id, tool, claimed_by, fence, due_at, waits_for,
                      priority)
    select p.event_id, 'event', p.event_id, p.trace_id, p.thread_id, p.tool_call_id, p.tool,
           case when p.claimed then $7::uuid end, p.fence, coalesce(a.expires_at, clock_timestamp()),
           case when p.needs_approval then 'approval' end, case when p.steers then ${steeringPriority} else 5 end
    from planned p left join asked a on a.tool_call_id = p.tool_call_id
    where p.status = 'planned'
  )`
)

/** For an event that is stored and claimed already, under the fence of the claim. */
const decideStatement = intentStatement(
  `
  stored as materialized (
    select i.event_id, i.trace_id, i.thread_id
    from json_populate_recordset(null::events, $1::json) e
    join json_to_recordset($2::json) as x(event_id uuid, fence bigint) on x.event_id = e.event_id
    join work i on i.work_id = x.event_id and i.fence = x.fence and i.claimed_by = $7::uuid and i.tool_call_id is null
    for update of i
  )`,
  `
  owed as (
    update work i
    set tool_call_id = p.tool_call_id, tool = p.tool, fence = p.fence,
        claimed_by = case when p.needs_approval then null else i.claimed_by end,
        waits_for  = case when p.needs_approval then 'approval' end,
        due_at     = coalesce(a.expires_at, i.due_at)
    from planned p left join asked a on a.tool_call_id = p.tool_call_id
    where i.work_id = p.event_id and p.status = 'planned' and i.claimed_by = $7::uuid and i.tool_call_id is null
  ),
  closed as (
    delete from work i using settled s where i.work_id = s.event_id and s.outcome <> 'waiting'
  )`
)

const duplicateStatement = `
with lost as materialized (
    select * from json_to_recordset($1::json) as x(
      ord int, dedupe_key text, event_id uuid, body_hash text, body jsonb, conflict_id uuid, received_at timestamptz)
  ),
  first as materialized (
    select l.*, k.event_id as first_event_id, k.trace_id as first_trace_id, k.body_hash <> l.body_hash as differs
    from lost l join event_keys k on k.dedupe_key = l.dedupe_key
  ),
  kept as (
    insert into event_conflicts (conflict_id, dedupe_key, body_hash, body, received_at)
    select conflict_id, dedupe_key, body_hash, body, received_at from first where differs
    on conflict (dedupe_key, body_hash) do nothing
  ),
  rows as (
    select r.audit_id, r.timestamp, f.first_trace_id as trace_id, r.stage, r.type, r.outcome, r.summary,
           jsonb_build_object('event_id', f.first_event_id) as refs, r.actor, r.tool, r.risk, r.autonomy, r.latency_ms,
           r.data || jsonb_build_object('body_differs', f.differs) as data, f.ord
    from json_to_recordset($2::json) as r(${auditColumns}, ord int)
    join first f on f.ord = r.ord
  ),
  told as (${insertAudit("rows r")})
select ord, event_id, first_event_id, first_trace_id, differs from first`

/** What became of events whose own statement stored them without our hearing of it. */
const ownStatement = `
select e.event_id, e.trace_id, coalesce(c.fence, 0) as fence,
       coalesce(c.status = 'attempted' and c.held_by = $2::uuid and c.attempts = 1, false) as attempted,
       coalesce(i.claimed_by = $2::uuid, false) as claimed, i.tool_call_id
from events e left join work i on i.work_id = e.event_id
     left join tool_calls c on c.tool_call_id = i.tool_call_id
where e.event_id = any ($1::uuid[])`

interface AcceptedRow extends HeldRules {
  readonly event_id: string
  readonly fence: bigint | null
  readonly attempted: boolean
  readonly claimed: boolean
}
interface DuplicateRow {
  readonly ord: number
  readonly first_event_id: string
  readonly first_trace_id: string
  readonly differs: boolean
}
interface OwnRow extends AcceptedRow {
  readonly trace_id: string
  readonly tool_call_id: string | null
}

/** An event that is stored already, as it is claimed. */
interface Claimed {
  readonly intent: Intent
  readonly fence: number
}

const claimRow = ({ fence, intent }: Claimed) => ({ event_id: intent.event.event_id, fence })

export class Intake extends Context.Service<Intake, {
  /** Answers once it is committed. */
  readonly store: (intent: Intent) => Effect.Effect<Stored, SqlError.SqlError>
  /** The same for an event that is stored already and claimed under `fence`, which goes on; nothing when the claim is lost. */
  readonly decide: (intent: Intent, fence: number) => Effect.Effect<Stored | undefined, SqlError.SqlError>
}>()("syris/pipeline/Intake") {
  static readonly layer = Layer.effect(
    Intake,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const audit = yield* Audit
      const wake = yield* AuditWake
      const { hostId } = yield* HostLease

      const write = (statement: string, intents: ReadonlyArray<Intent>, keys: ReadonlyArray<unknown>) =>
        sql.unsafe<AcceptedRow>(statement, [
          JSON.stringify(intents.map((intent) => intent.event)),
          JSON.stringify(keys),
          JSON.stringify(intents.flatMap((intent) => intent.decision ?? [])),
          JSON.stringify(
            intents.flatMap(({ attempt, call, claim, policy_version, steers = false }) =>
              call === undefined ? [] : [{ ...call, attempt, claim, policy_version, steers }]
            )
          ),
          JSON.stringify(intents.flatMap((intent) => intent.settlement ?? [])),
          toldLists(
            intents.flatMap(({ event, tellings }) =>
              tellings.map(({ row, told_when }) => ({ ...row, event_id: event.event_id, told_when }))
            )
          ),
          hostId,
          approvalLists.of(intents.flatMap((intent) => intent.approval ?? [])),
          owedRules(intents)
        ])

      const accept = (intents: ReadonlyArray<Intent>) => write(acceptStatement, intents, intents.flatMap(keyRow))

      /** For those that were not stored: they are duplicates, or our own from a statement whose answer was lost. */
      const resolve = Effect.fnUntraced(function*(intents: ReadonlyArray<Intent>) {
        const resolved = new Map<string, Stored>()
        const keyed = intents.filter((intent) => intent.event.dedupe_key !== undefined)
        const own = new Set(
          intents.filter((intent) => intent.event.dedupe_key === undefined).map((i) => i.event.event_id)
        )
        if (keyed.length > 0) {
          const at = new Date(yield* Clock.currentTimeMillis)
          const firsts = yield* sql<{ dedupe_key: string; event_id: string }>`
            select dedupe_key, event_id from event_keys
            where dedupe_key = any(${keyed.map((intent) => intent.event.dedupe_key ?? "")}::text[])`
          const owner = new Map(firsts.map((row) => [row.dedupe_key, row.event_id]))
          const duplicates = keyed.filter(({ event }) => owner.get(event.dedupe_key ?? "") !== event.event_id)
          for (const { event } of keyed) {
            if (owner.get(event.dedupe_key ?? "") === event.event_id) own.add(event.event_id)
          }
          const rows = duplicates.length === 0 ? [] : yield* sql.unsafe<DuplicateRow>(duplicateStatement, [
            JSON.stringify(duplicates.map(({ body_hash, event }, ord) => ({
              ord,
              dedupe_key: event.dedupe_key,
              event_id: event.event_id,
              body_hash,
              body: { text: event.text, structured: event.structured, links: event.links, thread_id: event.thread_id },
              conflict_id: newId(),
              received_at: event.ingested_at
            }))),
            JSON.stringify(duplicates.map(({ event }, ord) => ({
              ord,
              ...audit.row({
                type: "event.deduped",
                trace_id: event.trace_id,
                at,
                summary:
                  `The message ${event.message_id} came again on ${event.channel}; it was not run a second time.`,
                actor: event.actor_id,
                data: { message_id: event.message_id }
              })
            })))
          ])
          for (const row of rows) {
            const event = duplicates[row.ord]?.event
            if (event === undefined) continue
            resolved.set(event.event_id, {
              event_id: row.first_event_id,
              trace_id: row.first_trace_id,
              deduped: true,
              conflict: row.differs,
              fence: 0,
              attempted: false,
              claimed: false,
              rules: {}
            })
          }
        }
        if (own.size > 0) {
          const rules = new Map((yield* ownRules([...own], hostId)).map((row) => [row.event_id, row]))
          for (const row of yield* sql.unsafe<OwnRow>(ownStatement, [[...own], hostId])) {
            resolved.set(row.event_id, {
              event_id: row.event_id,
              trace_id: row.trace_id,
              deduped: false,
              conflict: false,
              fence: Number(row.fence ?? 0),
              attempted: row.attempted,
              claimed: row.claimed,
              rules: rules.get(row.event_id) ?? {}
            })
          }
        }
        return resolved
      })

      const answers = (
        intents: ReadonlyArray<Intent>,
        accepted: ReadonlyMap<string, AcceptedRow>,
        resolved: ReadonlyMap<string, Stored> | undefined
      ) =>
        intents.map(({ event }): Stored => {
          const row = accepted.get(event.event_id)
          return resolved?.get(event.event_id) ?? {
            event_id: event.event_id,
            trace_id: event.trace_id,
            deduped: false,
            conflict: false,
            fence: Number(row?.fence ?? 0),
            attempted: row?.attempted ?? false,
            claimed: row?.claimed ?? false,
            rules: row ?? {}
          }
        })

      const storeEvent = yield* GroupCommit.make(Effect.fnUntraced(function*(intents: ReadonlyArray<Intent>) {
        const accepted = new Map((yield* accept(intents)).map((row) => [row.event_id, row]))
        yield* wake.wake
        const missing = intents.filter((intent) => !accepted.has(intent.event.event_id))
        return answers(intents, accepted, missing.length === 0 ? undefined : yield* resolve(missing))
      }))

      const storeTask = yield* GroupCommit.make(Effect.fnUntraced(function*(intents: ReadonlyArray<Intent>) {
        const accepted = new Map((yield* acceptTasks(intents, hostId)).map((row) => [row.event_id, row]))
        yield* wake.wake
        const absent = () => intents.filter((intent) => !accepted.has(intent.event.event_id))
        if (absent().length > 0) {
          const found = yield* ownTasks(absent(), hostId)
          const rules = new Map(
            (yield* ownRules(found.map((row) => row.event_id), hostId)).map((row) => [row.event_id, row])
          )
          for (const row of found) accepted.set(row.event_id, { ...row, ...rules.get(row.event_id) })
        }
        const missing = absent()
        return answers(intents, accepted, missing.length === 0 ? undefined : yield* resolve(missing))
      }))

      const store = (intent: Intent) => intent.task === undefined ? storeEvent(intent) : storeTask(intent)

      const decideEvent = yield* GroupCommit.make(
        Effect.fnUntraced(function*(claimed: ReadonlyArray<Claimed>) {
          const intents = claimed.map(({ intent }) => intent)
          const rows: ReadonlyArray<AcceptedRow> = yield* write(decideStatement, intents, claimed.map(claimRow))
          yield* wake.wake
          const decided = new Map(rows.map((row) => [row.event_id, row]))
          const calls = new Map(
            intents.flatMap(({ call, event: { event_id } }) =>
              call === undefined || decided.has(event_id) ? [] : [[event_id, call.tool_call_id] as const]
            )
          )
          // Somebody else's by now; or decided in a statement whose answer was lost, where the call has the id that it has here.
          if (calls.size > 0) {
            for (const row of yield* sql.unsafe<OwnRow>(ownStatement, [[...calls.keys()], hostId])) {
              if (row.claimed && calls.get(row.event_id) === row.tool_call_id) decided.set(row.event_id, row)
            }
          }
          return intents.map(({ event }) => decided.get(event.event_id))
        }),
        { writes: ({ intent }) => intent.event.event_id }
      )

      const decideTask = ({ fence, intent }: Claimed) =>
        writeTasks(decideTaskStatement, [intent], [claimRow({ fence, intent })], hostId).pipe(
          Effect.map(([row]): AcceptedRow | undefined => row),
          Effect.tap(() => wake.wake),
          Effect.provideService(SqlClient.SqlClient, sql)
        )

      const decide = Effect.fnUntraced(function*(intent: Intent, fence: number) {
        const { event_id, trace_id } = intent.event
        const row = yield* (intent.task === undefined ? decideEvent : decideTask)({ intent, fence })
        return row === undefined ? undefined : {
          event_id,
          trace_id,
          deduped: false,
          conflict: false,
          fence: Number(row.fence ?? fence),
          attempted: row.attempted,
          claimed: intent.task === undefined || row.claimed,
          rules: row
        } satisfies Stored
      })
      return Intake.of({ store, decide })
    })
  )
}
