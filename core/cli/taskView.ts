/**
 * One task for a person: where it stands, its steps, and what can be done with it. Pure.
 */
import type { Step, Task } from "../contract/Task.ts"
import type { ToolCall } from "../contract/ToolCall.ts"
import { coloured, duration, localTime, type Paints, table } from "./layout.ts"
import { shortId } from "./list.ts"
import { clipped, visible } from "../contract/Visible.ts"

export interface TaskWithSteps extends Task {
  readonly steps: ReadonlyArray<Step>
}

interface Drawing {
  readonly now: number
  readonly paint: Paints
  /** How the operator calls a command. */
  readonly say: (...args: ReadonlyArray<string>) => string
}

/** `unknown` are its calls of which nobody knows. */
export const drawTask = (
  task: TaskWithSteps,
  unknown: ReadonlyArray<ToolCall>,
  { now, paint, say }: Drawing
): ReadonlyArray<string> => {
  const age = duration(Math.max(0, now - Date.parse(task.created_at)))
  const labels = Array.isArray(task.labels)
    ? task.labels as ReadonlyArray<string>
    : Object.entries(task.labels).map(([key, value]) => `${key}=${value}`)
  const about = [
    `made ${localTime(visible(task.created_at))}, ${age} ago`,
    task.priority === 5 ? "" : `priority ${task.priority}`,
    labels.length === 0 ? "" : `labels ${clipped(labels.join(", "), 200)}`,
    `trace ${visible(task.trace_id)}`
  ]
  const lines = [
    `${paint.bold(`task ${visible(task.task_id)}`)}  "${clipped(task.name, 200)}"  ${
      coloured(statusInWords(task), paint)
    }`,
    paint.dim(about.filter((part) => part !== "").join(" · "))
  ]
  if (task.error !== undefined) lines.push(errorLine(task.error))
  if (task.steps.length === 0) lines.push(task.kind === "code" ? "It has made no step yet." : "It has no steps.")
  const rows = table(task.steps.map((step) => [
    `  ${placeOf(step, task.steps)}`,
    coloured(visible(step.status), paint),
    clipped(step.name, 60),
    stepFacts(step, now)
  ]))
  task.steps.forEach((step, i) => {
    lines.push(rows[i] ?? "")
    const question = questionOf(step)
    if (question !== undefined) lines.push(`     asks "${clipped(question, 400)}"`)
    if (step.error !== undefined) lines.push(`     ${errorLine(step.error)}`)
  })
  const can = possibilities(task, unknown, say)
  if (can.length > 0) {
    lines.push("", "What can be done:", ...table(can.map((row) => [`  ${row[0]}`, paint.dim(row[1])])))
  }
  return lines
}

/** `waiting for you`, `canceled: not today`. */
export const statusInWords = (task: Task): string => {
  const status = visible(task.status)
  if (task.status === "canceled" && task.cancel_reason !== undefined) {
    return `${status}: ${clipped(task.cancel_reason, 200)}`
  }
  const wait = waitOf(task)
  if (task.status !== "waiting" || wait === "") return status
  return task.waits_for === "time" ? `${status} until ${wait}` : `${status} for ${wait}`
}

/** What a task waits for, in words; empty where it does not. */
export const waitOf = (task: Pick<Task, "waits_for" | "next_wake_at">): string => {
  switch (task.waits_for) {
    case undefined:
      return ""
    case "time":
      return task.next_wake_at === undefined ? "its time" : visible(localTime(task.next_wake_at))
    case "person":
      return "you"
    case "answer":
      return "your answer"
    case "approval":
      return "your approval"
    case "job":
      return "a job"
    case "pause":
      return "its resumption"
    default:
      return visible(task.waits_for)
  }
}

/** `2`, or `2b` for one of the steps that run at the same time. */
const placeOf = (step: Step, steps: ReadonlyArray<Step>): string => {
  const beside = steps.filter((one) => one.stage === step.stage)
  const letter = beside.length === 1 || beside.length > 26 ? "" : String.fromCharCode(97 + beside.indexOf(step))
  return `${step.stage + 1}${letter}`
}

const stepFacts = (step: Step, now: number): string => {
  const from = step.started_at === undefined ? Number.NaN : Date.parse(step.started_at)
  const to = step.ended_at === undefined ? Number.NaN : Date.parse(step.ended_at)
  const begun = step.status === "running" || step.status === "waiting"
  return [
    step.kind === "tool"
      ? (step.tool === undefined ? "" : visible(step.tool))
      : step.kind === "wait"
      ? "wait"
      : "model",
    Number.isFinite(to - from) ? `took ${duration(to - from)}` : "",
    begun && Number.isNaN(to) && Number.isFinite(from) ? `for ${duration(Math.max(0, now - from))}` : "",
    step.attempt > 0 || (step.status === "failed" && step.kind === "tool")
      ? `attempt ${step.attempt + 1} of ${step.max_attempts}`
      : "",
    step.wake_at !== undefined && step.ended_at === undefined ? `until ${localTime(visible(step.wake_at))}` : ""
  ].filter((part) => part !== "").join("  ")
}

/** Of a model that waits for an answer. */
const questionOf = ({ input, kind, status }: Step): string | undefined =>
  kind === "wait" && status === "waiting" && typeof input === "object" && input !== null && "question" in input &&
    typeof input.question === "string"
    ? input.question
    : undefined

const errorLine = (error: { readonly code: string; readonly message: string }): string =>
  `error ${clipped(error.code, 100)}: ${clipped(error.message, 400)}`

/** Commands that the task's state allows, each with what it does. */
const possibilities = (
  task: Task,
  unknown: ReadonlyArray<ToolCall>,
  say: Drawing["say"]
): ReadonlyArray<readonly [command: string, does: string]> => {
  const id = shortId(task.task_id)
  const may = (verb: string, does: string) => [say("task", id, verb), does] as const
  const settle = unknown.map((call) =>
    [
      say("settle", shortId(call.tool_call_id), "happened|not_happened|retry"),
      `nobody knows whether ${clipped(call.tool, 100)} was done: look there, then say it`
    ] as const
  )
  switch (task.status) {
    case "pending":
    case "running":
    case "waiting":
      return [...settle, may("pause", "begin no further step"), may("cancel", "end it")]
    case "paused":
      return [...settle, may("resume", "go on"), may("cancel", "end it")]
    case "failed":
      return [...settle, may("retry", "go on with the step that failed")]
    default:
      return settle
  }
}
