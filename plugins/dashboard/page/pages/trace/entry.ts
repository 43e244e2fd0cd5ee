/** Each record of a trace as an entry of its tree: what it is, how it ended, when, in words. Pure. */
import type {
  Approval,
  AuditEvent,
  CompletionRecord,
  ErrorDetail,
  Job,
  MessageEvent,
  Reply,
  RoutingDecision,
  Step,
  TaskWithSteps,
  ToolCall
} from "syris/records"
import { counted } from "../../parts/counted.ts"
import { wordsOf } from "../../parts/wordsOf.ts"
import { took } from "./took.ts"

export type EntryKind =
  | "event"
  | "decision"
  | "task"
  | "step"
  | "call"
  | "question"
  | "approval"
  | "job"
  | "reply"
  | "row"

export interface Entry {
  readonly id: string
  readonly kind: EntryKind
  /** What it is, as `Tool lamp.set`. May hold words from outside. */
  readonly name: string
  readonly status?: string
  /** Words of somebody, or an answer. From outside. */
  readonly words?: string
  /** Short facts, as `2 attempts`. */
  readonly facts: ReadonlyArray<string>
  /** Reasons, notes, errors, a line each. */
  readonly more: ReadonlyArray<string>
  /** Milliseconds since 1970; NaN for what has not begun. */
  readonly from: number
  /** Missing for what is a moment, and for what goes on. */
  readonly until?: number
  /** It goes on, or waits. */
  readonly open: boolean
  readonly record: unknown
  readonly children: ReadonlyArray<Entry>
}

/** One that can still get children. */
export interface Making extends Entry {
  readonly children: Array<Making>
}

const time = (at: string | undefined): number => at === undefined ? Number.NaN : Date.parse(at)
const dollars = (usd: number): string => `$${usd.toLocaleString("en", { maximumFractionDigits: 4 })}`
const errorLines = (error: ErrorDetail | undefined): ReadonlyArray<string> =>
  error === undefined ? [] : [`Error ${error.code}: ${error.message}`]

const entry = (given: Omit<Making, "children" | "facts" | "more" | "open"> & Partial<Making>): Making => {
  const { until, ...rest } = given
  return {
    facts: [],
    more: [],
    open: false,
    ...rest,
    ...(until === undefined || Number.isNaN(until) ? {} : { until }),
    children: []
  }
}

export const ofEvent = (event: MessageEvent): Making =>
  entry({
    id: `event:${event.event_id}`,
    kind: "event",
    name: `Event on ${event.source.channel}`,
    words: wordsOf(event.content),
    facts: [
      ...(event.source.connector_id === event.source.channel ? [] : [`by ${event.source.connector_id}`]),
      event.security.trust === "operator" ? "your words" : `${event.security.trust} words`
    ],
    from: time(event.ingested_at),
    record: event
  })

export const ofDecision = (decision: RoutingDecision): Making => {
  const { filter, fastpath, rule_ids, used_llm } = decision.match
  const target = [decision.intent, decision.tool].filter((part) => part !== undefined)
  return entry({
    id: `decision:${decision.event_id}`,
    kind: "decision",
    name: "Routing",
    status: decision.lane,
    facts: [
      ...(target.length === 0 ? [] : [target[0] === target[1] ? `to ${target[0]}` : `to ${target.join(" → ")}`]),
      ...(filter === undefined ? [] : [`by filter ${filter}`]),
      ...rule_ids.map((rule) => `by rule ${rule}`),
      ...(fastpath === undefined ? [] : [`by the words of ${fastpath}`]),
      ...(used_llm
        ? [`by a model${decision.confidence === undefined ? "" : `, confidence ${decision.confidence}`}`]
        : [])
    ],
    more: decision.notes,
    from: time(decision.decided_at),
    record: decision
  })
}

export const ofTask = (task: TaskWithSteps): Making => {
  const isOver = task.status === "succeeded" || task.status === "failed" || task.status === "canceled"
  const { waits_for } = task
  return entry({
    id: `task:${task.task_id}`,
    kind: "task",
    name: `Task ${task.name}`,
    status: task.status,
    facts: [
      ...(waits_for === undefined || waits_for === "pause" ? [] : [`waits for ${waits_for}`]),
      ...(task.cancel_reason === undefined ? [] : [task.cancel_reason])
    ],
    more: errorLines(task.error),
    from: time(task.created_at),
    ...(isOver ? { until: time(task.updated_at) } : {}),
    open: !isOver,
    record: task
  })
}

export const ofStep = (step: Step): Making => {
  const from = time(step.started_at)
  const until = time(step.ended_at)
  return entry({
    id: `step:${step.step_id}`,
    kind: "step",
    name: `Step ${step.name}`,
    status: step.status,
    facts: [
      ...(Number.isNaN(until - from) ? [] : [`took ${took(until - from)}`]),
      ...(step.attempt > 0 ? [`attempt ${step.attempt + 1} of ${step.max_attempts}`] : [])
    ],
    more: errorLines(step.error),
    from,
    until,
    open: step.status === "running" || step.status === "waiting",
    record: step
  })
}

