/**
 * The calls of the tasks that this host holds: from the slot that a call waits for to the end that is written.
 *
 * What counts across hosts is taken before the intent, the intent is a commit under the claim, and the end is another; a
 * read has no intent and is noted only where it takes long.
 */
import { type Cause, Clock, Effect } from "effect"
import type { SqlError } from "effect/sql"
import { childEvents } from "../pipeline/ChildEvents.ts"
import { blockedError } from "../pipeline/Executor.ts"
import { countDown, type Lane, type Work } from "../tools/ToolExecutor.ts"
import type { Advanced, AttemptedCall, Checkpoints } from "./Checkpoints.ts"
import type { PutCall } from "./CheckpointStatement.ts"
import { attemptedRow, endCall, refuseCall, type StepServices } from "./StepRunner.ts"
import { toAdvance } from "./TaskProgress.ts"
import {
  apply,
  change,
  type Draft,
  makeDraft,
  type Start,
  store,
  type TaskConclusion,
  type TaskRun
} from "./TaskRun.ts"

/** A read or a transactional call that takes longer than this is noted as attempted while it runs, milliseconds. */
const toldAfterMs = 50

type Queued = Extract<Start, { _tag: "Queued" }>
export type Write = Checkpoints["Service"]["write"]

/** What the calls need of the engine that holds the tasks. */
export interface CallHost {
  readonly services: StepServices
  readonly checkpoints: Checkpoints["Service"]
  readonly fork: (effect: Effect.Effect<void>) => void
  readonly commit: (
    run: TaskRun,
    change: (draft: Draft) => Effect.Effect<void, SqlError.SqlError> | void
  ) => Effect.Effect<void>
  /** Completes and writes a draft; the lock is held. */
  readonly write: (run: TaskRun, draft: Draft, by: Write) => Effect.Effect<Advanced | undefined, SqlError.SqlError>
  /** What follows a write; the lock is held. */
  readonly after: (run: TaskRun, draft: Draft, advanced: Advanced | undefined) => Effect.Effect<void, SqlError.SqlError>
  /** A write that could not be made. */
  readonly lost: (run: TaskRun, cause: Cause.Cause<unknown>) => Effect.Effect<void>
  /** Forgets a task; `release` gives its claim back. */
  readonly drop: (run: TaskRun) => void
  readonly release: (run: TaskRun) => Effect.Effect<void>
}

