/**
 * How a step begins, and what its ending means for it. Both only change a draft; nothing is written and nothing runs here.
 *
 * - A call that leaves no trace (a read, or a transactional tool) needs no intent: it is stored with its end, and repeated
 *   when the host dies under it. Any other has its intent committed before it runs.
 * - A call that was not done is tried again by the step's policy, as the same call under the same key.
 */
import { Effect } from "effect"
import type { Audit } from "../audit/Audit.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { Registry } from "../plugin/Registry.ts"
import type { Settings } from "../plugin/Settings.ts"
import type { Control } from "../safety/Control.ts"
import { leavesNoTrace } from "../tools/Ending.ts"
import * as ToolCallPlan from "../tools/ToolCallPlan.ts"
import { attemptedFact, countDown, type ToolExecutor, type Work } from "../tools/ToolExecutor.ts"
import type { TaskTelling } from "./Checkpoints.ts"
import type { PutCall } from "./CheckpointStatement.ts"
import { chosenByModel } from "./LlmSteps.ts"
import { retryDelayMs } from "./RetryDelay.ts"
import { callFact, stepFact, stepStartedFact } from "./TaskFacts.ts"
import type { StepRow } from "./TaskRows.ts"
import { change, type Draft, type TaskRun } from "./TaskRun.ts"

export interface StepServices {
  readonly audit: Audit["Service"]
  readonly control: Control["Service"]
  readonly registry: Registry["Service"]
  readonly settings: Settings["Service"]
  readonly tools: ToolExecutor["Service"]
  /** The host stops: nothing more begins here. */
  stopping: boolean
}

/** Adds a row to what the draft tells. */
export const tell = (
  { audit }: Pick<StepServices, "audit">,
  draft: Draft,
  fact: Parameters<Audit["Service"]["row"]>[0],
  told_when: Exclude<TaskTelling["told_when"], "attempted"> = "moved"
): void => void draft.tellings.push({ row: audit.row(fact), told_when })

const failedFact = (run: TaskRun, step: StepRow, at: Date, error: ErrorDetail) =>
  stepFact("task.step_failed", run.task, step, at, `${step.name} failed: ${error.message}`, { error })

/** Ends a step. */
export const endStep = (
  services: Pick<StepServices, "audit">,
  run: TaskRun,
  draft: Draft,
  position: number,
  ending: { readonly output?: unknown } | { readonly error: ErrorDetail }
): void => {
  const failed = "error" in ending
  const at = draft.at.toISOString()
  const stored = run.steps.get(position)
  const step = change(run, draft, position, {
    status: failed ? "failed" : "succeeded",
    output: failed ? undefined : ending.output,
    error: failed ? ending.error : undefined,
    wake_at: undefined,
    ended_at: at
  })
  draft.flight.delete(position)
  draft.waits.delete(position)
  tell(
    services,
    draft,
    failed
      ? failedFact(run, step, draft.at, ending.error)
      : stepFact("task.step_succeeded", run.task, step, draft.at, `${step.name} is done.`),
    // One that had not begun is skipped by whoever cancels the task.
    stored?.status === "pending" || stored?.kind === "wait" ? "wanted" : "moved"
  )
}

/** What does not come out otherwise by trying again. */
const final = new Set([
  "tool.input_invalid",
  "tool.output_invalid",
  "tool.output_refused",
  "tool.not_found",
  "tool.risk_failed",
  "tool.canceled",
  "scope.violation",
  "gate.denied",
  "llm.budget_exceeded",
  "llm.repeats"
])

/** Before the step is tried again, milliseconds; nothing when it is not. */
export const retryAfter = (step: StepRow, error: ErrorDetail): number | undefined =>
  final.has(error.code) || step.attempt + 1 >= step.max_attempts ? undefined : retryDelayMs(step.retry, step.attempt)

/** Puts a step back, to be tried again after a while. */
export const retryStep = (
  services: Pick<StepServices, "audit">,
  run: TaskRun,
  draft: Draft,
  position: number,
  error: ErrorDetail,
  ms: number,
  to: Partial<StepRow> = {}
): void => {
  const before = run.steps.get(position)
  const step = change(run, draft, position, {
    ...to,
    status: "pending",
    attempt: (before?.attempt ?? 0) + 1,
    error,
    wake_at: new Date(draft.at.getTime() + ms).toISOString()
  })
  draft.flight.delete(position)
  draft.waits.set(position, { for: "retry", ms })
  tell(
    services,
    draft,
    stepFact(
      "task.step_retried",
      run.task,
      step,
      draft.at,
      `${step.name} is tried again${ms < 1_000 ? "" : ` in ${Math.round(ms / 1_000)} s`}: ${error.message}`,
      { attempt: step.attempt, of: step.max_attempts, delay_ms: ms, error }
    ),
    "wanted"
  )
  tell(services, draft, failedFact(run, step, draft.at, error), "canceled")
}

