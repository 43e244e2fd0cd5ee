/**
 * Completes a draft: what begins next, how the task ends, or what it waits for. Nothing is written here.
 */
import { Effect } from "effect"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { SettlementRow } from "../contract/Rows.ts"
import type { Advance } from "./Checkpoints.ts"
import { interrupted } from "../tools/Ending.ts"
import { decisionOf } from "./LlmSteps.ts"
import { answerBy, responseFact } from "../pipeline/Responder.ts"
import { nextSteps } from "./StepOrder.ts"
import { beginStep, endStep, type StepServices, tell } from "./StepRunner.ts"
import { callFact, stepFact, taskFact } from "./TaskFacts.ts"
import { change, type Draft, type Ended, stepsOf, type TaskRun, type Wait } from "./TaskRun.ts"
import type { StepRow } from "./TaskRows.ts"

/** Before a task that the pause of the whole system held back is looked at again. */
const heldMs = 1_000

const settlement = (
  { registry }: Pick<StepServices, "registry">,
  run: TaskRun,
  draft: Draft,
  outcome: SettlementRow["outcome"],
  reply: string | undefined,
  /** Where it waits: whether for an answer on the channel, and whether that was said already. */
  waits: { readonly asks: boolean; readonly said: boolean } = { asks: false, said: false }
): SettlementRow => ({
  event_id: run.task.trigger_event_id,
  trace_id: run.task.trace_id,
  lane: run.task.kind === "llm_plan" ? "llm_plan" : "task",
  outcome,
  reply,
  settled_at: draft.at.toISOString(),
  answer_by: waits.said ? undefined : answerBy(registry, run.event, outcome, waits.asks)
})

/** What an output says to a person, where it says something. */
export const wordsOf = (output: unknown): string | undefined => {
  if (typeof output === "string") return output
  if (typeof output !== "object" || output === null) return undefined
  return "message" in output && typeof output.message === "string" ? output.message : undefined
}

/** How a list of steps ends when all of them are done. */
const succeeded = (run: TaskRun, last: StepRow | undefined): Ended => {
  const decision = last === undefined ? undefined : decisionOf(last)
  if (decision?.action === "done") {
    return { status: "succeeded", output: { answer: decision.answer }, reply: decision.answer }
  }
  const words = wordsOf(last?.output)
  return { status: "succeeded", reply: words ?? `${run.task.name} is done.` }
}

const endTask = (services: StepServices, run: TaskRun, draft: Draft, end: Ended): void => {
  for (const step of stepsOf(run, draft)) {
    const { error, position, status, step_id, tool = "", tool_call_id } = step
    // It was refused, and is not tried again any more.
    if (status === "pending" && step.attempt > 0 && error !== undefined && tool_call_id !== undefined) {
      draft.ended.push({ task_id: run.task.task_id, tool_call_id, status: "failed", error, at: draft.at.toISOString() })
      const given = callFact("tool_call.failed", run.task, step_id, { tool_call_id, tool }, draft.at, error)
      // Whoever canceled the task has ended it already.
      tell(services, draft, given, "ended")
      endStep(services, run, draft, position, { error })
      continue
    }
    // It was under way when its holder ended, and is not begun again.
    if (status === "pending" && run.steps.get(position)?.status === "running") {
      endStep(services, run, draft, position, { error: interrupted })
      continue
    }
    // Code may leave a wait of its own behind.
    if (step.status !== "pending" && !(step.kind === "wait" && step.status === "waiting")) continue
    // Where the task is paused it does not end yet, and its code waits there again.
    change(run, draft, step.position, { status: "skipped", wake_at: undefined, ended_at: draft.at.toISOString() }, true)
  }
  draft.row = { ...draft.row, status: end.status, next_wake_at: undefined }
  draft.settlement = settlement(services, run, draft, end.status, end.reply)
  const response = responseFact(run.event, draft.settlement, draft.at, run.task.task_id)
  if (response !== undefined) tell(services, draft, response, "begun")
  tell(
    services,
    draft,
    end.status === "succeeded"
      ? taskFact("task.succeeded", run.task, draft.at, `${run.task.name} is done.`)
      : taskFact("task.failed", run.task, draft.at, `${run.task.name} failed: ${end.error?.message ?? ""}`, {
        error: end.error
      }),
    "begun"
  )
}

