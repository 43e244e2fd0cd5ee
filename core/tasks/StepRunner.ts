/**
 * How a step begins, and what its ending means for it. Both only change a draft; nothing is written and nothing runs here.
 *
 * - A call that leaves no trace (a read, or a transactional tool) needs no intent: it is stored with its end, and repeated
 *   when the host dies under it. Any other has its intent committed before it runs.
 * - A call that was not done is tried again by the step's policy, as the same call under the same key.
 */
import { Effect } from "effect"
import type { SqlError } from "effect/sql"
import type { Audit } from "../audit/Audit.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { absentTool, isLive } from "../plugin/LiveTools.ts"
import type { Registry } from "../plugin/Registry.ts"
import type { Redactor } from "../secrets/Redactor.ts"
import type { Settings } from "../plugin/Settings.ts"
import { requiredFact } from "../pipeline/Preparation.ts"
import type { Admission } from "../safety/Admission.ts"
import { type ApprovalRow, askWords } from "../safety/ApprovalRows.ts"
import type { Control } from "../safety/Control.ts"
import type { Gates } from "../safety/Gates.ts"
import { worst } from "../safety/Provenance.ts"
import type { CallPlanner } from "../tools/CallPlanner.ts"
import { leavesNoTrace } from "../tools/Ending.ts"
import { type Refused, refusal } from "../tools/ToolCallPlan.ts"
import { attemptedFact, countDown, type ToolExecutor, type Work } from "../tools/ToolExecutor.ts"
import type { TaskTelling } from "./Checkpoints.ts"
import type { PutCall } from "./CheckpointStatement.ts"
import { chosenByModel } from "./LlmSteps.ts"
import { retryDelayMs } from "./RetryDelay.ts"
import { callFact, stepFact, stepStartedFact } from "./TaskFacts.ts"
import type { StepRow } from "./TaskRows.ts"
import { change, type Draft, type TaskRun } from "./TaskRun.ts"
import { broughtIn, chooserOf, inputOf, trustOf, wasApproved } from "./TaskTrust.ts"

