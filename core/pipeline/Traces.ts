/**
 * The whole story of one trace, read in one snapshot.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { AuditLog } from "../audit/AuditLog.ts"
import { present } from "../audit/Page.ts"
import type { Approval } from "../contract/Approval.ts"
import type { AuditEvent } from "../contract/AuditEvent.ts"
import type { TraceCosts } from "../contract/Completion.ts"
import type { TraceOutcome } from "../contract/Enums.ts"
import type { MessageEvent } from "../contract/Event.ts"
import type { Job } from "../contract/Job.ts"
import type { RoutingDecision } from "../contract/RoutingDecision.ts"
import type { ToolCall } from "../contract/ToolCall.ts"
import { costsOfTrace } from "../llm/CompletionLog.ts"
import { ApprovalLog } from "../safety/ApprovalLog.ts"
import { TaskLog, type TaskWithSteps } from "../tasks/TaskLog.ts"
import { replyKey } from "../tools/ToolCallPlan.ts"
import { callColumns, type SelectedCall, toToolCall } from "../tools/ToolCallLog.ts"
import { eventColumns, type SelectedEvent, toMessageEvent } from "./EventLog.ts"
import { jobsOfTrace } from "./JobRows.ts"
import { type Owed, owedOf } from "./Settlements.ts"

/** What a channel is told. */
export interface TraceReply {
  readonly event_id: string
  readonly channel: string
  readonly thread_id?: string
  readonly text: string
  readonly at: string
  /** What became of it; nothing where the channel can't send. */
  readonly status?: ReplyStatus
  /** The call that brings it, on channels with a `send`. */
  readonly tool_call_id?: string
}

/** `owed`: it is still to be sent, or waits for the operator. */
export type ReplyStatus = "sent" | "owed" | "not_sent" | "unknown"

export interface Trace {
  readonly trace_id: string
  /** Nothing of the trace can run by itself. */
  readonly settled: boolean
  readonly outcome?: TraceOutcome
  readonly events: ReadonlyArray<MessageEvent>
  readonly decisions: ReadonlyArray<RoutingDecision>
  readonly tool_calls: ReadonlyArray<ToolCall>
  readonly approvals: ReadonlyArray<Approval>
  readonly tasks: ReadonlyArray<TaskWithSteps>
  readonly jobs: ReadonlyArray<Job>
  readonly replies: ReadonlyArray<TraceReply>
  readonly audit: ReadonlyArray<AuditEvent>
  /** Of questions to models; nothing where there were none. */
  readonly costs?: TraceCosts
  /** The lists that were cut at their limit; `GET /audit` and `GET /events` page through all of it. */
  readonly truncated?: ReadonlyArray<string>
}

export class Traces extends Context.Service<Traces, {
  /** `undefined` for a trace that nobody knows. */
  readonly byId: (trace_id: string) => Effect.Effect<Trace | undefined, SqlError.SqlError>
}>()("syris/pipeline/Traces") {
  static readonly layer = Layer.effect(Traces, Effect.suspend(() => make)).pipe(
    Layer.provide([TaskLog.layer, ApprovalLog.layer])
  )
}

/** Of several events of a trace the one that needs a person most speaks for it. */
const severity: ReadonlyArray<TraceOutcome> = ["unknown", "waiting", "failed", "succeeded", "unhandled", "dropped"]

/** Records of one kind in one story. */
const limit = 500

interface DecisionRow extends Omit<RoutingDecision, "decided_at"> {
  readonly decided_at: Date
}

interface SettlementRow {
  readonly event_id: string
  readonly outcome: TraceOutcome
  readonly reply: string | null
  readonly settled_at: Date
  readonly channel: string
  readonly thread_id: string | null
  readonly answer_by: string | null
  /** What `answer_by` owes for it. */
  readonly owes: ReadonlyArray<
    { readonly reply_id: string; readonly tool: string; readonly text: string; readonly at: string }
  >
}

const toDecision = (row: DecisionRow): RoutingDecision => present({ ...row, decided_at: row.decided_at.toISOString() })

const statusOf = (call: SelectedCall | undefined): ReplyStatus => {
  switch (call?.status) {
    case "succeeded":
      return "sent"
    case "canceled":
    case "failed":
      return "not_sent"
    case "unknown":
      return "unknown"
    default:
      return "owed"
  }
}

