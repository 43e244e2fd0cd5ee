/**
 * What the audit says of tasks and steps.
 */
import type { Fact } from "../audit/Audit.ts"
import type { AuditType } from "../contract/AuditEvent.ts"
import type { Autonomy, Risk } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { StepRow, TaskRow } from "./TaskRows.ts"

type Named = Pick<TaskRow, "task_id" | "trace_id" | "trigger_event_id" | "name">

const longest = 500

export const taskFact = (
  type: AuditType & `task.${string}`,
  task: Named,
  at: Date,
  summary: string,
  data: Record<string, unknown> = {}
): Fact => ({
  type,
  trace_id: task.trace_id,
  at,
  summary: summary.slice(0, longest),
  refs: { event_id: task.trigger_event_id, task_id: task.task_id },
  data
})

export const stepFact = (
  type: AuditType & (`task.step_${string}` | "task.waiting" | `llm.${string}`),
  task: Named,
  step: StepRow,
  at: Date,
  summary: string,
  data: Record<string, unknown> = {}
): Fact => ({
  type,
  trace_id: task.trace_id,
  at,
  summary: summary.slice(0, longest),
  refs: { event_id: task.trigger_event_id, task_id: task.task_id, step_id: step.step_id },
  data: { step: step.name, position: step.position, ...(step.tool === undefined ? {} : { tool: step.tool }), ...data }
})

/** The end of a step's call that nobody ran to it. */
export const callFact = (
  type: "tool_call.failed" | "tool_call.canceled" | "tool_call.unknown",
  task: Named,
  step_id: string,
  call: { readonly tool_call_id: string; readonly tool: string; readonly risk?: Risk; readonly autonomy?: Autonomy },
  at: Date,
  error: ErrorDetail
): Fact => ({
  type,
  trace_id: task.trace_id,
  at,
  summary: `${call.tool} ${type === "tool_call.unknown" ? "is not awaited any more" : "is not done"}: ${error.message}`
    .slice(0, longest),
  refs: { event_id: task.trigger_event_id, task_id: task.task_id, step_id, tool_call_id: call.tool_call_id },
  tool: call.tool,
  risk: call.risk,
  autonomy: call.autonomy,
  data: { error }
})

export const createdFact = (task: TaskRow, steps: ReadonlyArray<StepRow>, at: Date): Fact =>
  taskFact(
    "task.created",
    task,
    at,
    `The task ${task.name} was made${steps.length === 0 ? "" : `, of ${counted(steps.length, "step")}`}.`,
    { kind: task.kind, steps: steps.length, ...(task.definition === undefined ? {} : { definition: task.definition }) }
  )

export const startedFact = (task: TaskRow, at: Date): Fact => taskFact("task.started", task, at, `${task.name} begins.`)

export const stepStartedFact = (task: TaskRow, step: StepRow, at: Date): Fact =>
  stepFact(
    "task.step_started",
    task,
    step,
    at,
    `Step ${step.position + 1} begins: ${step.name}.`,
    step.attempt === 0 ? {} : { attempt: step.attempt }
  )

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`