type Timed = Exclude<Wait, { readonly for: "person" | "quiet" }> & { readonly at?: string; readonly ms?: number }

/** Gives the claim back until the first of the waits is over. */
const putOff = (services: StepServices, run: TaskRun, draft: Draft): void => {
  const waits = [...draft.waits]
  const timed = waits.flatMap(([, wait]): ReadonlyArray<Timed> =>
    wait.for === "person" || wait.for === "quiet" ? [] : [wait]
  )
  const msOf = (wait: Timed): number => wait.ms ?? Math.max(0, Date.parse(wait.at ?? "") - draft.at.getTime())
  const first = timed.toSorted((a, b) => msOf(a) - msOf(b))[0]
  const quiet = waits.find(([, wait]) => wait.for === "quiet")?.[1] as Extract<Wait, { for: "quiet" }> | undefined
  const parked = first === undefined && quiet === undefined
  // While something goes on by itself the task does not count as waiting for anybody.
  const goesOn = waits.some(([, wait]) => wait.for === "retry" || wait.for === "quiet")
  const asks = goesOn ? undefined : waits.find(([, wait]) => wait.for === "answer")
  const approvals = goesOn ? [] : waits.filter(([, wait]) => wait.for === "approval")
  const person = waits.find(([, wait]) => wait.for === "person")
  const waits_for = goesOn
    ? undefined
    : asks !== undefined
    ? "answer"
    : approvals.length > 0
    ? "approval"
    : parked
    ? "person"
    : "time"
  draft.row = {
    ...draft.row,
    status: "waiting",
    put_off: true,
    parked,
    waits_for,
    due_at: first?.ms === undefined ? first?.at : undefined,
    due_in_ms: first?.ms,
    quiet_call: first === undefined ? quiet?.tool_call_id : undefined,
    next_wake_at: first === undefined ? undefined : first.at ?? new Date(draft.at.getTime() + msOf(first)).toISOString()
  }
  if (waits_for === undefined) return
  const [position, wait] = asks ?? approvals[0] ?? person ?? waits.find(([, one]) => one === first) ?? []
  const step = stepsOf(run, draft).find((one) => one.position === position)
  if (step === undefined || wait === undefined) return
  const { name } = run.task
  const words = wait.for === "answer"
    ? wait.question
    : wait.for === "approval"
    ? approvals.map(([, one]) => one.for === "approval" ? one.words : "").join("\n\n")
    : wait.for === "person"
    ? `${name} waits for you: it is not known whether ${step.tool ?? step.name} was done. ` +
      `See: syris settle ${step.tool_call_id ?? ""}`.trimEnd()
    : `${name} waits until ${draft.row.next_wake_at}.`
  // Said once, however often it is looked at.
  const said = run.status === "waiting" && run.steps.get(step.position)?.status === "waiting"
  const outcome = waits_for === "person" ? "unknown" : "waiting"
  draft.settlement = settlement(services, run, draft, outcome, words, { asks: waits_for === "answer", said })
  if (said) return
  tell(
    services,
    draft,
    stepFact("task.waiting", run.task, step, draft.at, words, {
      waits_for,
      ...(draft.row.next_wake_at === undefined ? {} : { until: draft.row.next_wake_at })
    }),
    "begun"
  )
}

/** A canceled task waits for nothing but the outcome of calls that may have happened. */
const keepOwed = (run: TaskRun, draft: Draft): void => {
  const steps = new Map(stepsOf(run, draft).map((step) => [step.position, step]))
  for (const position of draft.waits.keys()) {
    const step = steps.get(position)
    // Whoever canceled it has ended what waited for a yes.
    const asked = draft.waits.get(position)?.for === "approval"
    if (step?.kind !== "tool" || step.status !== "waiting" || asked) draft.waits.delete(position)
  }
}

/** Stored as begun, and not under way here: whoever takes the task up next sees what became of it. */
const isHeldBack = ({ waits }: Draft, { kind, position, status }: StepRow): boolean =>
  (status === "running" || (status === "waiting" && kind === "tool")) && !waits.has(position)

