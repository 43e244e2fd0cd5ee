/**
 * The fast lane: one event, one call. Starts attempted calls, attempts planned ones when a slot of the tool is free, and
 * settles their events in the outcome's transaction.
 */
import { Clock, Context, Effect, FiberSet, Layer } from "effect"
import type { SqlError } from "effect/sql"
import { Audit, type Fact } from "../audit/Audit.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { EventRow } from "../contract/Rows.ts"
import { isTransient } from "../database/Transient.ts"
import { laneOf } from "../plugin/JobTool.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { Admission } from "../safety/Admission.ts"
import { Control } from "../safety/Control.ts"
import { Gates } from "../safety/Gates.ts"
import {
  attemptedFact,
  callRefs,
  countDown,
  type Lane,
  plannedWork,
  ToolExecutor,
  type Work
} from "../tools/ToolExecutor.ts"
import { type Plan, startAllowanceMs } from "../tools/ToolCallPlan.ts"
import { ToolLedger } from "../tools/ToolLedger.ts"
import { childEvents } from "./ChildEvents.ts"
import type { Stored } from "./Intake.ts"
import { answerBy, compose, responseFact } from "./Responder.ts"
import { Settlements } from "./Settlements.ts"
import { WorkQueue } from "./WorkQueue.ts"

/** Whose call it is: what its end leads to, and what becomes of one that may not begin. */
export interface Owner {
  readonly lane: Lane
  readonly refused: (
    work: Work,
    fact: Fact,
    error: ErrorDetail
  ) => Effect.Effect<void, SqlError.SqlError>
}

/** Told of a call that what is counted across hosts holds back. */
const blockedFact = (work: Work, by: "antiflap" | "storm", error: ErrorDetail, at: Date): Fact => ({
  type: by === "antiflap" ? "gate.antiflap_block" : "gate.storm_block",
  trace_id: work.event.trace_id,
  at,
  summary: error.message.slice(0, 300),
  refs: callRefs(work),
  tool: work.tool.definition.name,
  risk: work.risk,
  autonomy: work.autonomy,
  data: { verdict: "HARD_BLOCK", reasons: [error.message], error }
})

/** The error of such a call. */
export const blockedError = (tool: string, by: "antiflap" | "storm", reason: string): ErrorDetail => ({
  code: `gate.${by}`,
  message: `${tool} was not run: ${reason}`,
  retryable: false
})

/** Before a call that pause, policy or a full database held back is looked at again. */
const heldBackMs = 1_000

/** How long a stop lets calls finish by themselves. */
const drainMs = 3_000