export const ofCall = (call: ToolCall, rows: ReadonlyArray<AuditEvent>): Making => {
  const attempts = rows.filter(({ type }) => type === "tool_call.attempted")
  const last = rows.findLast(({ type }) => type.startsWith("tool_call."))
  const until = call.resolved_at ?? (call.status === "unknown" ? last?.timestamp : undefined)
  return entry({
    id: `call:${call.tool_call_id}`,
    kind: "call",
    name: `Tool ${call.tool}`,
    status: call.status,
    facts: [
      `${call.risk} risk`,
      ...(call.latency_ms === undefined ? [] : [`took ${took(call.latency_ms)}`]),
      ...(call.attempts > 1 ? [counted(call.attempts, "attempt")] : [])
    ],
    more: [
      `Input ${JSON.stringify(call.input)}`,
      ...(call.output === undefined || call.output === null ? [] : [`Output ${JSON.stringify(call.output)}`]),
      ...errorLines(call.error)
    ],
    // Until its first attempt it only waited; for an approval, say, which has a bar of its own.
    from: time(attempts[0]?.timestamp ?? call.created_at),
    until: time(until),
    open: call.status === "attempted",
    record: call
  })
}

export const ofQuestion = (question: CompletionRecord): Making => {
  const asked = time(question.asked_at)
  const answered = time(question.answered_at)
  const until = Number.isNaN(answered) ? asked + (question.latency_ms ?? Number.NaN) : answered
  const { input_tokens, output_tokens } = question.usage
  return entry({
    id: `question:${question.completion_id}`,
    kind: "question",
    name: `Model ${question.model}`,
    status: question.answer !== undefined ? "succeeded" : question.error === undefined ? "running" : "failed",
    facts: [
      `${counted(input_tokens, "token")} in, ${output_tokens.toLocaleString("en")} out`,
      ...(question.usd === undefined ? [] : [dollars(question.usd)]),
      ...(question.latency_ms === undefined ? [] : [`took ${took(question.latency_ms)}`])
    ],
    from: asked,
    until,
    open: question.answer === undefined && question.error === undefined,
    record: question
  })
}

export const ofApproval = (approval: Approval): Making => {
  const isPending = approval.status === "pending"
  const { decision } = approval
  return entry({
    id: `approval:${approval.approval_id}`,
    kind: "approval",
    name: `Approval ${approval.number}`,
    status: approval.status,
    ...(decision?.reason === undefined ? {} : { words: decision.reason }),
    facts: decision === undefined ? [] : [`by ${decision.by}`],
    more: [approval.why, ...approval.reasons],
    from: time(approval.created_at),
    ...(isPending ? {} : { until: time(decision?.at ?? approval.expires_at) }),
    open: isPending,
    record: approval
  })
}

export const ofJob = (job: Job): Making => {
  const ran = time(job.ended_at) - time(job.started_at)
  const { percent } = job.progress
  return entry({
    id: `job:${job.job_id}`,
    kind: "job",
    name: `Job ${job.kind}`,
    status: job.status,
    facts: [
      ...(job.status === "running" && percent !== undefined ? [`${Math.floor(percent)} %`] : []),
      ...(job.cancel_reason === undefined ? [] : [job.cancel_reason]),
      ...(Number.isNaN(ran) ? [] : [`ran ${took(ran)}`]),
      ...(job.attempt > 1 ? [`attempt ${job.attempt} of ${job.max_attempts}`] : [])
    ],
    more: [
      ...(job.output === undefined || job.output === null ? [] : [`Output ${JSON.stringify(job.output)}`]),
      ...errorLines(job.error)
    ],
    from: time(job.started_at ?? job.created_at),
    until: time(job.ended_at),
    open: job.ended_at === undefined,
    record: job
  })
}

const standing = { owed: "waits", not_sent: "was not sent", unknown: "nobody knows whether it was sent", sent: "sent" }

export const ofReply = (reply: Reply, index: number): Making =>
  entry({
    id: `reply:${reply.event_id}:${index}`,
    kind: "reply",
    name: `Answer on ${reply.channel}`,
    words: reply.text,
    facts: reply.status === undefined ? [] : [standing[reply.status]],
    from: time(reply.at),
    record: reply
  })

export const ofRow = (row: AuditEvent): Making => {
  const { reasons } = row.data as { readonly reasons?: unknown }
  return entry({
    id: `row:${row.audit_id}`,
    kind: "row",
    name: row.type,
    status: row.outcome,
    words: row.summary,
    more: Array.isArray(reasons) ? reasons.map(String) : [],
    from: time(row.timestamp),
    record: row
  })
}
