/**
 * Runs the tasks that this host holds.
 *
 * - Every move is a commit under the claim (`CheckpointStatement.ts`): what ended, what begins next and their audit rows are
 *   one write, shared with other tasks of the same moment. Nothing begins before the write that says so, but reads
 *   (`UnwrittenDecision.ts`).
 * - A step that waits gives the claim back: it costs a row until it is due.
 * - A host that lost its claim writes nothing more; whoever claims next goes on from what is stored.
 */
import { Cause, Clock, Context, Effect, FiberSet, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { Notifications } from "../database/Notifications.ts"
import { isTransient } from "../database/Transient.ts"
import { HostLease } from "../health/HostLease.ts"
import { Settlements } from "../pipeline/Settlements.ts"
import { WorkQueue, type WorkRow } from "../pipeline/WorkQueue.ts"
import { Registry } from "../plugin/Registry.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { Settings } from "../plugin/Settings.ts"
import { Admission } from "../safety/Admission.ts"
import { Control } from "../safety/Control.ts"
import { Gates } from "../safety/Gates.ts"
import { CallPlanner } from "../tools/CallPlanner.ts"
import { CallRecovery } from "../tools/CallRecovery.ts"
import { type Origin, ToolExecutor } from "../tools/ToolExecutor.ts"
import { Checkpoints, type Advanced, type AttemptedCall } from "./Checkpoints.ts"
import { makeCode } from "./CodeRunner.ts"
import { LlmRunner } from "./LlmRunner.ts"
import { beginStep, beginStored, endStep, type StepServices } from "./StepRunner.ts"
import { makeCalls, type Write } from "./TaskCalls.ts"
import { giveBackClaims, tellInterrupted, wishesOf } from "./TaskClaims.ts"
import { taskChannel } from "./TaskCommands.ts"
import { type LoadedTask, loadTasks } from "./TaskLoader.ts"
import { complete, toAdvance } from "./TaskProgress.ts"
import type { CreatedTask } from "./TaskRows.ts"
import {
  apply,
  type Draft,
  makeDraft,
  makeRun,
  type Start,
  type TaskRun,
  type Unwritten,
  type Wait
} from "./TaskRun.ts"
import { takeUp, takeUpCall } from "./TaskRecovery.ts"
import { keepUnwritten, mayWait, writtenAfterMs } from "./UnwrittenDecision.ts"

/** The longest time that is waited for here, beside steps that are under way, milliseconds. */
const longestHereMs = 3_600_000

/** Before an approval that a step waits for is looked at again, beside steps that are under way, milliseconds. */
const lookAgainMs = 5_000

/** Most tasks that this host holds at once. */
const capacity = 2_000

/** Of a row of work that is held here, where only its ids matter. */
const claimedRow = { kind: "task", fence: 0, tries: 0, checkpoint: 0, wish: null } as const

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
      const admission = yield* Admission
      const audit = yield* Audit
      const checkpoints = yield* Checkpoints
      const control = yield* Control
      const gates = yield* Gates
      const { hostId } = yield* HostLease
      const llm = yield* LlmRunner
      const notifications = yield* Notifications
      const planner = yield* CallPlanner
      const queue = yield* WorkQueue
      const recovery = yield* CallRecovery
      const redactor = yield* Redactor
      const registry = yield* Registry
      const settings = yield* Settings
      const settlements = yield* Settlements
      const sql = yield* SqlClient.SqlClient
      const tools = yield* ToolExecutor
      const services: StepServices = {
        admission,
        audit,
        control,
        gates,
        planner,
        redactor,
        registry,
        settings,
        tools,
        stopping: false
      }
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

      /** What a pause waits for, of the calls whose intents were sent. */
      const begins = new WeakMap<Start, () => void>()

      /** Slots that were taken for calls which are not to run. */
      const giveBack = (starts: ReadonlyArray<Start>) =>
        Effect.forEach(starts, (start) => {
          begins.get(start)?.()
          return start._tag === "Attempted" ? tools.giveBack(start.work.tool) : Effect.void
        }, { discard: true })

      /** Writes a draft that is complete. The lock is held. Nothing when the task is not ours any more. */
      const send = Effect.fnUntraced(function*(run: TaskRun, draft: Draft, by: Write) {
        const advance = toAdvance(run, draft)
        draft.idle = advance.row.idle
        // An intent is in it: a pause waits until its effect has begun, or will not.
        const intents = draft.starts.filter((start) => start._tag === "Attempted")
        for (const start of intents) begins.set(start, control.enter())
        return yield* by(advance).pipe(Effect.onError(() => {
          for (const start of intents) begins.get(start)?.()
          return giveBack(draft.starts)
        }))
      })

      /** Completes a draft, and writes it. */
      const write = (run: TaskRun, draft: Draft, by: Write) =>
        Effect.andThen(complete(services, run, draft), Effect.suspend(() => send(run, draft, by)))

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
        if (wait.for === "approval") {
          waiting.add(wait)
          const look = lookAt(run, position, wait)
          // It is told when it is decided; that may be missed, and its time ends by itself.
          const again = setInterval(() => {
            if (run.gone || run.waits.get(position) !== wait) return clearInterval(again)
            fork(look)
          }, Math.min(wait.ms + 50, lookAgainMs)).unref()
          return
        }
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

      /** Looks what became of the approval that a step waits for, beside others that are under way. */
      const lookAt = (run: TaskRun, position: number, wait: Wait) =>
        commit(run, (draft) =>
          Effect.gen(function*() {
            const { task_id } = run.task
            if (run.waits.get(position) !== wait || run.wish !== null) return
            const [loaded] = yield* Effect.provideService(loadTasks([task_id]), SqlClient.SqlClient, sql)
            const step = loaded?.steps.find((one) => one.position === position)
            const call = loaded?.calls.get(position)
            if (step === undefined || call === undefined) return
            // An edit put another call in the place of the one that was asked about.
            run.steps.set(position, step)
            if (control.current().paused && call.approval?.status === "approved") return
            draft.waits.delete(position)
            const row = { ...claimedRow, work_id: task_id, event_id: run.event.event_id, trace_id: run.task.trace_id }
            yield* takeUpCall({ services, recovery }, run, draft, step, call, row)
          }))

      /** Writes a draft and does what follows; one that `may` wait is written with the next. */
      const commit = (
        run: TaskRun,
        change: (draft: Draft) => Effect.Effect<void, SqlError.SqlError> | void,
        may: { readonly wait?: boolean | undefined; readonly unlessWritten?: Unwritten } = {}
      ) =>
        run.lock.withPermit(Effect.gen(function*() {
          if (run.gone || (may.unlessWritten !== undefined && run.unwritten !== may.unlessWritten)) return
          const draft = yield* draftOf(run)
          const changed = change(draft)
          // Some of it may have taken its slot already.
          if (changed !== undefined) yield* Effect.onError(changed, () => giveBack(draft.starts))
          yield* complete(services, run, draft)
          if (may.wait === true && mayWait(run, draft)) return yield* leaveUnwritten(run, draft)
          yield* after(run, draft, yield* send(run, draft, checkpoints.write))
        })).pipe(
          Effect.uninterruptible,
          Effect.catchCause((cause) => lost(run, cause))
        )

      /** Begins what a decision has begun, which is written with the next write, or in a moment. The lock is held. */
      const leaveUnwritten = Effect.fnUntraced(function*(run: TaskRun, draft: Draft) {
        const unwritten = keepUnwritten(run, draft)
        setTimeout(() => {
          if (run.unwritten === unwritten && !run.gone) fork(commit(run, () => {}, { unlessWritten: unwritten }))
        }, writtenAfterMs).unref()
        for (const start of draft.starts) yield* go(run, start, new Map())
      })

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
            return void fork(calls.direct(run, start))
          case "Queued":
            return void fork(Effect.andThen(tools.take(start.work.tool), calls.attempt(run, start)))
          case "Attempted": {
            const { call, leftMs, work } = start
            const known = attempted.get(call.tool_call_id)
            const begun = begins.get(start)
            if (known !== undefined) return void fork(calls.runCall(run, position, work, call, known, leftMs, begun))
            begun?.()
            yield* tools.giveBack(work.tool)
            return void fork(holdBack(run, position))
          }
        }
      })

      /** Pause, policy or a lapsed lease held the intent back: it is judged again in a moment. */
      const holdBack = Effect.fnUntraced(function*(run: TaskRun, position: number) {
        yield* Effect.ignore(gates.refresh)
        yield* commit(run, (draft) => {
          draft.flight.delete(position)
          draft.waits.set(position, { for: "retry", ms: 1_000 })
        })
      })

      const decide = Effect.fnUntraced(function*(run: TaskRun, position: number) {
        const decided = yield* llm.decide(run, position)
        yield* commit(run, (draft) => llm.apply(run, draft, position, decided), { wait: decided.recorded })
      })

      const calls = makeCalls({
        services,
        checkpoints,
        commit,
        write,
        after,
        lost,
        drop,
        fork: (effect) => void fork(effect),
        release: (run) => releaseClaims([{ work_id: run.task.task_id, fence: run.fence }])
      })

      const code = makeCode({
        services,
        commit,
        fork: (effect) => void fork(effect),
        direct: (run, start) => void fork(calls.direct(run, start))
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

      const lookAtAll = (run: TaskRun): void => {
        for (const [position, wait] of run.waits) if (wait.for === "approval") fork(lookAt(run, position, wait))
      }

      const hear = (message: string): void => {
        if (message === "") {
          for (const run of runs.values()) lookAtAll(run)
          return void fork(readWishes)
        }
        const [verb, task_id = ""] = message.split(" ")
        const run = runs.get(task_id)
        if (run === undefined) return
        if (verb === "decided") return lookAtAll(run)
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