export interface CallEnding {
  readonly status: "succeeded" | "failed" | "unknown"
  readonly output?: unknown
  readonly error?: ErrorDetail | undefined
  readonly latency_ms: number
  /** Of an unknown one: when it is looked at again; without it a person must. */
  readonly again_ms?: number | undefined
}

/** What the ending of a step's call means: for the call, and for the step. `stored`: its intent is. */
export const endCall = (
  services: Pick<StepServices, "audit">,
  run: TaskRun,
  draft: Draft,
  position: number,
  call: PutCall,
  stored: boolean,
  ending: CallEnding
): void => {
  const at = draft.at.toISOString()
  const step = run.steps.get(position) ?? draft.steps.get(position)?.row
  if (step === undefined) return
  const retryMs = ending.status === "failed" && ending.error !== undefined && run.wish !== "cancel"
    ? retryAfter(step, ending.error)
    : undefined
  const status = retryMs === undefined ? ending.status : "planned"
  const end = {
    task_id: run.task.task_id,
    tool_call_id: call.tool_call_id,
    output: ending.output,
    error: ending.error,
    latency_ms: ending.latency_ms
  }
  if (stored) {
    draft.ended.push({ ...end, status, at })
  } else {
    // Without an intent it leaves no trace, and is never unknown: it is made again.
    const kept = status === "unknown" ? "planned" : status
    if (kept !== status && ending.error !== undefined) {
      const ended = callFact("tool_call.failed", run.task, step.step_id, call, draft.at, ending.error)
      tell(services, draft, ended, "canceled")
    }
    draft.calls.push({
      ...call,
      ...end,
      status: kept,
      intent: false,
      attempts: 1,
      ...(kept === "planned" ? {} : { resolved_at: at })
    })
  }
  const known = { tool_call_id: call.tool_call_id }
  change(run, draft, position, known)
  if (ending.status === "unknown") {
    change(run, draft, position, { status: "waiting", error: ending.error })
    draft.flight.delete(position)
    draft.waits.set(position, ending.again_ms === undefined ? { for: "person" } : { for: "retry", ms: ending.again_ms })
  } else if (ending.error === undefined) {
    endStep(services, run, draft, position, { output: ending.output })
  } else if (retryMs === undefined) {
    endStep(services, run, draft, position, { error: ending.error })
  } else {
    retryStep(services, run, draft, position, ending.error, retryMs, known)
  }
}

/** How long a question waits for its answer, milliseconds. */
const answerWithinMs = 86_400_000

/** The input of a step of kind `wait`. */
export interface WaitInput {
  readonly delay_ms?: number
  readonly until?: string
  /** It waits for a person's answer. */
  readonly question?: string
}

const untilOf = (step: StepRow, now: Date): Date => {
  const input = step.input as WaitInput
  if (input.question !== undefined) return new Date(now.getTime() + answerWithinMs)
  if (step.wake_at !== undefined) return new Date(step.wake_at)
  return input.until === undefined ? new Date(now.getTime() + (input.delay_ms ?? 0)) : new Date(input.until)
}

const beginWait = (services: StepServices, run: TaskRun, draft: Draft, step: StepRow): void => {
  const until = untilOf(step, draft.at)
  if (until <= draft.at) return endStep(services, run, draft, step.position, {})
  const at = until.toISOString()
  change(run, draft, step.position, { status: "waiting", wake_at: at, started_at: draft.at.toISOString() }, true)
  const { question } = step.input as WaitInput
  const ms = until.getTime() - draft.at.getTime()
  draft.waits.set(
    step.position,
    question === undefined ? { for: "time", ms, at } : { for: "answer", question, ms, at }
  )
}

