/**
 * Runs the tasks that this host holds.
 *
 * - Every move is a commit under the claim (`CheckpointStatement.ts`): what ended, what begins next and their audit rows are
 *   one write, shared with other tasks of the same moment. Nothing begins before the write that says so.
 * - A step that waits gives the claim back: it costs a row until it is due.
 * - A host that lost its claim writes nothing more; whoever claims next goes on from what is stored.
 */
import { Cause, Clock, Context, Effect, FiberSet, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { Notifications } from "../database/Notifications.ts"
import { isTransient } from "../database/Transient.ts"
import { HostLease } from "../health/HostLease.ts"
import { childEvents } from "../pipeline/ChildEvents.ts"
import { Settlements } from "../pipeline/Settlements.ts"
import { WorkQueue, type WorkRow } from "../pipeline/WorkQueue.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { Control } from "../safety/Control.ts"
import { CallRecovery } from "../tools/CallRecovery.ts"
import { countDown, type Lane, type Origin, ToolExecutor, type Work } from "../tools/ToolExecutor.ts"
import { Checkpoints, type Advanced, type AttemptedCall } from "./Checkpoints.ts"
import type { PutCall } from "./CheckpointStatement.ts"
import { makeCode } from "./CodeRunner.ts"
import { LlmRunner } from "./LlmRunner.ts"
import { attemptedRow, beginStep, beginStored, endCall, endStep, type StepServices } from "./StepRunner.ts"
import { giveBackClaims, tellInterrupted, wishesOf } from "./TaskClaims.ts"
import { taskChannel } from "./TaskCommands.ts"
import { type LoadedTask, loadTasks } from "./TaskLoader.ts"
import { complete, toAdvance } from "./TaskProgress.ts"
import type { CreatedTask } from "./TaskRows.ts"
// dprint-ignore
import { apply, change, type Draft, makeDraft, makeRun, type Start, store, type TaskConclusion, type TaskRun, type Wait } from "./TaskRun.ts"
import { takeUp } from "./TaskRecovery.ts"

/** A read or a transactional call that takes longer than this is noted as attempted while it runs, milliseconds. */
const toldAfterMs = 50

/** The longest time that is waited for here, beside steps that are under way, milliseconds. */
const longestHereMs = 3_600_000

/** Most tasks that this host holds at once. */
const capacity = 2_000

type Write = Checkpoints["Service"]["write"]

export class TaskEngine extends Context.Service<TaskEngine, {
  /** Takes up a task that was created claimed by this host, under the fence of its creation. */
  readonly begin: (
    created: CreatedTask,
    event: Origin,
    fence: number,
    /** Positions of the steps that were stored as begun. */
    begins: ReadonlyArray<number>
  ) => Effect.Effect<void>
  /** Whether this host may hold one more. */
  readonly hasRoom: () => boolean
}>()("syris/tasks/TaskEngine") {
  static readonly layer = Layer.effect(
    TaskEngine,
    Effect.gen(function*() {
      const audit = yield* Audit
      const checkpoints = yield* Checkpoints
      const control = yield* Control
      const { hostId } = yield* HostLease
      const llm = yield* LlmRunner
      const notifications = yield* Notifications
      const queue = yield* WorkQueue
      const recovery = yield* CallRecovery
      const registry = yield* Registry
      const settings = yield* Settings
      const settlements = yield* Settlements
      const sql = yield* SqlClient.SqlClient
      const tools = yield* ToolExecutor
      const services: StepServices = { audit, control, registry, settings, tools, stopping: false }
      const runs = new Map<string, TaskRun>()
      const taking = new Set<string>()
      const fibers = yield* FiberSet.make<void>()
      const fork = yield* FiberSet.runtime(fibers)<never>()

      const drop = (run: TaskRun): void => {
        run.gone = true
        if (runs.get(run.task.task_id) === run) runs.delete(run.task.task_id)
        run.abort.abort()
      }

      const draftOf = (run: TaskRun) => Effect.map(Clock.currentTimeMillis, (now) => makeDraft(run, new Date(now)))

      /** Slots that were taken for calls which are not to run. */
      const giveBack = (starts: ReadonlyArray<Start>) =>
        Effect.forEach(starts, (start) => start._tag === "Attempted" ? tools.giveBack(start.work.tool) : Effect.void, {
          discard: true
        })

      /** Completes and writes a draft. The lock is held. Nothing when the task is not ours any more. */
      const write = Effect.fnUntraced(function*(run: TaskRun, draft: Draft, by: Write) {
        yield* complete(services, run, draft)
        const advance = toAdvance(run, draft)
        draft.idle = advance.row.idle
        return yield* by(advance).pipe(Effect.onError(() => giveBack(draft.starts)))
      })

      /** After the commit: what is so now, and what is to be done. The lock is held. */
      const after = Effect.fnUntraced(function*(
        run: TaskRun,
        draft: Draft,
        advanced: Advanced | undefined
      ): Effect.fn.Return<void, SqlError.SqlError> {
        if (advanced === undefined) {
          yield* giveBack(draft.starts)
          return drop(run)
        }
        const attempted = new Map(advanced.attempted.map((call) => [call.tool_call_id, call]))
        // It was resumed, and this host did not hear of it: nothing was begun in this write that could be now.
        const deaf = run.wish !== null && advanced.wish === null
        apply(run, draft, advanced.wish)
        const settled = advanced.wish === null ? draft.settlement : undefined
        if (draft.left.some((left) => left.emitted.length > 0)) {
          run.emitted = true
          queue.wake()
        }
        if (settled !== undefined) settlements.announce(settled, draft.end !== undefined && !run.emitted)
        if (advanced.wish !== null) {
          yield* giveBack(draft.starts)
          // What its code would have been told is found again when it is taken up anew.
          run.stale = run.code !== undefined
          if (draft.flight.size > 0) return
          // What was to begin did not: then it is still to be said that nothing is under way.
          if (!draft.idle) {
            const last = yield* draftOf(run)
            return yield* after(run, last, yield* write(run, last, checkpoints.write))
          }
          queue.wake()
          return drop(run)
        }
        if (draft.end !== undefined || draft.row.put_off) {
          // A place is free, or something will be due.
          if (draft.row.put_off || runs.size >= capacity) queue.wake()
          return drop(run)
        }
        for (const step of draft.steps.values()) {
          if (step.row.ended_at !== undefined) run.code?.answer(step.row)
        }
        for (const start of draft.starts) yield* go(run, start, attempted)
        for (const [position, wait] of draft.waits) if (!waiting.has(wait)) wakeLater(run, position, wait)
        if (deaf || (run.code?.busy === false && run.flight.size === 0)) fork(commit(run, () => {})) // its code rests
      })

      /** Waits of steps beside which others are under way; the claim is kept, and the time with it. */
      const waiting = new WeakSet<Wait>()
      const wakeLater = (run: TaskRun, position: number, wait: Wait): void => {
        if (wait.for !== "retry" && wait.for !== "time") return
        const ms = wait.ms ?? Date.parse(wait.at ?? "") - Date.now()
        // A later time is seen when the others have ended, or at the next look at the task.
        if (!(ms <= longestHereMs)) return
        waiting.add(wait)
        const wake = commit(run, (draft) => {
          const step = run.steps.get(position)
          if (run.waits.get(position) !== wait || step === undefined) return
          if (wait.for === "time") return endStep(services, run, draft, position, {})
          if (step.status !== "pending") return
          draft.waits.delete(position)
          // What comes next in a list is found by itself; code waits for the answer to what it asked.
          if (run.task.kind !== "code") return
          run.stale = run.wish !== null || services.stopping || control.current().paused
          return run.stale ? undefined : beginStep(services, run, draft, step)
        })
        setTimeout(() => run.gone ? undefined : void fork(wake), Math.max(0, ms)).unref()
      }

      /** Writes a draft and does what follows. */
      const commit = (run: TaskRun, change: (draft: Draft) => Effect.Effect<void, SqlError.SqlError> | void) =>
        run.lock.withPermit(Effect.gen(function*() {
          if (run.gone) return
          const draft = yield* draftOf(run)
          const changed = change(draft)
          // Some of it may have taken its slot already.
          if (changed !== undefined) yield* Effect.onError(changed, () => giveBack(draft.starts))
          yield* after(run, draft, yield* write(run, draft, checkpoints.write))
        })).pipe(
          Effect.uninterruptible,
          Effect.catchCause((cause) => lost(run, cause))
        )

      /** A write that could not be made: whoever claims the task next goes on from what is stored. */
      const lost = (run: TaskRun, cause: Cause.Cause<unknown>) => {
        drop(run)
        if (!isTransient(Cause.squash(cause))) return Effect.logError(`The task ${run.task.name} is put aside.`, cause)
        fork(releaseClaims([{ work_id: run.task.task_id, fence: run.fence }]))
        return Effect.logWarning(`The task ${run.task.name} is put aside: the database is away.`)
      }

      const releaseClaims = (claims: ReadonlyArray<Pick<WorkRow, "work_id" | "fence">>) =>
        giveBackClaims(hostId, claims, () => services.stopping).pipe(
          Effect.provideService(SqlClient.SqlClient, sql),
          Effect.andThen(Effect.sync(queue.wake)),
          Effect.ignore
        )

      /** An attempted call, as the executor runs it. */
      const runCall = Effect.fnUntraced(function*(
        run: TaskRun,
        position: number,
        work: Work,
        call: PutCall,
        known: AttemptedCall | undefined,
        leftMs = countDown(call.deadline_ms)
      ) {
        const hold: { taken: boolean; stored: boolean; ended: boolean; busy?: boolean } = {
          taken: false,
          stored: known !== undefined,
          ended: false
        }
        const began = new Date(yield* Clock.currentTimeMillis)
        const conclude: Lane<TaskConclusion>["conclude"] = Effect.fnUntraced(function*(attempted, _, left, at) {
          if (!hold.taken) {
            hold.ended = true
            yield* run.lock.take(1)
            hold.taken = true
          }
          const { emitted, rows } = yield* childEvents(services, attempted, left, at)
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
            fork(releaseClaims([{ work_id: run.task.task_id, fence: run.fence }]))
          }
        }
        let done: TaskConclusion | undefined
        const attempted = {
          ...work,
          attempt: known?.attempts ?? 1,
          open_attempts: known?.open_attempts ?? 1,
          leftMs,
          signal: run.abort.signal
        }
        const noting = known === undefined
          ? setTimeout(() => void fork(note(run, position, work, call, hold)), toldAfterMs)
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
          const draft = yield* draftOf(run)
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

      /** Does what a commit has begun. */
      const go = Effect.fnUntraced(function*(
        run: TaskRun,
        start: Start,
        attempted: ReadonlyMap<string, AttemptedCall>
      ) {
        const { position } = start
        switch (start._tag) {
          case "Decide":
            return void fork(decide(run, position))
          case "Direct":
            return void fork(direct(run, start))
          case "Queued":
            return void fork(Effect.andThen(tools.take(start.work.tool), attempt(run, start)))
          case "Attempted": {
            const { call, leftMs, work } = start
            const known = attempted.get(call.tool_call_id)
            if (known !== undefined) return void fork(runCall(run, position, work, call, known, leftMs))
            yield* tools.giveBack(work.tool)
            return void fork(holdBack(run, position))
          }
        }
      })

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

      /** A call whose slot has come: its intent, then the call. */
      const attempt = (run: TaskRun, { call, position, work }: Extract<Start, { _tag: "Queued" }>) => {
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

      /** Pause, policy or a lapsed lease held the intent back: it is judged again in a moment. */
      const holdBack = Effect.fnUntraced(function*(run: TaskRun, position: number) {
        yield* Effect.ignore(control.refresh)
        yield* commit(run, (draft) => {
          draft.flight.delete(position)
          draft.waits.set(position, { for: "retry", ms: 1_000 })
        })
      })

      const decide = Effect.fnUntraced(function*(run: TaskRun, position: number) {
        const decided = yield* llm.decide(run, position)
        yield* commit(run, (draft) => llm.apply(run, draft, position, decided))
      })

      const code = makeCode({
        services,
        commit,
        fork: (effect) => void fork(effect),
        direct: (run, start) => void fork(direct(run, start))
      })

      /** Does the steps that were stored as begun with their task: most need no write before they run. */
      const launch = (run: TaskRun, begins: ReadonlyArray<number>) =>
        run.lock.withPermit(Effect.gen(function*() {
          const draft = yield* draftOf(run)
          for (const position of begins) {
            const step = run.steps.get(position)
            if (step !== undefined) yield* beginStored(services, run, draft, step)
          }
          const runs = draft.starts.every(({ _tag }) => _tag !== "Attempted") && draft.flight.size === begins.length
          if (!runs || begins.length === 0) return yield* after(run, draft, yield* write(run, draft, checkpoints.write))
          for (const position of draft.flight) run.flight.add(position)
          for (const start of draft.starts) yield* go(run, start, new Map())
        })).pipe(Effect.uninterruptible, Effect.catchCause((cause) => lost(run, cause)))

      const begin = (created: CreatedTask, event: Origin, fence: number, begins: ReadonlyArray<number>) =>
        Effect.sync(() => {
          const steps = created.steps.map((step) =>
            begins.includes(step.position)
              ? { ...step, status: "running" as const, started_at: created.task.created_at }
              : step
          )
          const run = makeRun({ task: created.task, event, fence, status: "running", steps })
          runs.set(run.task.task_id, run)
          if (run.task.kind === "code") code.start(run)
          else fork(launch(run, begins))
        })

      /** Goes on with a task that was claimed. */
      const resume = (loaded: LoadedTask, row: WorkRow) => {
        const run = makeRun({
          task: loaded.task,
          event: loaded.event,
          fence: row.fence,
          status: loaded.task.status,
          steps: loaded.steps,
          checkpoint: row.checkpoint,
          wish: row.wish
        })
        runs.set(run.task.task_id, run)
        taking.delete(run.task.task_id)
        const isCode = run.task.kind === "code" && run.wish === null
        if (isCode) code.prepare(run)
        return Effect.andThen(
          commit(run, (draft) => takeUp({ services, recovery }, run, draft, loaded, row)),
          Effect.sync(() => {
            if (isCode && !run.gone) code.start(run)
          })
        )
      }

      yield* queue.serve("task", {
        size: () => runs.size + taking.size,
        active: () => [...runs.keys(), ...taking],
        resume: Effect.fnUntraced(function*(rows) {
          for (const row of rows) taking.add(row.work_id)
          const of = new Map(rows.map((row) => [row.work_id, row]))
          yield* loadTasks(rows.map((row) => row.work_id)).pipe(
            Effect.provideService(SqlClient.SqlClient, sql),
            Effect.map((tasks) => {
              for (const loaded of tasks) {
                const row = of.get(loaded.task.task_id)
                if (row !== undefined) fork(resume(loaded, row))
              }
            }),
            Effect.catchCause((cause) => {
              fork(releaseClaims(rows))
              return Effect.logWarning("Tasks can't be read.", Cause.squash(cause))
            }),
            Effect.ensuring(Effect.sync(() => {
              for (const row of rows) taking.delete(row.work_id)
            }))
          )
        }),
        interrupted: (rows) => Effect.provideService(tellInterrupted(rows, audit), SqlClient.SqlClient, sql)
      })

      /** What is wished of the tasks that this host holds, after messages may have been missed. */
      const readWishes = Effect.suspend(() => wishesOf([...runs.keys()])).pipe(
        Effect.provideService(SqlClient.SqlClient, sql),
        Effect.map((wishes) => wishes.forEach(hear)),
        Effect.ignore
      )

      const hear = (message: string): void => {
        if (message === "") return void fork(readWishes)
        const [verb, task_id = ""] = message.split(" ")
        const run = runs.get(task_id)
        if (run === undefined) return
        if (verb === "cancel") {
          run.wish = "cancel"
          run.abort.abort()
        }
        if (verb === "pause") run.wish = "pause"
        if (verb === "resume") run.wish = null
        if (run.flight.size === 0 || verb === "resume") fork(commit(run, () => {}))
      }
      yield* notifications.listen(taskChannel, hear)

      // Before the fibers are closed, which waits for what runs: it may finish, and nothing more begins.
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          services.stopping = true
        })
      )

      return TaskEngine.of({ begin, hasRoom: () => runs.size + taking.size < capacity })
    })
  )
}
