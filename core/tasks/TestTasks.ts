/**
 * For tests: tasks in the database without an engine, each born and moved as the guards of the tables allow.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { StepStatus, TaskStatus } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { Labels, Task } from "../contract/Task.ts"
import { newId } from "../database/Ids.ts"
import { defaultRetry, type NewStep, type NewTask } from "./TaskPlan.ts"
import { endedTask } from "./TaskState.ts"

export interface StepToStore extends Partial<NewStep> {
  readonly status?: StepStatus
  readonly output?: unknown
  readonly error?: ErrorDetail
  readonly tool_call_id?: string
  readonly wake_at?: string
  readonly started_at?: string
  readonly ended_at?: string
}

export interface TaskToStore extends Partial<Omit<NewTask, "steps">> {
  readonly trace_id?: string
  readonly trigger_event_id?: string
  readonly thread_id?: string
  readonly status?: TaskStatus
  readonly labels?: Labels
  readonly created_at?: string
  readonly waits_for?: NonNullable<Task["waits_for"]>
  readonly next_wake_at?: string
  readonly cancel_reason?: string
  readonly output?: unknown
  readonly error?: ErrorDetail
  readonly steps?: ReadonlyArray<StepToStore>
}

const json = (value: unknown): string | null => value === undefined ? null : JSON.stringify(value)

/** Answers the ids of the task and of its steps. */
export const storeTask = Effect.fnUntraced(function*(task: TaskToStore = {}) {
  const sql = yield* SqlClient.SqlClient
  const ids = {
    task_id: newId(),
    trace_id: task.trace_id ?? newId(),
    event_id: task.trigger_event_id ?? newId()
  }
  const status = task.status ?? "pending"
  const created_at = task.created_at ?? new Date().toISOString()
  yield* sql`
    insert into tasks (task_id, trace_id, trigger_event_id, thread_id, name, kind, definition, input, status, priority,
                       labels, autonomy_at_start, created_at, updated_at)
    values (${ids.task_id}, ${ids.trace_id}, ${ids.event_id}, ${task.thread_id ?? null}, ${task.name ?? "a task"},
            ${task.kind ?? "steps"}, ${task.definition ?? null}, ${json(task.input)}::jsonb,
            ${status === "pending" ? "pending" : "running"}, ${task.priority ?? 5}, ${
    json(task.labels ?? [])
  }::jsonb, 'A2',
            ${created_at}, ${created_at})`
  yield* sql`
    update tasks
    set status = ${status}, next_wake_at = ${task.next_wake_at ?? null}, cancel_reason = ${task.cancel_reason ?? null},
        output = ${json(task.output)}::jsonb, error = ${json(task.error)}::jsonb
    where task_id = ${ids.task_id}`
  if (!endedTask(status)) {
    yield* sql`
      insert into work (work_id, kind, event_id, trace_id, fence, waits_for)
      values (${ids.task_id}, 'task', ${ids.event_id}, ${ids.trace_id}, 1, ${task.waits_for ?? null})`
  }
  const steps = (task.steps ?? []).map((step) => ({ ...step, step_id: newId() }))
  for (const [position, step] of steps.entries()) {
    const skipped = step.status === "skipped"
    yield* sql`
      insert into steps (task_id, position, step_id, stage, name, kind, status, max_attempts, retry, tool, input,
                         tool_call_id, output, error, wake_at, started_at, ended_at)
      values (${ids.task_id}, ${position}, ${step.step_id}, ${step.stage ?? position}, ${
      step.name ?? `step ${position}`
    },
              ${step.kind ?? "tool"}, ${skipped ? "pending" : step.status ?? "pending"}, ${step.max_attempts ?? 3},
              ${json(step.retry ?? defaultRetry)}::jsonb, ${step.tool ?? null}, ${
      json(step.input === undefined ? {} : step.input)
    }::jsonb,
              ${step.tool_call_id ?? null}, ${json(step.output)}::jsonb, ${json(step.error)}::jsonb,
              ${step.wake_at ?? null}, ${step.started_at ?? null}, ${step.ended_at ?? null})`
    if (skipped) yield* sql`update steps set status = 'skipped' where step_id = ${step.step_id}`
  }
  return { ...ids, step_ids: steps.map((step) => step.step_id) }
})

export interface CallToStore {
  readonly trace_id?: string
  readonly event_id?: string
  readonly task_id?: string
  readonly step_id?: string
  readonly tool?: string
  readonly status?: "attempted" | "succeeded" | "failed" | "unknown"
  readonly error?: ErrorDetail
}

/** Answers the id of the call. */
export const storeCall = Effect.fnUntraced(function*(call: CallToStore = {}) {
  const sql = yield* SqlClient.SqlClient
  const id = newId()
  const status = call.status ?? "attempted"
  yield* sql`
    insert into tool_calls (tool_call_id, trace_id, event_id, task_id, step_id, ordinal, tool, tool_pin, input, input_hash,
                            idempotency_key, effect, guarantee, risk, autonomy, status, held_by, deadline_at, quiet_at,
                            attempts, open_attempts, created_at)
    values (${id}, ${call.trace_id ?? newId()}, ${call.event_id ?? null}, ${call.task_id ?? null}, ${
    call.step_id ?? null
  }, 0,
            ${call.tool ?? "bank.pay"}, 'p', '{"amount": 5}', 'h', ${id}, 'write', 'none', 'low', 'A2', 'attempted',
            ${newId()}, now(), now(), 1, 1, now())`
  if (status !== "attempted") {
    yield* sql`
      update tool_calls
      set status = ${status}, error = ${json(call.error)}::jsonb,
          open_attempts = ${status === "unknown" ? 1 : 0}::int,
          resolved_at = ${status === "unknown" ? null : new Date().toISOString()}::timestamptz
      where tool_call_id = ${id}`
  }
  return id
})