export class Executor extends Context.Service<Executor, {
  /**
   * Has what was decided of an event stored, and runs its call. It is attempted in the same commit where a slot of the tool is
   * free and nothing is counted in the database first; else it is queued here, where this host holds it. Nothing is done where
   * nothing was stored.
   */
  readonly begin: <A extends Stored | undefined, E>(
    event: EventRow,
    plan: Plan,
    policy_version: number,
    store: (attempt: boolean) => Effect.Effect<A, E>
  ) => Effect.Effect<A, E>
  /** Attempts a planned call when a slot is free, and runs it. `attempt` is the attempt that this would be. */
  readonly queue: (work: Work, attempt: number, owner?: Owner) => Effect.Effect<void>
  /** How many calls are under way or wait for a slot in this host. */
  readonly size: () => number
  /** Their events. */
  readonly active: () => ReadonlyArray<string>
}>()("syris/pipeline/Executor") {
  static readonly layer = Layer.effect(
    Executor,
    Effect.gen(function*() {
      const admission = yield* Admission
      const audit = yield* Audit
      const control = yield* Control
      const gates = yield* Gates
      const ledger = yield* ToolLedger
      const registry = yield* Registry
      const settings = yield* Settings
      const settlements = yield* Settlements
      const tools = yield* ToolExecutor
      const queue = yield* WorkQueue
      const active = new Map<string, number>()
      let size = 0

      const conclude: Lane["conclude"] = Effect.fnUntraced(function*(work, ending, left, at) {
        const { emitted, rows } = yield* childEvents({ audit, registry, settings }, work, ending, left, at)
        const { event } = work
        const settlement = ending.status === "unknown" ? undefined : {
          event_id: event.event_id,
          trace_id: event.trace_id,
          lane: laneOf(work.tool.definition.name),
          outcome: ending.status,
          reply: compose(work.tool, ending),
          settled_at: at.toISOString(),
          answer_by: answerBy(registry, event, ending.status)
        }
        const response = settlement === undefined ? undefined : responseFact(event, settlement, at)
        return { emitted, settlement, rows: response === undefined ? rows : [...rows, audit.row(response)] }
      })

      const lane: Lane = {
        conclude,
        settle: ledger.settle,
        settleHere: ledger.settleHere,
        settled: ({ event }, { emitted, settlement }) => {
          const alone = emitted.length === 0 && (settlement?.answer_by ?? "chat") === "chat"
          if (settlement !== undefined) settlements.announce(settlement, alone)
          // A child, a call to look at again, or the next of the thread.
          if (emitted.length > 0 || settlement === undefined || (event.thread_id ?? null) !== null) queue.wake()
        }
      }

      const fibers = yield* FiberSet.make<void>()
      // Before the fibers are closed, which waits for what runs: it may finish, then its signal ends it.
      yield* Effect.addFinalizer(() => Effect.sync(() => void setTimeout(tools.stop, drainMs)))
      const fork = yield* FiberSet.runtime(fibers)<never>()

      const counted = (work: Work, effect: Effect.Effect<void>): Effect.Effect<void> =>
        Effect.sync(() => {
          size++
          active.set(work.work_id, (active.get(work.work_id) ?? 0) + 1)
          fork(Effect.ensuring(
            effect,
            Effect.sync(() => {
              size--
              const left = (active.get(work.work_id) ?? 1) - 1
              if (left === 0) active.delete(work.work_id)
              else active.set(work.work_id, left)
            })
          ))
        })

      const own: Owner = {
        lane,
        refused: Effect.fnUntraced(function*(work, fact, error) {
          const { event } = work
          const settlement = {
            event_id: event.event_id,
            trace_id: event.trace_id,
            lane: laneOf(work.tool.definition.name),
            outcome: "failed" as const,
            reply: error.message,
            settled_at: fact.at.toISOString(),
            answer_by: answerBy(registry, event, "failed")
          }
          const response = responseFact(event, settlement, fact.at)
          const told = response === undefined ? [fact] as const : [fact, response] as const
          if (yield* ledger.abandon(work, "canceled", told, settlement)) settlements.announce(settlement, false)
        })
      }

      /** Takes what is counted across hosts; answers whether the call may begin. */
      const admitted = Effect.fnUntraced(function*(work: Work, owner: Owner) {
        if (work.guarded === undefined) return true
        const answer = yield* admission.admit({
          ...work.guarded,
          tool_call_id: work.tool_call_id,
          tool: work.tool.definition.name,
          trace_id: work.event.trace_id
        })
        if (answer.admitted) return true
        const error = blockedError(work.tool.definition.name, answer.by, answer.reason)
        const at = new Date(yield* Clock.currentTimeMillis)
        yield* owner.refused(work, blockedFact(work, answer.by, error, at), error)
        return false
      })

      const attempt = Effect.fnUntraced(function*(work: Work, number: number, owner: Owner) {
        const may = yield* admitted(work, owner).pipe(Effect.onError(() => tools.giveBack(work.tool)))
        if (!may) return yield* tools.giveBack(work.tool)
        const begun = control.enter()
        const leftMs = countDown(work.tool.timeoutMs + startAllowanceMs)
        const moved = yield* Effect.onError(
          ledger.attempt({
            tool_call_id: work.tool_call_id,
            work_id: work.work_id,
            fence: work.fence,
            deadline_ms: work.tool.timeoutMs + startAllowanceMs,
            policy_version: work.policy_version,
            steers: work.steers,
            approved: work.approved,
            row: audit.row(attemptedFact(work, number, new Date(yield* Clock.currentTimeMillis)))
          }),
          () => {
            begun()
            return tools.giveBack(work.tool)
          }
        )
        if (moved === undefined) {
          begun()
          yield* tools.giveBack(work.tool)
          yield* gates.refresh
          return yield* ledger.putOff(work, heldBackMs)
        }
        yield* tools.run(
          { ...work, attempt: moved.attempts, open_attempts: moved.open_attempts, leftMs, begun },
          owner.lane
        )
      })

      const queued: Executor["Service"]["queue"] = (work, number, owner = own) =>
        counted(
          work,
          Effect.andThen(
            tools.take(work.tool),
            Effect.uninterruptible(
              attempt(work, number, owner).pipe(
                // The claim is still ours, and still there for whoever comes after us.
                Effect.catch((error) =>
                  isTransient(error)
                    ? Effect.logWarning("A call could not be attempted: the database is away.")
                    : Effect.logError("A call could not be attempted.", error)
                )
              )
            )
          )
        )

      const begin: Executor["Service"]["begin"] = (event, plan, policy_version, store) =>
        Effect.gen(function*() {
          const counts = plan.guarded !== undefined && admission.limits(plan.guarded)
          const slot = !counts && (yield* tools.takeIfFree(plan.tool))
          const begun = slot ? control.enter() : () => {}
          const letGo = Effect.suspend(() => {
            begun()
            return slot ? tools.giveBack(plan.tool) : Effect.void
          })
          const leftMs = countDown(plan.row.deadline_ms)
          const stored = yield* Effect.onError(store(slot), () => letGo)
          if (stored === undefined) {
            yield* letGo
            return stored
          }
          const work = plannedWork(event, plan, stored.fence, policy_version)
          if (stored.attempted && !active.has(event.event_id)) {
            if (slot) {
              yield* counted(work, tools.run({ ...work, attempt: 1, open_attempts: 1, leftMs, begun }, lane))
            }
            return stored
          }
          yield* letGo
          if (!stored.deduped) yield* stored.claimed ? queued(work, 1) : Effect.sync(queue.wake)
          return stored
        }).pipe(Effect.uninterruptible)

      return Executor.of({
        begin,
        queue: queued,
        size: () => size,
        active: () => Array.from(active.keys())
      })
    })
  )
}