/** Puts a planned call on its way: at once where a slot of the tool is free. */
export const sendCall = Effect.fnUntraced(function*(
  services: StepServices,
  run: TaskRun,
  draft: Draft,
  position: number,
  work: Work,
  call: PutCall,
  attempt: number
) {
  draft.flight.add(position)
  draft.waits.delete(position)
  change(run, draft, position, {}, true)
  const { effect, guarantee = "none" } = work.tool.definition
  if (leavesNoTrace({ effect, guarantee })) {
    draft.starts.push({ _tag: "Direct", position, work, call })
    return
  }
  change(run, draft, position, { tool_call_id: call.tool_call_id }, true)
  if (!(yield* services.tools.takeIfFree(work.tool))) {
    draft.starts.push({ _tag: "Queued", position, work, call })
    return
  }
  draft.calls.push(call)
  draft.tellings.push({
    row: services.audit.row(attemptedFact(work, attempt, draft.at)),
    told_when: "attempted",
    tool_call_id: call.tool_call_id
  })
  draft.starts.push({ _tag: "Attempted", position, work, call, leftMs: countDown(call.deadline_ms) })
})

const beginCall = Effect.fnUntraced(function*(services: StepServices, run: TaskRun, draft: Draft, step: StepRow) {
  const { control, registry, settings } = services
  const { event, task } = run
  const name = step.tool ?? ""
  const tool = registry.tool(name)
  if (tool === undefined) {
    return endStep(services, run, draft, step.position, {
      error: { code: "tool.not_found", message: `There is no tool ${name} any more.`, retryable: false }
    })
  }
  const { autonomy, policy_version } = control.current()
  const plan = yield* ToolCallPlan.plan({
    trace_id: task.trace_id,
    event_id: event.event_id,
    step: { task_id: task.task_id, step_id: step.step_id },
    tool_call_id: step.tool_call_id,
    ordinal: step.ordinal,
    tool,
    input: step.input,
    at: draft.at,
    autonomy,
    granted: settings.safety.scopesOf(event.channel),
    trust: event.trust,
    by_model: chosenByModel(step)
  })
  const call: PutCall = {
    ...plan.row,
    task_id: task.task_id,
    step_id: step.step_id,
    status: "attempted",
    intent: true,
    policy_version,
    attempts: 1
  }
  const { refused } = plan
  if (refused !== undefined) {
    const { error } = refused
    draft.calls.push({
      ...call,
      intent: false,
      attempts: 0,
      error,
      // A call that was attempted before can't be canceled any more.
      status: plan.row.status === "canceled" && step.tool_call_id === undefined ? "canceled" : "failed",
      resolved_at: draft.at.toISOString()
    })
    tell(services, draft, {
      type: refused.type,
      trace_id: task.trace_id,
      at: draft.at,
      summary: error.message.slice(0, 300),
      refs: {
        event_id: event.event_id,
        task_id: task.task_id,
        step_id: step.step_id,
        tool_call_id: call.tool_call_id
      },
      tool: name,
      risk: plan.row.risk,
      autonomy,
      data: {
        reasons: refused.reasons,
        error,
        ...(refused.verdict === undefined ? {} : { verdict: refused.verdict })
      }
    })
    change(run, draft, step.position, { tool_call_id: call.tool_call_id })
    return endStep(services, run, draft, step.position, { error })
  }
  const work: Work = {
    tool_call_id: call.tool_call_id,
    work_id: task.task_id,
    fence: run.fence,
    event,
    task_id: task.task_id,
    step_id: step.step_id,
    tool,
    input: plan.input,
    idempotency_key: call.idempotency_key,
    risk: call.risk,
    autonomy,
    policy_version
  }
  yield* sendCall(services, run, draft, step.position, work, call, step.attempt + 1)
})

/** Begins a step that is pending. It may end at once: refused, or a wait whose time has passed. */
export const beginStep = Effect.fnUntraced(function*(
  services: StepServices,
  run: TaskRun,
  draft: Draft,
  step: StepRow
) {
  if (step.kind === "wait") return beginWait(services, run, draft, step)
  const begun = change(
    run,
    draft,
    step.position,
    { status: "running", started_at: draft.at.toISOString(), wake_at: undefined, error: undefined },
    true
  )
  tell(services, draft, stepStartedFact(run.task, begun, draft.at), "begun")
  yield* beginStored(services, run, draft, begun)
})

/** The same for a step that is stored as running. */
export const beginStored = Effect.fnUntraced(function*(
  services: StepServices,
  run: TaskRun,
  draft: Draft,
  step: StepRow
) {
  if (step.kind === "tool") return yield* beginCall(services, run, draft, step)
  draft.flight.add(step.position)
  draft.starts.push({ _tag: "Decide", position: step.position })
})

/** Told when a call is attempted, or was without an intent. */
export const attemptedRow = (work: Work, run: TaskRun, position: number, at: Date) =>
  attemptedFact(work, (run.steps.get(position)?.attempt ?? 0) + 1, at)