export const makeCalls = ({ after, checkpoints, commit, drop, fork, lost, release, services, write }: CallHost) => {
  const { admission, audit, tools } = services

  /** An attempted call, as the executor runs it. */
  const runCall = Effect.fnUntraced(function*(
    run: TaskRun,
    position: number,
    work: Work,
    call: PutCall,
    known: AttemptedCall | undefined,
    leftMs = countDown(call.deadline_ms),
    begun?: () => void
  ) {
    const hold: { taken: boolean; stored: boolean; ended: boolean; busy?: boolean } = {
      taken: false,
      stored: known !== undefined,
      ended: false
    }
    const began = new Date(yield* Clock.currentTimeMillis)
    const conclude: Lane<TaskConclusion>["conclude"] = Effect.fnUntraced(function*(attempted, ending, left, at) {
      if (!hold.taken) {
        hold.ended = true
        yield* run.lock.take(1)
        hold.taken = true
      }
      const { emitted, rows } = yield* childEvents(services, attempted, ending, left, at)
      return { settlement: undefined, emitted, rows, draft: undefined, advanced: undefined }
    })
    const settle = (by: Write): Lane<TaskConclusion>["settle"] => (outcome, conclusion) =>
      Effect.gen(function*() {
        if (run.gone) return false
        const draft = makeDraft(run, new Date(outcome.at))
        store(run, draft, position)
        const rows = hold.stored
          ? outcome.rows
          : [audit.row(attemptedRow(work, run, position, began)), ...outcome.rows]
        for (const row of rows) draft.tellings.push({ row, told_when: "moved" })
        draft.left.push(outcome)
        endCall(services, run, draft, position, call, hold.stored, outcome)
        if (run.code !== undefined) {
          // Its end is an answer, and what the code does with it is not known yet; a delay or a wait is none, and may
          // take the place of an end that could not be written.
          hold.busy ??= run.code.busy
          run.code.busy = hold.busy || draft.steps.get(position)?.row.ended_at !== undefined
        }
        conclusion.draft = draft
        conclusion.advanced = yield* write(run, draft, by)
        return conclusion.advanced !== undefined
      })
    const lane: Lane<TaskConclusion> = {
      conclude,
      settle: settle(checkpoints.write),
      settleHere: settle(checkpoints.writeHere),
      settled: (_, conclusion) => {
        done = conclusion
      },
      lost: () => {
        drop(run)
        fork(release(run))
      }
    }
    let done: TaskConclusion | undefined
    const attempted = {
      ...work,
      attempt: known?.attempts ?? 1,
      open_attempts: known?.open_attempts ?? 1,
      leftMs,
      begun,
      signal: run.abort.signal
    }
    const noting = known === undefined
      ? setTimeout(() => fork(note(run, position, work, call, hold)), toldAfterMs)
      : undefined
    yield* tools.run(attempted, lane).pipe(
      Effect.andThen(Effect.suspend(() => {
        if (done?.draft !== undefined) return after(run, done.draft, done.advanced)
        return Effect.sync(() => drop(run))
      })),
      Effect.ensuring(Effect.suspend(() => {
        clearTimeout(noting)
        return hold.taken ? run.lock.release(1) : Effect.void
      })),
      Effect.catchCause((cause) => lost(run, cause))
    )
  }, Effect.uninterruptible)

  /** Notes a call without an intent as attempted, while it runs. */
  const note = (
    run: TaskRun,
    position: number,
    work: Work,
    call: PutCall,
    hold: { stored: boolean; ended: boolean }
  ) =>
    run.lock.withPermit(Effect.gen(function*() {
      if (run.gone || hold.ended || run.wish !== null) return
      const draft = yield* Effect.map(Clock.currentTimeMillis, (now) => makeDraft(run, new Date(now)))
      store(run, draft, position)
      const step = change(run, draft, position, { tool_call_id: call.tool_call_id }, true)
      if (step.status === "pending") change(run, draft, position, { status: "running" }, true)
      draft.calls.push(call)
      draft.tellings.push({
        row: audit.row(attemptedRow(work, run, position, draft.at)),
        told_when: "attempted",
        tool_call_id: call.tool_call_id
      })
      const advanced = yield* checkpoints.write(toAdvance(run, draft))
      if (advanced === undefined) return drop(run)
      apply(run, draft, advanced.wish)
      // Something is under way, whatever is wished.
      run.flight.add(position)
      hold.stored = advanced.attempted.length > 0
    })).pipe(Effect.uninterruptible, Effect.catchCause((cause) => lost(run, cause)))

  /** A call without an intent, once there is a slot. What the operator wished meanwhile comes first. */
  const direct = (run: TaskRun, { call, position, work }: Extract<Start, { _tag: "Direct" }>) =>
    Effect.andThen(
      tools.take(work.tool),
      Effect.suspend(() => {
        if (!run.gone && run.wish === null) return runCall(run, position, work, call, undefined)
        return Effect.andThen(
          tools.giveBack(work.tool),
          commit(run, (draft) => {
            draft.flight.delete(position)
            run.unstored.delete(position)
            if (run.steps.get(position)?.status === "running") change(run, draft, position, { status: "pending" })
          })
        )
      })
    )

  /** Takes what is counted across hosts; a call that may not begin ends its step. */
  const admitted = Effect.fnUntraced(function*(run: TaskRun, { call, position, work }: Queued) {
    if (work.guarded === undefined || run.gone) return true
    const tool = work.tool.definition.name
    const answer = yield* admission.admit({
      ...work.guarded,
      tool_call_id: call.tool_call_id,
      tool,
      trace_id: run.task.trace_id
    })
    if (answer.admitted) return true
    const error = blockedError(tool, answer.by, answer.reason)
    const type = answer.by === "antiflap" ? "gate.antiflap_block" : "gate.storm_block"
    yield* commit(run, (draft) => {
      const step = run.steps.get(position)
      if (step === undefined) return
      draft.flight.delete(position)
      const refused = { type, error, reasons: [error.message], verdict: "HARD_BLOCK" } as const
      refuseCall(services, run, draft, step, call, refused, call.needs_approval === true)
    })
    return false
  })

  /** A call whose slot has come: its intent, then the call. */
  const attempt = (run: TaskRun, start: Queued) =>
    admitted(run, start).pipe(
      Effect.catchCause((cause) => Effect.as(lost(run, cause), false)),
      Effect.flatMap((may) => may ? send(run, start) : tools.giveBack(start.work.tool))
    )

  const send = (run: TaskRun, { call, position, work }: Queued) => {
    let begun = false
    const begin = commit(run, (draft) => {
      begun = true
      change(run, draft, position, { tool_call_id: call.tool_call_id }, true)
      draft.calls.push(call)
      draft.tellings.push({
        row: audit.row(attemptedRow(work, run, position, draft.at)),
        told_when: "attempted",
        tool_call_id: call.tool_call_id
      })
      draft.starts.push({ _tag: "Attempted", position, work, call, leftMs: countDown(call.deadline_ms) })
    })
    // The claim may have been lost while the slot was waited for, or the turn to write.
    return Effect.andThen(begin, Effect.suspend(() => begun ? Effect.void : tools.giveBack(work.tool)))
  }

  return { runCall, direct, attempt }
}