export interface StepServices {
  readonly admission: Admission["Service"]
  readonly audit: Audit["Service"]
  readonly control: Control["Service"]
  readonly gates: Gates["Service"]
  readonly planner: CallPlanner["Service"]
  readonly redactor: Pick<Redactor["Service"], "redactJson" | "redactText" | "watched">
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
    stored?.status === "pending" || stored?.kind === "wait"
      ? "wanted"
      : stored?.status === "waiting"
      ? "stepped"
      : "moved"
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
  "gate.expired",
  "gate.preview",
  "gate.antiflap",
  "gate.storm",
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
  services: Pick<StepServices, "audit" | "registry">,
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
  const mayRetry = run.wish !== "cancel" && draft.codeEnded === undefined
  const retryMs = ending.status === "failed" && ending.error !== undefined && mayRetry
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
  // What comes from outside stays with the task.
  const known = {
    tool_call_id: call.tool_call_id,
    ...broughtIn(draft.steps.get(position)?.row ?? step, services.registry.tool(call.tool), ending.output)
  }
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
  if (leavesNoTrace({ effect, guarantee }) && !call.approved && work.guarded === undefined) {
    draft.starts.push({ _tag: "Direct", position, work, call })
    return
  }
  change(run, draft, position, { tool_call_id: call.tool_call_id }, true)
  if (work.guarded !== undefined || !(yield* services.tools.takeIfFree(work.tool))) {
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

/** Ends a step whose call the gates do not let run, and the call with it. */
export const refuseCall = (
  services: Pick<StepServices, "audit">,
  run: TaskRun,
  draft: Draft,
  step: StepRow,
  call: PutCall,
  { error, preview, reasons, type, verdict }: Refused,
  /** The call is stored: it was attempted, or waits. */
  known = false
): void => {
  draft.calls.push({
    ...call,
    intent: false,
    attempts: 0,
    error,
    // A call that was attempted before can't be canceled any more.
    status: type !== "tool_call.failed" && !known ? "canceled" : "failed",
    resolved_at: draft.at.toISOString()
  })
  tell(services, draft, {
    type,
    trace_id: run.task.trace_id,
    at: draft.at,
    summary: error.message.slice(0, 300),
    refs: {
      event_id: run.event.event_id,
      task_id: run.task.task_id,
      step_id: step.step_id,
      tool_call_id: call.tool_call_id
    },
    tool: call.tool,
    risk: call.risk,
    autonomy: call.autonomy,
    data: {
      reasons,
      error,
      ...(verdict === undefined ? {} : { verdict }),
      ...(preview === undefined ? {} : { preview })
    }
  })
  change(run, draft, step.position, { tool_call_id: call.tool_call_id })
  endStep(services, run, draft, step.position, { error })
}

/** Has a person asked about a step's call: the step waits, and the call with it. */
export const askOf = (
  services: Pick<StepServices, "audit">,
  run: TaskRun,
  draft: Draft,
  position: number,
  call: PutCall,
  approval: ApprovalRow
): void => {
  const { autonomy, risk } = approval
  draft.calls.push({
    ...call,
    risk,
    autonomy,
    intent: false,
    attempts: 0,
    status: "planned",
    needs_approval: true,
    asks: true,
    approved: false
  })
  draft.asked.push(approval)
  draft.flight.delete(position)
  draft.waits.set(position, {
    for: "approval",
    number: approval.number,
    words: askWords(approval),
    ms: approval.ttl_ms
  })
  change(run, draft, position, { status: "waiting", tool_call_id: call.tool_call_id }, true)
  tell(services, draft, requiredFact(approval, draft.at), "begun")
}

const beginCall = Effect.fnUntraced(function*(
  services: StepServices,
  run: TaskRun,
  draft: Draft,
  step: StepRow
): Effect.fn.Return<void, SqlError.SqlError> {
  const { gates, planner, registry } = services
  const { task } = run
  const name = step.tool ?? ""
  const tool = registry.tool(name)
  if (tool === undefined) {
    return endStep(services, run, draft, step.position, {
      error: { code: "tool.not_found", message: absentTool(name), retryable: isLive(name) }
    })
  }
  const event = { ...run.event, trust: worst(trustOf(run, draft), chooserOf(task, tool, registry)) }
  const policy_version = gates.policyVersion()
  const plan = yield* planner.plan({
    event,
    step: { task_id: task.task_id, step_id: step.step_id },
    tool_call_id: step.tool_call_id,
    ordinal: step.ordinal,
    tool,
    input: inputOf(step),
    at: draft.at,
    trust: event.trust,
    by_model: chosenByModel(step)
  })
  // The same call again, after it was refused by its tool: the yes was to it.
  const again = step.tool_call_id !== undefined
  const approved = wasApproved(step)
  const call: PutCall = {
    ...plan.row,
    needs_approval: approved,
    task_id: task.task_id,
    step_id: step.step_id,
    status: "attempted",
    intent: true,
    policy_version,
    attempts: 1,
    approved
  }
  const { approval, refused } = plan
  if (refused !== undefined) return refuseCall(services, run, draft, step, call, refused, again)
  if (approval !== undefined && !approved) {
    if (!again) return askOf(services, run, draft, step.position, call, approval)
    const message = `${name} was tried before, and would need your yes now: it is not tried again.`
    return refuseCall(
      services,
      run,
      draft,
      step,
      call,
      refusal("gate.denied", "gate.denied", message, approval.reasons),
      again
    )
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
    autonomy: call.autonomy,
    trust: plan.row.labels.trust,
    policy_version,
    steers: tool.steering !== undefined,
    approved,
    // What it has taken of the limits is its own, for all its attempts.
    guarded: again ? undefined : plan.guarded
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
