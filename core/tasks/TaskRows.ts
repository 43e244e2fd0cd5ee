/**
 * Tasks and steps as the tables have them, and how they travel to a statement.
 */
import type { Autonomy, StepKind, StepStatus, TaskStatus } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { EventRow } from "../contract/Rows.ts"
import type { Labels, RetryPolicy } from "../contract/Task.ts"
import { lists } from "../database/Lists.ts"
import { newId } from "../database/Ids.ts"
import type { NewStep, NewTask } from "./TaskPlan.ts"

/** What never changes of a task. */
export interface TaskRow {
  readonly task_id: string
  readonly trace_id: string
  readonly trigger_event_id: string
  readonly thread_id?: string | undefined
  readonly name: string
  readonly kind: NewTask["kind"]
  readonly definition?: string | undefined
  readonly input?: unknown
  readonly priority: number
  readonly labels: Labels
  readonly autonomy_at_start: Autonomy
  readonly created_at: string
}

export interface StepRow {
  readonly task_id: string
  readonly position: number
  readonly step_id: string
  readonly stage: number
  readonly name: string
  readonly kind: StepKind
  readonly status: StepStatus
  /** From 0. */
  readonly attempt: number
  readonly max_attempts: number
  readonly retry: RetryPolicy
  readonly tool?: string | undefined
  readonly input: unknown
  readonly checkpoint?: unknown
  readonly output?: unknown
  readonly error?: ErrorDetail | undefined
  /** How often the operator had it done anew; part of its call's identity. */
  readonly ordinal: number
  readonly tool_call_id?: string | undefined
  readonly wake_at?: string | undefined
  readonly started_at?: string | undefined
  readonly ended_at?: string | undefined
}

/** A task as it is created: its rows, before anybody holds it. */
export interface CreatedTask {
  readonly task: TaskRow
  readonly steps: ReadonlyArray<StepRow>
}

export const taskLists = lists<TaskRow & { readonly claim: boolean }>(
  "task_id uuid, trace_id uuid, trigger_event_id uuid, thread_id text, name text, kind text, definition text, input jsonb, " +
    "priority smallint, labels jsonb, autonomy_at_start text, created_at timestamptz, claim boolean"
)

/** A step of a statement; one that `begins` is written only while nobody wishes the task to stop. */
export type WrittenStep = StepRow & {
  readonly begins: boolean
  /** Where it may not begin it is written as what is to come. */
  readonly planned?: boolean | undefined
}

export const stepLists = lists<WrittenStep>(
  "task_id uuid, position int, step_id uuid, stage int, name text, kind text, status text, attempt int, max_attempts int, " +
    "retry jsonb, tool text, input jsonb, checkpoint jsonb, output jsonb, error jsonb, ordinal int, tool_call_id uuid, " +
    "wake_at timestamptz, started_at timestamptz, ended_at timestamptz, begins boolean, planned boolean"
)

/** What changes of a step. */
export const stepChangeLists = lists<WrittenStep>(
  "task_id uuid, position int, status text, attempt int, checkpoint jsonb, output jsonb, error jsonb, tool_call_id uuid, " +
    "wake_at timestamptz, started_at timestamptz, ended_at timestamptz, begins boolean"
)

/** The columns of `steps` in their order, for an insert. */
export const stepColumns =
  "task_id, position, step_id, stage, name, kind, status, attempt, max_attempts, retry, tool, input, checkpoint, output, error, " +
  "ordinal, tool_call_id, wake_at, started_at, ended_at"

export const stepRow = (task_id: string, position: number, step: NewStep): StepRow => ({
  task_id,
  position,
  step_id: newId(),
  stage: step.stage,
  name: step.name,
  kind: step.kind,
  status: "pending",
  attempt: 0,
  max_attempts: step.max_attempts,
  retry: step.retry,
  tool: step.tool,
  input: step.input,
  ordinal: 0
})

/** The rows of a task that an event leads to. */
export const createdTask = (
  event: Pick<EventRow, "event_id" | "trace_id" | "thread_id">,
  plan: NewTask,
  autonomy: Autonomy,
  at: Date
): CreatedTask => {
  const task_id = newId()
  return {
    task: {
      task_id,
      trace_id: event.trace_id,
      trigger_event_id: event.event_id,
      thread_id: event.thread_id,
      name: plan.name,
      kind: plan.kind,
      definition: plan.definition,
      input: plan.input,
      priority: plan.priority,
      labels: plan.labels,
      autonomy_at_start: autonomy,
      created_at: at.toISOString()
    },
    steps: plan.steps.map((step, position) => stepRow(task_id, position, step))
  }
}

/** What a task is when it is taken up. */
export interface StoredTask extends TaskRow {
  readonly status: TaskStatus
}

/** Positions of the steps that begin with their task: those of the first stage, but for waits. */
export const firstSteps = (steps: ReadonlyArray<StepRow>): ReadonlyArray<number> =>
  steps.flatMap(({ kind, position, stage }) => stage === 0 && kind !== "wait" ? [position] : [])
