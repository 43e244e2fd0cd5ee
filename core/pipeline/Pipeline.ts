/**
 * The one way in. Every stimulus becomes one event here, and what is answered is durable:
 *
 * - an accepted event, its routing decision, its audit rows and the intent to act are one commit;
 * - the same message (dedupe key) is accepted once, whoever brings it and however often;
 * - a refused event leaves `event.rejected` and nothing else.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { Audit } from "../audit/Audit.ts"
import type { Trust } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { newId } from "../database/Ids.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { worst } from "../safety/Provenance.ts"
import { TaskEngine } from "../tasks/TaskEngine.ts"
import type { NewTask } from "../tasks/TaskPlan.ts"
import { ToolExecutor } from "../tools/ToolExecutor.ts"
import { makeDryRun } from "./DryRun.ts"
import { Executor } from "./Executor.ts"
import { Intake, type Intent } from "./Intake.ts"
import { normalise } from "./Normaliser.ts"
import { Preparation } from "./Preparation.ts"
import { handRules } from "./RuleIntake.ts"
import { Settlements } from "./Settlements.ts"
import {
  type Accepted,
  type Arrival,
  type DryRun,
  EventNotAccepted,
  type EventRejected,
  type Settled
} from "./Submission.ts"
import { WorkQueue } from "./WorkQueue.ts"

export * from "./Submission.ts"

export interface StartOptions {
  readonly thread_id?: string
  /** Who asks for it. Default `operator`. */
  readonly actor_id?: string
}

export interface StartedTask {
  readonly task_id: string
  readonly event_id: string
  readonly trace_id: string
}

