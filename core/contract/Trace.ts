/**
 * The whole story of one trace.
 */
import { Schema } from "effect"
import { Approval } from "./Approval.ts"
import { AuditEvent } from "./AuditEvent.ts"
import { TraceCosts } from "./Completion.ts"
import { TraceOutcome } from "./Enums.ts"
import { MessageEvent } from "./Event.ts"
import { Job } from "./Job.ts"
import { RoutingDecision } from "./RoutingDecision.ts"
import { TaskWithSteps } from "./Task.ts"
import { ToolCall } from "./ToolCall.ts"

/** What was answered to an event of the trace. */
export const Reply = Schema.Struct({
  event_id: Schema.String,
  channel: Schema.String,
  thread_id: Schema.optionalKey(Schema.String),
  text: Schema.String,
  at: Schema.String,
  /** Nothing where the channel can't send. `owed`: it is still to be sent, or waits for the operator. */
  status: Schema.optionalKey(Schema.Literals(["sent", "owed", "not_sent", "unknown"])),
  /** The call that brings it, on channels with a `send`. */
  tool_call_id: Schema.optionalKey(Schema.String)
})
export type Reply = typeof Reply.Type

export const Trace = Schema.Struct({
  trace_id: Schema.String,
  settled: Schema.Boolean,
  outcome: Schema.optionalKey(TraceOutcome),
  events: Schema.Array(MessageEvent),
  decisions: Schema.Array(RoutingDecision),
  tool_calls: Schema.Array(ToolCall),
  approvals: Schema.Array(Approval),
  tasks: Schema.Array(TaskWithSteps),
  jobs: Schema.Array(Job),
  replies: Schema.Array(Reply),
  audit: Schema.Array(AuditEvent),
  /** Of questions to models. */
  costs: Schema.optionalKey(TraceCosts),
  truncated: Schema.optionalKey(Schema.Array(Schema.String))
})
export type Trace = typeof Trace.Type