/** Whether something is under way: a step, or code that may ask for one. */
export const isBusy = (run: TaskRun, draft: Draft): boolean =>
  draft.flight.size > 0 || (run.code?.busy === true && !run.stale)

const canceled: ErrorDetail = { code: "task.canceled", message: "Its task was canceled.", retryable: false }

/** Of a canceled task: ends what was stored as begun and not sent. One with a call is looked at by whoever takes it up. */
const closeSteps = (services: StepServices, run: TaskRun, draft: Draft): void => {
  for (const { kind, position, status, tool_call_id } of run.steps.values()) {
    const open = status === "running" || (status === "waiting" && kind === "tool")
    if (!open || draft.flight.has(position) || draft.waits.has(position)) continue
    const now = draft.steps.get(position)?.row.status
    if (now !== undefined && now !== "pending") continue
    if (tool_call_id === undefined) endStep(services, run, draft, position, { error: canceled })
    else if (draft.flight.size === 0) draft.row = { ...draft.row, put_off: true, due_in_ms: 0 }
  }
}

/** Fills in what follows from what a draft has already. */
export const complete = Effect.fnUntraced(function*(services: StepServices, run: TaskRun, draft: Draft) {
  if (run.wish === "cancel") closeSteps(services, run, draft)
  const held = services.control.current().paused || services.stopping
  const mayBegin = run.wish === null && !held && draft.end === undefined
  if (run.task.kind !== "code" && mayBegin) {
    while (true) {
      const next = nextSteps(
        stepsOf(run, draft),
        (position) => draft.flight.has(position) || draft.waits.has(position)
      )
      if (next._tag === "Wait") break
      if (next._tag === "Begin") {
        for (const step of next.steps) yield* beginStep(services, run, draft, step)
        continue
      }
      draft.end = next._tag === "Succeeded" ? succeeded(run, next.last) : {
        status: "failed",
        ...(next.step.error === undefined ? {} : { error: next.step.error }),
        reply: `${run.task.name} failed at ${next.step.name}: ${next.step.error?.message ?? ""}`
      }
      break
    }
  }
  if (run.wish === "cancel") keepOwed(run, draft)
  // A call that the code left alone is awaited, too, where it is not known what became of it.
  const open = stepsOf(run, draft).some(({ kind, status }) =>
    kind === "tool" && (status === "running" || status === "waiting")
  )
  if (mayBegin && draft.flight.size === 0 && !open) draft.end ??= draft.codeEnded
  if (draft.end !== undefined) return endTask(services, run, draft, draft.end)
  if (isBusy(run, draft)) return
  if (stepsOf(run, draft).some((step) => isHeldBack(draft, step))) {
    draft.row = { ...draft.row, put_off: true, parked: false, due_in_ms: 0, status: "pending" }
    return
  }
  if (run.stale && run.wish === null) {
    draft.row = { ...draft.row, put_off: true, due_in_ms: 0, status: "pending" }
    return
  }
  if (draft.waits.size > 0) return putOff(services, run, draft)
  if (held && run.wish === null) {
    draft.row = { ...draft.row, put_off: true, due_in_ms: services.stopping ? 0 : heldMs, status: "pending" }
  }
})

/** The draft as the statement takes it. */
export const toAdvance = (run: TaskRun, draft: Draft): Advance => {
  const acts = draft.calls.find((call) => !call.intent && call.attempts > 0 && call.effect !== "read")
  const written = [...draft.steps.values()].map(({ begins, fresh, planned, row }) => ({
    row: { ...row, begins, planned },
    fresh
  }))
  return {
    row: {
      task_id: run.task.task_id,
      fence: run.fence,
      checkpoint: run.checkpoint + 1,
      ...draft.row,
      closes: draft.end !== undefined,
      idle: !isBusy(run, draft),
      known_wish: run.wish ?? undefined,
      acts_under: acts?.policy_version,
      output: draft.end?.output,
      error: draft.end?.error,
      at: draft.at.toISOString()
    },
    fresh: written.flatMap(({ fresh, row }) => fresh ? [row] : []),
    steps: written.flatMap(({ fresh, row }) => fresh ? [] : [row]),
    calls: draft.calls,
    ended: draft.ended,
    asked: draft.asked,
    settlement: draft.settlement,
    left: draft.left,
    tellings: draft.tellings
  }
}
