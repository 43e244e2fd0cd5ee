/**
 * The closed vocabularies of the system. A value outside of them is refused at every boundary.
 */
import { Schema } from "effect"

/** How bad a call can be at its worst. */
export const Risk = Schema.Literals(["low", "medium", "high", "critical"])
export type Risk = typeof Risk.Type

/** How much the system may do by itself: `A0` only shows, `A4` acts on all but the critical. Default `A2`. */
export const Autonomy = Schema.Literals(["A0", "A1", "A2", "A3", "A4"])
export type Autonomy = typeof Autonomy.Type

/** What the gates say of a call, from the mildest to the strictest. */
export const Verdict = Schema.Literals(["ALLOW", "CONFIRM", "PREVIEW", "HARD_BLOCK"])
export type Verdict = typeof Verdict.Type

/** Where a routed event goes. */
export const Lane = Schema.Literals(["fast", "task", "llm_plan", "sandbox", "unhandled", "dropped"])
export type Lane = typeof Lane.Type

/** What a tool does to the world. */
export const ToolEffect = Schema.Literals(["read", "write", "irreversible"])
export type ToolEffect = typeof ToolEffect.Type

/** What makes a tool safe to repeat after a crash. The default is `none`: at most once without a person. */
export const Guarantee = Schema.Literals(["transactional", "native_key", "probe", "none"])
export type Guarantee = typeof Guarantee.Type

export const ToolCallStatus = Schema.Literals(["planned", "attempted", "succeeded", "failed", "unknown", "canceled"])
export type ToolCallStatus = typeof ToolCallStatus.Type

export const TaskStatus = Schema.Literals([
  "pending",
  "running",
  "waiting",
  "paused",
  "succeeded",
  "failed",
  "canceled"
])
export type TaskStatus = typeof TaskStatus.Type

export const StepStatus = Schema.Literals(["pending", "running", "waiting", "succeeded", "failed", "skipped"])
export type StepStatus = typeof StepStatus.Type

/** A call of a tool, a decision of a model, or a wait. */
export const StepKind = Schema.Literals(["tool", "llm_decide", "wait"])
export type StepKind = typeof StepKind.Type

/** Whose words these are. A combined value takes the worst of its parts. */
export const Trust = Schema.Literals(["operator", "trusted", "untrusted"])
export type Trust = typeof Trust.Type

/** Who may see a value. A combined value takes the worst of its parts. */
export const Confidentiality = Schema.Literals(["public", "private", "secret"])
export type Confidentiality = typeof Confidentiality.Type

/** Where an approval stands. `superseded`: its input was edited; `consumed`: its call was begun with it. */
export const ApprovalStatus = Schema.Literals([
  "pending",
  "approved",
  "denied",
  "expired",
  "superseded",
  "revoked",
  "consumed"
])
export type ApprovalStatus = typeof ApprovalStatus.Type

/** `waiting`: its next attempt is due later. */
export const JobStatus = Schema.Literals([
  "waiting",
  "queued",
  "running",
  "succeeded",
  "failed",
  "canceled",
  "timed_out"
])
export type JobStatus = typeof JobStatus.Type

/** What keeps code apart from the host: a worker thread, a Node process with its permission model, a Deno process. */
export const Runtime = Schema.Literals(["thread", "process", "deno"])
export type Runtime = typeof Runtime.Type

export const AlarmSeverity = Schema.Literals(["warning", "error", "critical"])
export type AlarmSeverity = typeof AlarmSeverity.Type

export const AlarmStatus = Schema.Literals(["open", "acked", "resolved"])
export type AlarmStatus = typeof AlarmStatus.Type

export const Sensitivity = Schema.Literals(["low", "med", "high"])
export type Sensitivity = typeof Sensitivity.Type

export const ActorType = Schema.Literals(["user", "system", "integration"])
export type ActorType = typeof ActorType.Type

export const AuditOutcome = Schema.Literals(["success", "failure", "suppressed", "info"])
export type AuditOutcome = typeof AuditOutcome.Type

export const Stage = Schema.Literals([
  "normalize",
  "route",
  "execute",
  "tool_call",
  "gate",
  "respond",
  "task",
  "llm",
  "scheduler",
  "watcher",
  "rule",
  "mcp",
  "worker",
  "operator",
  "system"
])
export type Stage = typeof Stage.Type

export const Health = Schema.Literals(["healthy", "degraded", "down"])
export type Health = typeof Health.Type

export const ScheduleType = Schema.Literals(["cron", "interval", "one_shot"])
export type ScheduleType = typeof ScheduleType.Type

/** What becomes of slots that were due while no host ran. */
export const CatchUp = Schema.Literals(["skip", "run_once", "run_all_capped"])
export type CatchUp = typeof CatchUp.Type

/** What a slot does while the trace of the slot before is not settled. */
export const Overrun = Schema.Literals(["skip", "queue_one", "allow"])
export type Overrun = typeof Overrun.Type

/** What became of a slot. `skipped`: it was held back; `missed`: no host ran, and it was not made up. */
export const OccurrenceStatus = Schema.Literals(["fired", "skipped", "missed"])
export type OccurrenceStatus = typeof OccurrenceStatus.Type

/** How a trace ended, as far as it can end by itself. */
export const TraceOutcome = Schema.Literals(["succeeded", "failed", "waiting", "unknown", "unhandled", "dropped"])
export type TraceOutcome = typeof TraceOutcome.Type