export class Pipeline extends Context.Service<Pipeline, {
  /**
   * Validates, routes and stores a raw event; answers once it is committed. `from` is the trust of the channel that brings
   * it: an event is never better than that, whatever channel it names, but where `arrival` says why.
   */
  readonly submit: (
    raw: unknown,
    from?: Trust,
    arrival?: Arrival
  ) => Effect.Effect<Accepted, EventRejected | EventNotAccepted>
  /** Makes a task of an event of its own, of the channel `api`; answers once both are committed. */
  readonly startTask: (task: NewTask, options?: StartOptions) => Effect.Effect<StartedTask, EventNotAccepted>
  /** Records that something was refused before it could be read as an event (not JSON, too deep). */
  readonly reject: (detail: ErrorDetail, channel?: string) => Effect.Effect<void>
  /** Waits until the event's trace is settled. Never fails: interrupt it at your own time-out. */
  readonly settled: (ids: { readonly event_id: string; readonly trace_id: string }) => Effect.Effect<Settled>
  /** Runs the whole pipeline without any effect and without a row: the trace as it would be. */
  readonly dryRun: (raw: unknown) => Effect.Effect<DryRun, EventRejected | EventNotAccepted>
}>()("syris/pipeline/Pipeline") {
  static readonly layer = Layer.effect(
    Pipeline,
    Effect.gen(function*() {
      const audit = yield* Audit
      const engine = yield* TaskEngine
      const executor = yield* Executor
      const intake = yield* Intake
      const preparation = yield* Preparation
      const queue = yield* WorkQueue
      const redactor = yield* Redactor
      const registry = yield* Registry
      const settings = yield* Settings
      const settlements = yield* Settlements
      const tools = yield* ToolExecutor

      const reject = Effect.fnUntraced(function*(detail: ErrorDetail, channel?: string) {
        const on = channel === undefined ? "" : ` on ${channel.slice(0, 100).replaceAll("\0", "␀").toWellFormed()}`
        yield* audit.append({
          type: "event.rejected",
          trace_id: newId(),
          at: new Date(yield* Clock.currentTimeMillis),
          summary: `An event${on} was refused: ${detail.message}`.slice(0, 500),
          data: { error: detail }
        }).pipe(Effect.catch((error) => Effect.logWarning(`A refused event could not be noted: ${error.message}`)))
      })

      const normalised = (raw: unknown, from: Trust = "operator", arrival?: Arrival) =>
        normalise(raw, {
          timezone: settings.timezone,
          arrival,
          redact: (body) =>
            redactor.watched(body, redactor.redactJson(body), () => ({ where: `an event on ${body.channel}` })),
          trustOf: (channel) => worst(from, registry.trustOf(channel))
        })

      const submit = Effect.fnUntraced(function*(raw: unknown, from?: Trust, arrival?: Arrival) {
        const { body_hash, event } = yield* Effect.tapError(
          normalised(raw, from, arrival),
          (rejected) => reject(rejected.detail, channelOf(raw))
        )
        const { intent, plan } = yield* preparation.prepare(event, body_hash, { arrival }).pipe(
          Effect.mapError((cause) => new EventNotAccepted({ cause }))
        )
        // The trace is not over with this event.
        if (intent.rules !== undefined) settlements.goesOn(event.event_id)
        if (intent.task !== undefined) return yield* storeTask(intent, intent.task)
        const claimRules = queue.hasRoom("rule")
        const store = (attempt: boolean) =>
          intake.store({
            ...intent,
            attempt,
            claim: attempt || (plan !== undefined && !tools.saturated().includes(plan.row.tool)),
            claimRules
          }).pipe(Effect.mapError((cause) => new EventNotAccepted({ cause })))
        const stored = plan === undefined
          ? yield* store(false)
          : yield* executor.begin(event, plan, intent.policy_version, store)
        if (intent.rules !== undefined && !stored.deduped) yield* handRules(queue, stored, stored.rules)
        if (plan === undefined && intent.settlement !== undefined && !stored.deduped) {
          const { answer_by, outcome } = intent.settlement
          settlements.announce(intent.settlement, outcome !== "waiting" && (answer_by ?? "chat") === "chat")
        }
        return {
          event_id: stored.event_id,
          trace_id: stored.trace_id,
          deduped: stored.deduped,
          ...(stored.conflict ? { conflict: true } : {})
        }
      }, Effect.uninterruptible)

      const storeTask = Effect.fnUntraced(function*(
        given: Omit<Intent, "attempt" | "claim">,
        created: NonNullable<Intent["task"]>
      ) {
        const { event } = given
        const room = { claim: engine.hasRoom(), claimRules: queue.hasRoom("rule") }
        const stored = yield* intake.store({ ...given, attempt: false, ...room }).pipe(
          Effect.mapError((cause) => new EventNotAccepted({ cause }))
        )
        if (!stored.deduped) {
          yield* stored.claimed
            ? engine.begin(created, event, stored.fence, created.begins)
            : Effect.sync(queue.wake)
          if (given.rules !== undefined) yield* handRules(queue, stored, stored.rules)
        }
        return {
          event_id: stored.event_id,
          trace_id: stored.trace_id,
          deduped: stored.deduped,
          ...(stored.conflict ? { conflict: true } : {})
        }
      })

      const startTask = Effect.fnUntraced(
        function*(task: NewTask, options: StartOptions = {}) {
          const { body_hash, event } = yield* normalised({
            channel: "api",
            actor_id: options.actor_id ?? "operator",
            structured: { task: task.name, ...(task.definition === undefined ? {} : { definition: task.definition }) },
            ...(options.thread_id === undefined ? {} : { thread_id: options.thread_id })
          })
          const { created, intent } = preparation.prepareTask(event, body_hash, task)
          const { event_id, trace_id } = yield* storeTask(intent, created)
          return { task_id: created.task.task_id, event_id, trace_id }
        },
        Effect.catchTag("EventRejected", (rejected) => Effect.fail(new EventNotAccepted({ cause: rejected }))),
        Effect.uninterruptible
      )

      const would = yield* makeDryRun
      const dryRun = Effect.fnUntraced(function*(raw: unknown) {
        const { body_hash, event } = yield* normalised(raw)
        return yield* Effect.mapError(would(event, body_hash), (cause) => new EventNotAccepted({ cause }))
      })

      return Pipeline.of({ submit, startTask, reject, settled: settlements.await, dryRun })
    })
  )
}

const channelOf = (raw: unknown): string | undefined =>
  typeof raw === "object" && raw !== null && "channel" in raw && typeof raw.channel === "string"
    ? raw.channel
    : undefined
