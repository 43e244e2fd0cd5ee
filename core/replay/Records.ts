/**
 * What is stored of one trace, and of what the operator had set when it ran: read in one snapshot, and never written.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Autonomy, Risk, TaskStatus, Trust } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { DecisionRow, EventRow, PlannedAction } from "../contract/Rows.ts"
import type { RuleDefinition } from "../contract/Rule.ts"
import type { StepRow, TaskRow } from "../tasks/TaskRows.ts"

/** A row of the audit; times are ISO 8601. */
export interface AuditLine {
  readonly seq: number
  readonly timestamp: string
  readonly type: string
  readonly summary: string
  readonly refs: {
    readonly event_id?: string
    readonly task_id?: string
    readonly step_id?: string
    readonly tool_call_id?: string
    readonly approval_id?: string
    readonly rule_id?: string
  }
  readonly tool?: string
  readonly risk?: Risk
  readonly autonomy?: Autonomy
  readonly data: Readonly<Record<string, unknown>>
}

export interface CallRecord {
  readonly tool_call_id: string
  readonly event_id?: string
  readonly task_id?: string
  readonly step_id?: string
  readonly ordinal: number
  readonly tool: string
  readonly tool_pin: string
  readonly input?: unknown
  readonly input_hash: string
  readonly idempotency_key: string
  readonly risk: Risk
  readonly autonomy: Autonomy
  readonly status: string
  readonly output?: unknown
  readonly error?: ErrorDetail
  readonly created_at: string
}

export interface ApprovalRecord {
  readonly approval_id: string
  readonly tool_call_id: string
  readonly status: string
  readonly what?: unknown
  readonly tool_pin: string
  readonly risk: Risk
  readonly basis: string
  readonly labels: { readonly trust?: Trust }
  readonly created_at: string
  readonly decided_at?: string
  readonly consumed_at?: string
  readonly supersedes?: string
}

/** A question to a model and its answer. */
export interface CompletionRecord {
  readonly completion_id: string
  readonly purpose: string
  readonly task_id: string
  readonly step_id: string
  readonly question: number
  readonly asked_at: string
  readonly model: string
  readonly prompt_hash: string
  readonly request_hash: string
  readonly request: unknown
  readonly facts: unknown
  readonly answer?: unknown
  readonly error?: ErrorDetail
  readonly input_tokens: number
  readonly output_tokens: number
  readonly usd?: number
  readonly latency_ms?: number
}

export type TaskRecord = TaskRow & { readonly status: TaskStatus }

export interface StandingRecord {
  readonly policy_id: string
  readonly tool: string
  readonly when: unknown
  readonly risk: Risk
  readonly reason?: string
  readonly created_at: string
  readonly expires_at: string
  readonly revoked_at?: string
}

export interface RuleRecord {
  readonly rule_id: string
  readonly definition: RuleDefinition
  readonly trust: Trust
  readonly created_at: string
}

export interface Records {
  readonly trace_id: string
  /** In the order in which they came. */
  readonly events: ReadonlyArray<EventRow>
  readonly decisions: ReadonlyMap<string, DecisionRow>
  /** What events were made for, by the event. */
  readonly planned: ReadonlyMap<string, PlannedAction>
  readonly calls: ReadonlyArray<CallRecord>
  readonly approvals: ReadonlyArray<ApprovalRecord>
  readonly tasks: ReadonlyArray<TaskRecord>
  readonly steps: ReadonlyArray<StepRow>
  readonly completions: ReadonlyArray<CompletionRecord>
  /** Oldest first. */
  readonly audit: ReadonlyArray<AuditLine>
  /** What the operator had set: every change of the level, oldest first, and what it is now. */
  readonly levels: ReadonlyArray<{ readonly at: number; readonly from: Autonomy; readonly to: Autonomy }>
  readonly level: Autonomy
  readonly standing: ReadonlyArray<StandingRecord>
  /** Every change of a window of quiet hours through the API, oldest first. */
  readonly quiet: ReadonlyArray<{ readonly at: number; readonly window: Readonly<Record<string, unknown>> }>
  readonly rules: ReadonlyArray<RuleRecord>
  /** Rules that the operator has switched on or off. */
  readonly switched: ReadonlyMap<string, boolean>
}

