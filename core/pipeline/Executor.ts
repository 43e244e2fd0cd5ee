/**
 * The fast lane: one event, one call. Starts attempted calls, attempts planned ones when a slot of the tool is free, and
 * settles their events in the outcome's transaction.
 */
import { Clock, Context, Effect, FiberSet, Layer } from "effect"
import { Audit } from "../audit/Audit.ts"
import { isTransient } from "../database/Transient.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { Control } from "../safety/Control.ts"
import { type Attempted, attemptedFact, countDown, type Lane, ToolExecutor, type Work } from "../tools/ToolExecutor.ts"
import { startAllowanceMs } from "../tools/ToolCallPlan.ts"
import { ToolLedger } from "../tools/ToolLedger.ts"
import { childEvents } from "./ChildEvents.ts"
import { compose } from "./Responder.ts"
import { Settlements } from "./Settlements.ts"
import { WorkQueue } from "./WorkQueue.ts"

/** Before a call that pause, policy or a full database held back is looked at again. */
const heldBackMs = 1_000

/** How long a stop lets calls finish by themselves. */
const drainMs = 3_000

export class Executor extends Context.Service<Executor, {
  /** Runs a call whose intent is committed and for which a slot was taken. */
  readonly start: (work: Work, leftMs: Attempted["leftMs"]) => Effect.Effect<void>
  /** Attempts a planned call when a slot is free, and runs it. `attempt` is the attempt that this would be. */
  readonly queue: (work: Work, attempt: number) => Effect.Effect<void>
  /** How many calls are under way or wait for a slot in this host. */
  readonly size: () => number
  /** Whether it works on an event already. */
  readonly has: (eventId: string) => boolean
  /** Their events. */
  readonly active: () => ReadonlyArray<string>
}>()("syris/pipeline/Executor") {
  static readonly layer = Layer.effect(
    Executor,
    Effect.gen(function*() {
      const audit = yield* Audit
      const control = yield* Control
      const ledger = yield* ToolLedger
      const registry = yield* Registry
      const settings = yield* Settings
      const settlements = yield* Settlements
      const tools = yield* ToolExecutor
      const queue = yield* WorkQueue
      const active = new Map<string, number>()
      let size = 0

      const conclude: Lane["conclude"] = Effect.fnUntraced(function*(work, ending, left, at) {
        const children = yield* childEvents({ audit, registry, settings }, work, left, at)
        return {
          ...children,
          settlement: ending.status === "unknown" ? undefined : {
            event_id: work.event.event_id,
            trace_id: work.event.trace_id,
            lane: "fast",
            outcome: ending.status,
            reply: compose(work.tool, ending),
            settled_at: at.toISOString()
          }
        }
      })

      const lane: Lane = {
        conclude,
        settle: ledger.settle,
        settleHere: ledger.settleHere,
        settled: ({ event }, { emitted, settlement }) => {
          if (settlement !== undefined) settlements.announce(settlement, emitted.length === 0)
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

      const attempt = Effect.fnUntraced(function*(work: Work, number: number) {
        const leftMs = countDown(work.tool.timeoutMs + startAllowanceMs)
        const moved = yield* Effect.onError(
          ledger.attempt({
            tool_call_id: work.tool_call_id,
            work_id: work.work_id,
            fence: work.fence,
            deadline_ms: work.tool.timeoutMs + startAllowanceMs,
            policy_version: work.policy_version,
            row: audit.row(attemptedFact(work, number, new Date(yield* Clock.currentTimeMillis)))
          }),
          () => tools.giveBack(work.tool)
        )
        if (moved === undefined) {
          yield* tools.giveBack(work.tool)
          yield* control.refresh
          return yield* ledger.putOff(work, heldBackMs)
        }
        yield* tools.run({ ...work, attempt: moved.attempts, open_attempts: moved.open_attempts, leftMs }, lane)
      })

      return Executor.of({
        start: (work, leftMs) => counted(work, tools.run({ ...work, attempt: 1, open_attempts: 1, leftMs }, lane)),
        queue: (work, number) =>
          counted(
            work,
            Effect.andThen(
              tools.take(work.tool),
              Effect.uninterruptible(
                attempt(work, number).pipe(
                  // The claim is still ours, and still there for whoever comes after us.
                  Effect.catch((error) =>
                    isTransient(error)
                      ? Effect.logWarning("A call could not be attempted: the database is away.")
                      : Effect.logError("A call could not be attempted.", error)
                  )
                )
              )
            )
          ),
        size: () => size,
        has: (eventId) => active.has(eventId),
        active: () => Array.from(active.keys())
      })
    })
  )
}
