/**
 * A task and its steps as they are on the wire. A task is work of many steps; each step's call goes through the tool call
 * ledger like any other.
 */
import { Schema } from "effect"
import { Autonomy, StepKind, StepStatus, TaskStatus } from "./Enums.ts"
import { ErrorDetail } from "./ErrorDetail.ts"

/** What becomes of a step that was refused: `none` ends it; the others try again while attempts are left. */
export const RetryPolicy = Schema.Struct({
  strategy: Schema.Literals(["exponential", "fixed", "none"]),
  /** Before the second attempt, milliseconds: 0 to 1 day. */
  base_delay_ms: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 })),
  /** The longest delay, milliseconds: 0 to 1 day. */
  max_delay_ms: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 86_400_000 })),
  /** Part of a delay that is drawn by lot, 0 to 1: 0.2 makes it up to a fifth shorter. */
  jitter: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
})
export type RetryPolicy = typeof RetryPolicy.Type

/** Names of the operator's own, to find a task by: a list of words, or words with values. */
export const Labels = Schema.Union([
  Schema.Array(Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200))).check(Schema.isMaxLength(32)),
  Schema.Record(
    Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(200)),
    Schema.String.check(Schema.isMaxLength(200))
  ).check(Schema.isMaxProperties(32))
])
export type Labels = typeof Labels.Type

export const Step = Schema.Struct({
  step_id: Schema.String,
  task_id: Schema.String,
  /** From 0, in the order in which they were made. */
  position: Schema.Int,
  /** Steps of one stage run at the same time, stages in their order. A model's choices take stages between those of a list. */
  stage: Schema.Int,
  name: Schema.String,
  kind: StepKind,
  status: StepStatus,
  /** From 0. */
  attempt: Schema.Int,
  max_attempts: Schema.Int,
  retry: RetryPolicy,
  tool: Schema.optionalKey(Schema.String),
  tool_call_id: Schema.optionalKey(Schema.String),
  input: Schema.Unknown,
  checkpoint: Schema.Unknown,
  output: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(ErrorDetail),
  wake_at: Schema.optionalKey(Schema.String),
  started_at: Schema.optionalKey(Schema.String),
  ended_at: Schema.optionalKey(Schema.String)
})
export type Step = typeof Step.Type

export const Task = Schema.Struct({
  task_id: Schema.String,
  trace_id: Schema.String,
  trigger_event_id: Schema.String,
  thread_id: Schema.optionalKey(Schema.String),
  name: Schema.String,
  /** A plain sequence of steps, a plugin's code, or a model that chooses. */
  kind: Schema.Literals(["steps", "code", "llm_plan"]),
  definition: Schema.optionalKey(Schema.String),
  input: Schema.optionalKey(Schema.Unknown),
  status: TaskStatus,
  /** 0 to 9, the highest first. */
  priority: Schema.Int,
  labels: Labels,
  autonomy_at_start: Autonomy,
  next_wake_at: Schema.optionalKey(Schema.String),
  /** What it waits for, while it is `waiting` or `paused`. */
  waits_for: Schema.optionalKey(Schema.Literals(["time", "person", "answer", "approval", "job", "pause"])),
  cancel_reason: Schema.optionalKey(Schema.String),
  output: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(ErrorDetail),
  created_at: Schema.String,
  updated_at: Schema.String
})
export type Task = typeof Task.Type

/** As it is alone. */
export const TaskWithSteps = Task.pipe(Schema.fieldsAssign({ steps: Schema.Array(Step) }))
export type TaskWithSteps = typeof TaskWithSteps.Type

/** As it is in a list. */
export const ListedTask = Task.pipe(Schema.fieldsAssign({
  /** Steps that succeeded, all that there are so far, and the first that is neither done nor skipped. */
  progress: Schema.Struct({ done: Schema.Int, steps: Schema.Int, step: Schema.optionalKey(Schema.String) })
}))
export type ListedTask = typeof ListedTask.Type