interface Row {
  readonly row: Readonly<Record<string, unknown>>
}

/** Without what is not there. */
const present = ({ row }: Row): Record<string, unknown> =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null))

const iso = (value: unknown): string => new Date(String(value)).toISOString()

const toEvent = (row: Row): EventRow => {
  const event = present(row)
  return {
    ...event,
    occurred_at: iso(event["occurred_at"]),
    ingested_at: iso(event["ingested_at"])
  } as unknown as EventRow
}

const one = <A>(rows: ReadonlyArray<Row>): ReadonlyArray<A> => rows.map((row) => present(row) as A)

/** In the caller's transaction. */
const readAll = Effect.fnUntraced(function*(trace_id: string) {
  const sql = yield* SqlClient.SqlClient
  const of = (table: string, order: string, more = "") =>
    sql.unsafe<Row>(`select to_jsonb(x) as row from ${table} x where x.trace_id = $1::uuid ${more} order by ${order}`, [
      trace_id
    ])
  const all = (query: string) => sql.unsafe<Row>(query)
  const events = (yield* of("events", "x.event_id")).map(toEvent)
  const audit = one<AuditLine>(yield* of("audit_events", "x.seq"))
  if (events.length === 0 && audit.length === 0) return undefined
  const ids = [events.map(({ event_id }) => event_id)]
  const decisions = one<DecisionRow>(
    yield* sql.unsafe<Row>(
      "select to_jsonb(x) as row from routing_decisions x where x.event_id = any($1::uuid[])",
      ids
    )
  )
  const planned = one<{ readonly event_id: string; readonly action: PlannedAction }>(
    yield* sql.unsafe<Row>("select to_jsonb(x) as row from planned_actions x where x.event_id = any($1::uuid[])", ids)
  )
  const tasks = one<TaskRecord>(yield* of("tasks", "x.task_id"))
  const steps = one<StepRow>(
    yield* sql.unsafe<Row>(
      "select to_jsonb(x) as row from steps x where x.task_id = any($1::uuid[]) order by x.task_id, x.position",
      [tasks.map(({ task_id }) => task_id)]
    )
  )
  const levels = one<AuditLine>(
    yield* all(
      "select to_jsonb(x) as row from audit_events x where x.type = 'operator.autonomy_changed' order by x.seq"
    )
  )
  const quiet = one<AuditLine>(
    yield* all(
      "select to_jsonb(x) as row from audit_events x where x.type = 'operator.quiet_hours_changed' order by x.seq"
    )
  )
  const [control] = one<{ readonly autonomy: Autonomy }>(yield* all("select to_jsonb(x) as row from control x"))
  const records: Records = {
    trace_id,
    events,
    decisions: new Map(decisions.map((decision) => [decision.event_id, decision])),
    planned: new Map(planned.map(({ action, event_id }) => [event_id, action])),
    calls: one<CallRecord>(yield* of("tool_calls", "x.tool_call_id")),
    approvals: one<ApprovalRecord>(yield* of("approvals", "x.approval_id")),
    tasks,
    steps,
    completions: one<CompletionRecord>(yield* of("completions", "x.asked_at, x.question")),
    audit,
    levels: levels.map(({ data, timestamp }) => ({
      at: Date.parse(timestamp),
      from: data["from"] as Autonomy,
      to: data["to"] as Autonomy
    })),
    level: control?.autonomy ?? "A2",
    standing: one<StandingRecord>(
      yield* all("select to_jsonb(x) as row from policies x order by x.created_at, x.policy_id")
    ),
    quiet: quiet.map(({ data, timestamp }) => ({ at: Date.parse(timestamp), window: data })),
    rules: one<RuleRecord>(yield* all("select to_jsonb(x) as row from rules x order by x.created_at, x.rule_id")),
    switched: new Map(
      one<{ readonly rule_id: string; readonly enabled: boolean }>(
        yield* all("select to_jsonb(x) as row from rule_states x where x.enabled is not null")
      ).map(({ enabled, rule_id }) => [rule_id, enabled])
    )
  }
  return records
})

/** `undefined` for a trace that nobody knows. */
export const readRecords = Effect.fnUntraced(function*(trace_id: string) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql.withTransaction(readAll(trace_id)).pipe(
    Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
  )
})
