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
 * - A call that asks is attempted in the statement that consumes its approval, or not at all.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit, type AuditRow, type Fact, toldLists } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { EventRow, SettlementRow } from "../contract/Rows.ts"
import * as GroupCommit from "../database/GroupCommit.ts"
import { newId } from "../database/Ids.ts"
import { HostLease } from "../health/HostLease.ts"
import { approvalLists, type ApprovalRow, askFor } from "../safety/ApprovalRows.ts"
import {
  attemptedStatement,
  attemptStatement,
  childrenTold,
  leftParameters,
  settledAnew,
  settledStatement,
  settleStatement
} from "./LedgerStatements.ts"

export {
  childrenTold,
  emittedBy,
  eventsEmitted,
  leftParameters,
  schedulesCanceled,
  schedulesMade
} from "./LedgerStatements.ts"

/** What names a call to the ledger: the call, and the claim under which it is written. */
export interface Held {
  readonly tool_call_id: string
  /** The row of `work` that is claimed: of the event, or of the task. */
  readonly work_id: string
  readonly fence: number
}

export interface AttemptRequest extends Held {
  readonly deadline_ms: number
  /** The policy that the call was judged by. */
  readonly policy_version: number
  /** It steers the system: a pause does not hold it. */
  readonly steers?: boolean
  /** It is begun with its approval, which this consumes. */
  readonly approved?: boolean
  readonly row: AuditRow
}

