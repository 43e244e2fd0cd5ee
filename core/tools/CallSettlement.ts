/**
 * What the operator says of a call whose outcome nobody knows: it happened, it did not, or it shall be repeated.
 *
 * - It is written with the call's own audit in one transaction that locks the row of `work` first, as whoever takes a
 *   call up does: of two operators, or of an operator and a host, one is first and the other is told so.
 * - Whoever owns the call goes on from there: the work is due again, at once or when nothing of the call can land.
 */
import { Clock, Context, Effect, Layer, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit, type Fact } from "../audit/Audit.ts"
import type { AuditRefs } from "../contract/AuditEvent.ts"
import type { Autonomy, Risk, ToolCallStatus } from "../contract/Enums.ts"
import { Notifications, workChannel } from "../database/Notifications.ts"

export class CallNotFound extends Schema.TaggedError<CallNotFound>()("CallNotFound", { tool_call_id: Schema.String }) {
  override get message() {
    return `There is no tool call ${this.tool_call_id}.`
  }
}

/** Its outcome is known, or still to come. */
export class CallNotUnknown extends Schema.TaggedError<CallNotUnknown>()("CallNotUnknown", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** A host works on it right now, and may find out by itself. */
export class CallBusy extends Schema.TaggedError<CallBusy>()("CallBusy", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

export interface Verdict {
  readonly outcome: "happened" | "not_happened" | "retry"
  /** What the operator wants to be remembered. */
  readonly note?: string | undefined
}

/** Where the call stands now. */
export interface Settled {
  readonly tool_call_id: string
  readonly trace_id: string
  readonly status: "succeeded" | "failed" | "planned"
}

export class CallSettlement extends Context.Service<CallSettlement, {
  readonly settle: (
    tool_call_id: string,
    verdict: Verdict
  ) => Effect.Effect<Settled, CallNotFound | CallNotUnknown | CallBusy | SqlError.SqlError>
}>()("syris/tools/CallSettlement") {
  static readonly layer = Layer.effect(CallSettlement, Effect.suspend(() => make))
}

interface CallRow {
  readonly tool_call_id: string
  readonly trace_id: string
  readonly event_id: string | null
  readonly task_id: string | null
  readonly step_id: string | null
  readonly tool: string
  readonly risk: Risk
  readonly autonomy: Autonomy
  readonly status: ToolCallStatus
  readonly attempts: number
  /** The row of `work` that goes on from it: of its task, of the answer that it is, or of its event. */
  readonly work_id: string | null
}

const standing: Record<Exclude<ToolCallStatus, "unknown">, string> = {
  planned: "it was not begun yet, or is about to be repeated",
  attempted: "it is under way",
  succeeded: "it was done",
  failed: "it was not done",
  canceled: "it was canceled before it began"
}

const words: Record<Verdict["outcome"], (tool: string) => string> = {
  happened: (tool) => `${tool} had been done, as the operator says.`,
  not_happened: (tool) => `${tool} had not been done, as the operator says.`,
  retry: (tool) => `${tool} is to be repeated, as the operator says.`
}

const statusAfter = { happened: "succeeded", not_happened: "failed", retry: "planned" } as const

const refsOf = ({ event_id, step_id, task_id, tool_call_id }: CallRow): AuditRefs => ({
  tool_call_id,
  ...(event_id === null ? {} : { event_id }),
  ...(task_id === null ? {} : { task_id }),
  ...(step_id === null ? {} : { step_id })
})

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const notifications = yield* Notifications
  const sql = yield* SqlClient.SqlClient

  /** In a snapshot of its own, after the row of work was locked. */
  const read = (tool_call_id: string) =>
    sql<CallRow>`
      select c.tool_call_id, c.trace_id, c.event_id, c.task_id, c.step_id, c.tool, c.risk, c.autonomy, c.status, c.attempts,
             coalesce(c.task_id, (
               select w.work_id
               from replies r
               join work w on w.work_id = r.reply_id
               where r.event_id = c.event_id and w.tool_call_id = c.tool_call_id), c.event_id) as work_id
      from tool_calls c
      where c.tool_call_id = ${tool_call_id}::uuid`

  const lockWork = (work_id: string | null) =>
    sql<{ readonly held: boolean }>`
      select w.claimed_by is not null and exists (
               select 1 from hosts h
               where h.host_id = w.claimed_by and h.ended_at is null and h.lease_until >= clock_timestamp()) as held
      from work w
      where w.work_id = ${work_id}::uuid
      for update of w`

  const move = (tool_call_id: string, outcome: Verdict["outcome"]) => {
    const unknown = sql`tool_call_id = ${tool_call_id}::uuid and status = 'unknown' returning tool_call_id`
    if (outcome === "happened") {
      return sql`
        update tool_calls
        set status = 'succeeded', open_attempts = 0, output = null, error = null, resolved_at = clock_timestamp()
        where ${unknown}`
    }
    if (outcome === "not_happened") {
      const error = { code: "tool.not_done", message: "It was not done, as the operator says.", retryable: false }
      return sql`
        update tool_calls
        set status = 'failed', open_attempts = 0, error = ${JSON.stringify(error)}::jsonb,
            resolved_at = clock_timestamp()
        where ${unknown}`
    }
    // An attempt is not open any more when it did no harm if it landed.
    return sql`
      update tool_calls
      set status = 'planned', held_by = null, error = null,
          open_attempts = case when effect = 'read' or guarantee = 'transactional'
                                 or (guarantee = 'probe' and quiet_at <= clock_timestamp())
                               then 0 else open_attempts end
      where ${unknown}`
  }

  /** A task that the operator has paused stays so. A host whose lease has lapsed may still hold it, and give it back later. */
  const release = (work_id: string | null, tool_call_id: string, outcome: Verdict["outcome"]) =>
    sql`
      update work
      set parked = false, waits_for = null, tries = 0, decided = true,
          due_at = greatest(clock_timestamp(), (
            select quiet_at from tool_calls
            where tool_call_id = ${tool_call_id}::uuid and open_attempts > 0 and ${outcome === "retry"}))
      where work_id = ${work_id}::uuid and waits_for is distinct from 'pause'`

  const settle = Effect.fnUntraced(function*(tool_call_id: string, { note, outcome }: Verdict) {
    const [found] = yield* read(tool_call_id)
    if (found === undefined) return yield* new CallNotFound({ tool_call_id })
    const { work_id } = found
    const [work] = yield* lockWork(work_id)
    const [call = found] = yield* read(tool_call_id)
    if (call.status !== "unknown") {
      return yield* new CallNotUnknown({
        detail: `Only a call whose outcome is unknown can be settled; of ${call.tool} it is known that ${
          standing[call.status]
        }.`
      })
    }
    if (work?.held === true) {
      return yield* new CallBusy({
        detail: `A host is looking at ${call.tool} right now and may find out by itself. Try again in a moment.`
      })
    }
    yield* sql`select set_config('syris.operator', 'operator', true)`
    const moved = yield* move(tool_call_id, outcome)
    if (moved.length === 0) {
      return yield* new CallNotUnknown({ detail: `The outcome of ${call.tool} was settled by somebody else just now.` })
    }
    yield* release(work_id, tool_call_id, outcome)
    const fact: Omit<Fact, "type"> = {
      trace_id: call.trace_id,
      at: new Date(yield* Clock.currentTimeMillis),
      summary: words[outcome](call.tool),
      refs: refsOf(call),
      actor: "operator",
      tool: call.tool,
      risk: call.risk,
      autonomy: call.autonomy,
      data: { outcome, attempt: call.attempts, ...(note === undefined ? {} : { note }) }
    }
    yield* audit.append({ ...fact, type: "tool_call.reconciled" }, { ...fact, type: "operator.call_settled" })
    yield* notifications.notify(workChannel, "")
    return { tool_call_id, trace_id: call.trace_id, status: statusAfter[outcome] } satisfies Settled
  }, (settling) =>
    sql.withTransaction(settling).pipe(
      // Whoever looked for work while this held the lock has passed the row over.
      Effect.tapError(() => notifications.notify(workChannel, ""))
    ))

  return CallSettlement.of({ settle })
})