const toReplies = (
  rows: ReadonlyArray<SettlementRow>,
  calls: ReadonlyArray<SelectedCall>
): ReadonlyArray<TraceReply> =>
  rows.flatMap(({ answer_by, channel, event_id, owes, reply, settled_at, thread_id }): ReadonlyArray<TraceReply> => {
    const on = { event_id, channel, thread_id }
    const sent = owes.map(({ at, reply_id, text, tool }) => {
      const key = replyKey(reply_id, tool)
      // An edited one is a call of its own.
      const call = calls.findLast(({ idempotency_key: of }) => of === key || of.startsWith(`${key}.`))
      const said = (call?.input as { readonly text?: unknown } | undefined)?.text
      return present({
        ...on,
        text: typeof said === "string" ? said : text,
        at: call?.resolved_at?.toISOString() ?? at,
        status: statusOf(call),
        tool_call_id: call?.tool_call_id ?? null
      })
    })
    if (reply === null || sent.length > 0) return sent
    const status = answer_by === "chat" ? "sent" as const : null
    return [present({ ...on, text: reply, at: settled_at.toISOString(), status })]
  })

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const log = yield* AuditLog
  const tasks = yield* TaskLog
  const approvalLog = yield* ApprovalLog

  const eventsOf = (trace_id: string) =>
    sql<SelectedEvent>`
    select ${sql.literal(eventColumns)}
    from events e
    where e.trace_id = ${trace_id}::uuid
    order by e.event_id
    limit ${limit + 1}`

  // Decisions are found by the events' ids: the id is their only key.
  const decisionsOf = (events: ReadonlyArray<SelectedEvent>) =>
    sql<DecisionRow>`
    select d.event_id, d.trace_id, d.decided_at, d.lane, d.match, d.intent, d.confidence, d.tool, d.input,
           d.required_scopes, d.risk, d.notes, d.prompt_hash
    from routing_decisions d
    where ${sql.in("d.event_id", events.map((event) => event.event_id))}
    order by d.event_id`

  const callsOf = (trace_id: string) =>
    sql<SelectedCall>`
    select ${sql.literal(callColumns)}
    from tool_calls c
    where c.trace_id = ${trace_id}::uuid
    order by c.tool_call_id
    limit ${limit + 1}`

  const settlementsOf = (trace_id: string) =>
    sql<SettlementRow>`
    select s.event_id, s.outcome, s.reply, s.settled_at, s.answer_by, e.channel, e.thread_id,
           coalesce((select jsonb_agg(jsonb_build_object('reply_id', r.reply_id, 'tool', r.tool, 'text', r.text,
                                                         'at', r.created_at)
                                      order by r.created_at)
                     from replies r where r.event_id = s.event_id and r.approval_id is null), '[]') as owes
    from settlements s
    join events e using (event_id)
    where s.trace_id = ${trace_id}::uuid
    order by s.event_id
    limit ${limit + 1}`

  const owed = (trace_id: string) => sql.unsafe<Owed>(owedOf("$1"), [trace_id])

  const read = Effect.fnUntraced(function*(trace_id: string) {
    const events = yield* eventsOf(trace_id)
    const audit = yield* log.page({ trace_id }, { limit }).pipe(Effect.catchTag("CursorInvalid", Effect.die))
    if (events.length === 0 && audit.items.length === 0) return undefined
    const decisions = events.length === 0 ? [] : yield* decisionsOf(events)
    const calls = yield* callsOf(trace_id)
    const approvals = yield* approvalLog.ofTrace(trace_id, limit + 1)
    const traced = yield* tasks.ofTrace(trace_id, limit)
    const jobs = yield* jobsOfTrace(trace_id, limit + 1).pipe(Effect.provideService(SqlClient.SqlClient, sql))
    const settlements = yield* settlementsOf(trace_id)
    const [left] = yield* owed(trace_id)
    const costs = yield* costsOfTrace(trace_id).pipe(Effect.provideService(SqlClient.SqlClient, sql))
    const settled = left?.open !== true
    const outcome = left?.waits ?? severity.find((one) => settlements.some((row) => row.outcome === one))
    const truncated = [
      ...(events.length > limit ? ["events"] : []),
      ...(calls.length > limit ? ["tool_calls"] : []),
      ...(approvals.length > limit ? ["approvals"] : []),
      ...traced.truncated,
      ...(jobs.length > limit ? ["jobs"] : []),
      ...(audit.next_cursor === undefined ? [] : ["audit"])
    ]
    const trace: Trace = {
      trace_id,
      settled,
      ...(settled && outcome !== undefined ? { outcome } : {}),
      events: events.slice(0, limit).map(toMessageEvent),
      decisions: decisions.map(toDecision),
      tool_calls: calls.slice(0, limit).map(toToolCall),
      approvals: approvals.slice(0, limit),
      tasks: traced.tasks,
      jobs: jobs.slice(0, limit),
      replies: toReplies(settlements.slice(0, limit), calls),
      audit: audit.items,
      ...(costs === undefined ? {} : { costs }),
      ...(truncated.length === 0 ? {} : { truncated })
    }
    return trace
  })

  const byId = (trace_id: string) =>
    sql.withTransaction(read(trace_id.toLowerCase())).pipe(
      Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    )

  return Traces.of({ byId })
})