export interface ScheduleRow {
  readonly schedule_id: string
  readonly name: string
  readonly type: "one_shot"
  readonly spec: string
  readonly timezone: string
  readonly payload: unknown
  readonly notify?: string | undefined
  /** The event that it follows, and how many led to it. */
  readonly parent_event_id: string
  readonly depth: number
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

/** The fact of an end, with the error in its data where there is one; and what is told besides. */
export type Told = readonly [Fact, ...ReadonlyArray<Fact>]

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
    told: Told,
    settlement: SettlementRow | undefined
  ) => Effect.Effect<boolean, SqlError.SqlError>
  /** planned → failed or, where no attempt was made, canceled; for a call that can't be made any more. No attempt may be open. */
  readonly abandon: (
    held: Held,
    status: "failed" | "canceled",
    told: Told,
    settlement: SettlementRow | undefined
  ) => Effect.Effect<boolean, SqlError.SqlError>
  /** A planned call that a person is to be asked about after all: its work waits for the approval. */
  readonly ask: (
    held: Held,
    approval: ApprovalRow,
    fact: Fact,
    settlement: SettlementRow | undefined
  ) => Effect.Effect<boolean, SqlError.SqlError>
  /**
   * Gives the claim back until the approval of its call is decided or ends. Answers whether somebody has decided since it
   * was claimed: then it is due at once.
   */
  readonly awaitApproval: (held: Held) => Effect.Effect<boolean, SqlError.SqlError>
  /** Settles an event whose call has ended without it, as a person said. Answers whether the claim was still ours. */
  readonly finish: (
    held: Held,
    settlement: SettlementRow | undefined,
    told?: ReadonlyArray<Fact>
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

      // A statement moves a call once: what is asked twice in the same breath finds what the first has done.
      const oneMove = { writes: ({ tool_call_id }: Held) => tool_call_id }

      const attempt = yield* GroupCommit.make(
        Effect.fnUntraced(function*(requests: ReadonlyArray<AttemptRequest>) {
          const rows = yield* sql.unsafe<AttemptedRow>(attemptStatement, [
            JSON.stringify(
              requests.map((
                { approved = false, deadline_ms, fence, policy_version, steers = false, tool_call_id, work_id }
              ) => ({
                approved,
                deadline_ms,
                fence,
                policy_version,
                steers,
                tool_call_id,
                work_id
              }))
            ),
            hostId,
            toldLists(requests.map(({ row, tool_call_id }) => ({ ...row, tool_call_id })))
          ])
          yield* wake.wake
          const found = new Map(rows.map((row) => [row.tool_call_id, row]))
          const missing = requests.filter((request) => !found.has(request.tool_call_id))
          if (missing.length > 0) {
            const own = yield* sql.unsafe<AttemptedRow>(attemptedStatement, [JSON.stringify(missing), hostId])
            for (const row of own) found.set(row.tool_call_id, row)
          }
          return requests.map((request) => found.get(request.tool_call_id))
        }),
        oneMove
      )

      const settleAll = Effect.fnUntraced(function*(outcomes: ReadonlyArray<Outcome>) {
        const left = leftParameters(outcomes)
        const rows = yield* sql.unsafe<{ readonly tool_call_id: string }>(settleStatement, [
          JSON.stringify(
            outcomes.map(({ again_ms, at, error, fence, latency_ms, output, status, tool_call_id, work_id }) => ({
              again_ms,
              at,
              error,
              fence,
              latency_ms,
              output,
              status,
              tool_call_id,
              work_id
            }))
          ),
          JSON.stringify(outcomes.flatMap((outcome) => outcome.settlement ?? [])),
          left.schedules,
          left.canceled_schedules,
          left.events,
          left.keys,
          toldLists([
            ...outcomes.flatMap(({ rows, tool_call_id }) => rows.map((row) => ({ ...row, tool_call_id }))),
            ...childrenTold(outcomes.flatMap(({ emitted }) => emitted))
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

      const settle = yield* GroupCommit.make(
        (outcomes: ReadonlyArray<Outcome>) => Effect.tap(settleAll(outcomes), () => wake.wake),
        oneMove
      )
      const settleHere = (outcome: Outcome) => Effect.map(settleAll([outcome]), ([mine]) => mine === true)

      const claimed = (held: Held) =>
        sql`
        exists (select 1 from work i where i.work_id = ${held.work_id} and i.claimed_by = ${hostId}
                                       and i.fence = ${held.fence})`

      /** Whoever locks the row of work first decides. Answers whether the claim is still ours. */
      const lock = (held: Held) =>
        Effect.map(
          sql`
          select 1 from work
          where work_id = ${held.work_id} and claimed_by = ${hostId} and fence = ${held.fence}
          for update`,
          (rows) => rows.length > 0
        )

      /** What an event that has ended leaves behind, in the caller's transaction. */
      const close = Effect.fnUntraced(function*(held: Held, settlement: SettlementRow | undefined) {
        yield* sql`delete from work where work_id = ${held.work_id}`
        if (settlement === undefined) return
        yield* sql`
          insert into settlements
          select * from json_populate_record(null::settlements, ${JSON.stringify(settlement)}::json)
          ${sql.literal(settledAnew)}`
      })

      const finish = (held: Held, settlement: SettlementRow | undefined, told: ReadonlyArray<Fact> = []) =>
        Effect.gen(function*() {
          const mine = yield* lock(held)
          if (mine) yield* close(held, settlement)
          if (mine && told.length > 0) yield* audit.append(...told)
          return mine
        }).pipe(sql.withTransaction)

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
        told: Told,
        settlement: SettlementRow | undefined
      ) =>
        Effect.gen(function*() {
          if (!(yield* lock(held))) return false
          const moved = yield* sql`
            update tool_calls
            set status = ${status}, open_attempts = case when ${from} = 'unknown' then 0 else open_attempts end,
                error = ${JSON.stringify(told[0].data?.["error"] ?? null)}::jsonb, resolved_at = clock_timestamp(),
                fence = ${held.fence}
            where tool_call_id = ${held.tool_call_id} and status = ${from}
            returning tool_call_id`
          if (moved.length === 0) return false
          yield* close(held, settlement)
          yield* audit.append(...told)
          return true
        }).pipe(sql.withTransaction)

      const putOff = (held: Held, until: number | "person" | "quiet", counts = false) =>
        Effect.asVoid(sql`
          update work
          set claimed_by = null, parked = ${until === "person"}::boolean and not decided,
              tries = tries + ${counts ? 1 : 0}::int,
              waits_for = case when ${until === "person"}::boolean and not decided then 'person' end,
              due_at = coalesce(clock_timestamp() + make_interval(secs => ${
          typeof until === "number" ? until / 1000 : null
        }::float8), (select quiet_at from tool_calls
                     where tool_call_id = ${held.tool_call_id} and ${until === "quiet"}::boolean), due_at)
          where work_id = ${held.work_id} and claimed_by = ${hostId} and fence = ${held.fence}`)

      const ask = (held: Held, approval: ApprovalRow, fact: Fact, settlement: SettlementRow | undefined) =>
        Effect.gen(function*() {
          if (!(yield* lock(held))) return false
          const moved = yield* sql`
            update tool_calls
            set needs_approval = true, risk = ${approval.risk}, autonomy = ${approval.autonomy}, fence = ${held.fence}
            where tool_call_id = ${held.tool_call_id} and status = 'planned' and attempts = 0 and not needs_approval
            returning tool_call_id`
          if (moved.length === 0) return false
          yield* sql.unsafe(
            `with ${askFor("$1", "true")}
             update work set claimed_by = null, waits_for = 'approval', due_at = (select expires_at from asked)
             where work_id = $2::uuid`,
            [approvalLists.of([approval]), held.work_id]
          )
          if (settlement !== undefined) {
            yield* sql`
              insert into settlements
              select * from json_populate_record(null::settlements, ${JSON.stringify(settlement)}::json)
              ${sql.literal(settledAnew)}`
          }
          yield* audit.append(fact)
          return true
        }).pipe(sql.withTransaction)

      const awaitApproval = (held: Held) =>
        Effect.map(
          sql<{ readonly decided: boolean }>`
          update work w
          set claimed_by = null, waits_for = case when not w.decided then 'approval' end,
              due_at = coalesce((select a.expires_at from approvals a
                                 where a.tool_call_id = ${held.tool_call_id} and a.status = 'pending' and not w.decided),
                                clock_timestamp())
          where w.work_id = ${held.work_id} and w.claimed_by = ${hostId} and w.fence = ${held.fence}
          returning w.decided`,
          ([row]) => row?.decided === true
        )

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
        ask,
        awaitApproval,
        finish,
        abandon: (held, status, told, settlement) => end(held, "planned", status, told, settlement),
        reconcile: (held, status, told, settlement) => end(held, "unknown", status, told, settlement)
      })
    })
  )
}
