/**
 * Takes up a task that this host has claimed: what a former holder had under way is settled as the ledger says, what was
 * waited for is looked at, and the rest goes on.
 */
import { Effect } from "effect"
import type { SqlError } from "effect/sql"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { WorkRow } from "../pipeline/WorkQueue.ts"
import type { CallRecovery, StoredCall } from "../tools/CallRecovery.ts"
import { askWords } from "../safety/ApprovalRows.ts"
import { leavesNoTrace } from "../tools/Ending.ts"
import type { PutCall } from "./CheckpointStatement.ts"
import { chosenByModel } from "./LlmSteps.ts"
import { askOf, endStep, sendCall, type StepServices, tell, type WaitInput } from "./StepRunner.ts"
import { callFact, startedFact, taskFact } from "./TaskFacts.ts"
import type { LoadedTask } from "./TaskLoader.ts"
import type { StepRow } from "./TaskRows.ts"
import { change, type Draft, type TaskRun } from "./TaskRun.ts"
import { broughtIn, noted, trustOf } from "./TaskTrust.ts"

interface Services {
  readonly services: StepServices
  readonly recovery: CallRecovery["Service"]
}

/** A stored call as it is put again: the row has all that a `PutCall` has, and more. */
const putAgain = (stored: StoredCall, run: TaskRun, policy_version: number, deadline_ms: number): PutCall => ({
  ...(stored as unknown as PutCall),
  task_id: run.task.task_id,
  deadline_ms,
  status: "attempted",
  intent: true,
  policy_version,
  attempts: 1,
  output: undefined,
  latency_ms: undefined,
  resolved_at: undefined
})

/** From the intent to the deadline. */
const allowanceMs = 5_000

const canceled: ErrorDetail = { code: "task.canceled", message: "Its task was canceled.", retryable: false }

/** Ends a call that was not done and is not wanted any more. */
const notSent = ({ services }: Services, run: TaskRun, draft: Draft, step: StepRow, call: StoredCall): void => {
  const status = call.attempts === 0 ? "canceled" : "failed"
  draft.ended.push({
    task_id: run.task.task_id,
    tool_call_id: call.tool_call_id,
    status,
    error: canceled,
    at: draft.at.toISOString()
  })
  tell(services, draft, callFact(`tool_call.${status}`, run.task, step.step_id, call, draft.at, canceled), "ended")
  endStep(services, run, draft, step.position, { error: canceled })
}

export const takeUpCall = Effect.fnUntraced(function*(
  { recovery, services }: Services,
  run: TaskRun,
  draft: Draft,
  step: StepRow,
  call: StoredCall,
  row: WorkRow
) {
  const { position } = step
  const answer = yield* recovery.recover({
    call,
    held: { tool_call_id: call.tool_call_id, work_id: run.task.task_id, fence: run.fence },
    event: run.event,
    tries: row.tries,
    task_id: run.task.task_id,
    step_id: step.step_id,
    by_model: chosenByModel(step),
    trust: trustOf(run, draft)
  })
  switch (answer._tag) {
    case "Attempt": {
      if (run.wish === "cancel") return notSent({ services, recovery }, run, draft, step, call)
      const { policy_version } = answer.work
      const work = { ...answer.work, event: { ...run.event, trust: trustOf(run, draft) } }
      if (step.status !== "running" || work.approved) {
        const checkpoint = work.approved ? { checkpoint: noted(step, { approved: call.tool_call_id }) } : {}
        change(run, draft, position, { status: "running", wake_at: undefined, ...checkpoint }, true)
      }
      const put: PutCall = {
        ...putAgain(call, run, policy_version, work.tool.timeoutMs + allowanceMs),
        needs_approval: call.needs_approval,
        approved: call.needs_approval
      }
      return yield* sendCall(services, run, draft, position, work, put, answer.attempt)
    }
    case "Ask": {
      const put = putAgain(call, run, services.gates.policyVersion(), 0)
      askOf(services, run, draft, position, put, answer.approval)
      return
    }
    case "Asked": {
      const { approval } = answer
      if (step.status !== "waiting") change(run, draft, position, { status: "waiting" })
      draft.waits.set(position, {
        for: "approval",
        number: approval.number,
        words: askWords({ ...approval, ttl_ms: approval.left_ms }),
        ms: approval.left_ms
      })
      return
    }
    case "Ended": {
      if (answer.fact !== undefined) {
        tell(services, draft, answer.fact, "ended")
        draft.ended.push({
          task_id: run.task.task_id,
          tool_call_id: call.tool_call_id,
          status: answer.status,
          output: answer.output,
          error: answer.error,
          at: draft.at.toISOString()
        })
      }
      change(run, draft, position, broughtIn(step, services.registry.tool(call.tool), answer.output ?? call.output))
      // What the call had as an error before it was settled is no error of its end.
      const { error } = answer
      return endStep(
        services,
        run,
        draft,
        position,
        answer.status === "succeeded" && error === undefined
          ? { output: answer.output ?? call.output ?? undefined }
          : { error: error ?? { code: "tool.failed", message: answer.reply, retryable: false } }
      )
    }
    case "PutOff": {
      const { counts, until } = answer
      draft.row = { ...draft.row, counts: draft.row.counts || counts }
      if (step.status !== "waiting") change(run, draft, position, { status: "waiting" })
      draft.waits.set(
        position,
        until === "person"
          ? { for: "person" }
          : until === "quiet"
          ? { for: "quiet", tool_call_id: call.tool_call_id }
          : { for: "retry", ms: until }
      )
    }
  }
})

