/**
 * One row of the audit: a fact, in the words of the operator, written in the transaction of the fact itself.
 */
import { Schema } from "effect"
import { AuditOutcome, Autonomy, Risk, Stage } from "./Enums.ts"

/**
 * Every audit type with its stage and outcome. The type decides both, so no caller can get them wrong.
 */
export const auditTypes = {
  "event.ingested": ["normalize", "info"],
  "event.deduped": ["normalize", "suppressed"],
  "event.rejected": ["normalize", "failure"],
  "routing.decided": ["route", "info"],
  "routing.unhandled": ["route", "info"],
  "routing.dropped": ["route", "suppressed"],
  "tool_call.attempted": ["tool_call", "info"],
  "tool_call.succeeded": ["tool_call", "success"],
  "tool_call.failed": ["tool_call", "failure"],
  "tool_call.unknown": ["tool_call", "failure"],
  "tool_call.deduped": ["tool_call", "suppressed"],
  "tool_call.reconciled": ["tool_call", "info"],
  "tool_call.canceled": ["tool_call", "info"],
  "gate.required": ["gate", "info"],
  "gate.approved": ["gate", "success"],
  "gate.denied": ["gate", "info"],
  "gate.expired": ["gate", "info"],
  "gate.preview": ["gate", "info"],
  "gate.hard_blocked": ["gate", "suppressed"],
  "gate.antiflap_block": ["gate", "suppressed"],
  "gate.storm_block": ["gate", "suppressed"],
  "gate.scope_violation": ["gate", "failure"],
  "response.sent": ["respond", "success"],
  "response.failed": ["respond", "failure"],
  "task.created": ["task", "info"],
  "task.started": ["task", "info"],
  "task.step_started": ["task", "info"],
  "task.step_succeeded": ["task", "success"],
  "task.step_retried": ["task", "info"],
  "task.step_failed": ["task", "failure"],
  "task.waiting": ["task", "info"],
  "task.interrupted": ["task", "failure"],
  "task.recovered": ["task", "info"],
  "task.succeeded": ["task", "success"],
  "task.failed": ["task", "failure"],
  "task.paused": ["task", "info"],
  "task.resumed": ["task", "info"],
  "task.canceled": ["task", "info"],
  "task.retried": ["task", "info"],
  "llm.called": ["llm", "info"],
  "llm.step_decided": ["llm", "info"],
  "llm.failed": ["llm", "failure"],
  "llm.budget_exceeded": ["llm", "suppressed"],
  "llm.budget_allowed": ["llm", "info"],
  "mcp.connected": ["mcp", "info"],
  "mcp.disconnected": ["mcp", "info"],
  "mcp.tools_synced": ["mcp", "info"],
  "mcp.tool_quarantined": ["mcp", "info"],
  "mcp.question_asked": ["mcp", "info"],
  "schedule.fired": ["scheduler", "success"],
  "schedule.skipped": ["scheduler", "suppressed"],
  "schedule.missed": ["scheduler", "info"],
  "watcher.tick": ["watcher", "success"],
  "watcher.error": ["watcher", "failure"],
  "watcher.suppressed": ["watcher", "suppressed"],
  "rule.triggered": ["rule", "success"],
  "rule.suppressed": ["rule", "suppressed"],
  "operator.schedule_created": ["operator", "success"],
  "operator.schedule_changed": ["operator", "success"],
  "operator.schedule_deleted": ["operator", "success"],
  "operator.watcher_changed": ["operator", "success"],
  "operator.rule_created": ["operator", "success"],
  "operator.rule_changed": ["operator", "success"],
  "operator.rule_deleted": ["operator", "success"],
  "operator.integration_changed": ["operator", "success"],
  "operator.mcp_tool_trusted": ["operator", "success"],
  "operator.question_answered": ["operator", "success"],
  "memory.forgotten": ["system", "info"],
  "operator.call_settled": ["operator", "success"],
  "operator.autonomy_changed": ["operator", "success"],
  "operator.paused": ["operator", "success"],
  "operator.resumed": ["operator", "success"],
  "operator.policy_created": ["operator", "success"],
  "operator.policy_revoked": ["operator", "success"],
  "operator.quiet_hours_changed": ["operator", "success"],
  "alarm.opened": ["system", "info"],
  "alarm.acked": ["system", "info"],
  "alarm.resolved": ["system", "info"],
  "system.started": ["system", "info"],
  "system.stopped": ["system", "info"],
  "system.recovered": ["system", "info"]
} as const satisfies Record<string, readonly [typeof Stage.Type, typeof AuditOutcome.Type]>
export type AuditType = keyof typeof auditTypes

/** The records that a row speaks of. */
export const AuditRefs = Schema.Struct({
  event_id: Schema.optionalKey(Schema.String),
  task_id: Schema.optionalKey(Schema.String),
  step_id: Schema.optionalKey(Schema.String),
  tool_call_id: Schema.optionalKey(Schema.String),
  approval_id: Schema.optionalKey(Schema.String),
  rule_id: Schema.optionalKey(Schema.String),
  schedule_id: Schema.optionalKey(Schema.String),
  watcher_id: Schema.optionalKey(Schema.String),
  job_id: Schema.optionalKey(Schema.String)
})
export type AuditRefs = typeof AuditRefs.Type

export const AuditEvent = Schema.Struct({
  /** Increasing; orders the rows of one trace. */
  seq: Schema.Int,
  audit_id: Schema.String,
  timestamp: Schema.String,
  trace_id: Schema.String,
  stage: Stage,
  type: Schema.String,
  outcome: AuditOutcome,
  /** One sentence for a person. */
  summary: Schema.String,
  refs: AuditRefs,
  actor: Schema.optionalKey(Schema.String),
  tool: Schema.optionalKey(Schema.String),
  risk: Schema.optionalKey(Risk),
  autonomy: Schema.optionalKey(Autonomy),
  latency_ms: Schema.optionalKey(Schema.Number),
  /** Small and redacted: the reasons that a person needs. */
  data: Schema.Unknown
})
export type AuditEvent = typeof AuditEvent.Type