/** Of a canceled task: nothing is sent any more, and what may have happened is found out where it can be. */
const closeCall = Effect.fnUntraced(function*(
  all: Services,
  run: TaskRun,
  draft: Draft,
  step: StepRow,
  call: StoredCall,
  row: WorkRow
) {
  const ended = call.status === "succeeded" || call.status === "failed" || call.status === "canceled"
  const asks = call.guarantee === "probe" && call.effect !== "read"
  if (ended || (asks && call.status !== "planned")) return yield* takeUpCall(all, run, draft, step, call, row)
  if (leavesNoTrace(call) || (call.status === "planned" && call.open_attempts === 0)) {
    return notSent(all, run, draft, step, call)
  }
  // It was to be repeated, and what was sent before could have landed: again nobody knows.
  if (call.status === "attempted" || call.status === "planned") {
    draft.ended.push({
      task_id: run.task.task_id,
      tool_call_id: call.tool_call_id,
      status: "unknown",
      error: canceled,
      at: draft.at.toISOString()
    })
    tell(all.services, draft, callFact("tool_call.unknown", run.task, step.step_id, call, draft.at, canceled))
  }
  if (step.status !== "waiting") change(run, draft, step.position, { status: "waiting" })
  draft.waits.set(step.position, { for: "person" })
})

/** What is to be said and done of a task that was claimed, into a draft. */
export const takeUp = Effect.fnUntraced(function*(
  all: Services,
  run: TaskRun,
  draft: Draft,
  loaded: LoadedTask,
  row: WorkRow
): Effect.fn.Return<void, SqlError.SqlError> {
  const { services } = all
  const began = loaded.steps.some((step) => step.started_at !== undefined)
  if (run.wish !== "cancel") {
    draft.row = { ...draft.row, status: "running" }
    if (loaded.interrupted) {
      tell(services, draft, taskFact("task.recovered", run.task, draft.at, `${run.task.name} goes on.`), "begun")
    } else if (!began && loaded.task.status === "pending") {
      tell(services, draft, startedFact(run.task, draft.at), "begun")
    }
  }
  for (const step of loaded.steps) {
    const call = loaded.calls.get(step.position)
    const due = loaded.due.has(step.position)
    if (step.status === "running" || step.status === "waiting") {
      if (call !== undefined) {
        yield* run.wish === "cancel"
          ? closeCall(all, run, draft, step, call, row)
          : takeUpCall(all, run, draft, step, call, row)
      } else if (step.kind === "wait" && step.status === "waiting") {
        const { question } = step.input as WaitInput
        if (!due) {
          const at = step.wake_at ?? draft.at.toISOString()
          draft.waits.set(step.position, question === undefined ? { for: "time", at } : { for: "answer", question, at })
        } else if (question === undefined) {
          endStep(services, run, draft, step.position, {})
        } else {
          const message = "Nobody answered the question within a day."
          endStep(services, run, draft, step.position, {
            error: { code: "task.unanswered", message, retryable: false }
          })
        }
      } else {
        // Nothing of it can have been done: a read, a transactional call, a question to a model.
        if (run.wish === "cancel") endStep(services, run, draft, step.position, { error: canceled })
        else change(run, draft, step.position, { status: "pending" }, true)
      }
    } else if (step.status === "pending" && !due && step.wake_at !== undefined) {
      draft.waits.set(step.position, { for: "retry", at: step.wake_at })
    }
  }
})
