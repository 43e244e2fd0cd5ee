/**
 * Runs attempted calls and writes their outcomes. A call comes here with its intent committed and leaves with its
 * outcome committed; in between nothing interrupts it but its own deadline or the stop of the host, and both of these
 * are endings that the ledger knows.
 */
import { Cause, Clock, Context, Effect, Layer, Semaphore } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { Audit, type Fact } from "../audit/Audit.ts"
import type { AuditRefs } from "../contract/AuditEvent.ts"
import type { Autonomy, Risk, Trust } from "../contract/Enums.ts"
import type { EventRow } from "../contract/Rows.ts"
import { poolSize } from "../database/Database.ts"
import { isRefusal, isTransient, refusalOf } from "../database/Transient.ts"
import { outputTrust } from "../plugin/OutputTrust.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import type { SecretOption } from "../plugin/Secret.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import { Admission } from "../safety/Admission.ts"
import { worst, worstOf } from "../safety/Provenance.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { Artifacts } from "./Artifacts.ts"
import { type Ending, leavesNoTrace } from "./Ending.ts"
import { callsOfRun, NestedCalls } from "./NestedCalls.ts"
import * as OutcomeTransaction from "./OutcomeTransaction.ts"
import type { Guarded, Plan } from "./ToolCallPlan.ts"
import { type Held, type Outcome, ToolLedger } from "./ToolLedger.ts"
import * as ToolRun from "./ToolRun.ts"

/** What a call needs of the event that led to it. */
export type Origin = Pick<
  EventRow,
  "event_id" | "trace_id" | "thread_id" | "channel" | "connector_id" | "actor_id" | "trust" | "depth" | "timezone"
>

export interface Work extends Held {
  readonly event: Origin
  /** Of a task's step, where it is one's. */
  readonly task_id?: string | undefined
  readonly step_id?: string | undefined
  readonly tool: RegisteredTool
  /** As `decodeInput` gave it. */
  readonly input: unknown
  readonly idempotency_key: string
  readonly risk: Risk
  readonly autonomy: Autonomy
  /** What its words are worth: the worst of all that was in the trace when it was planned. */
  readonly trust: Trust
  /** The policy that the call was judged by. */
  readonly policy_version: number
  /** It steers the system: a pause does not hold it. */
  readonly steers: boolean
  /** It begins with the approval that its attempt consumes. */
  readonly approved: boolean
  /** What is counted in the database before it begins: anti-flap, and the limit of notifications. */
  readonly guarded: Guarded | undefined
}

export interface Attempted extends Work {
  /** Which attempt this is, from 1. */
  readonly attempt: number
  /** Attempts whose effect could still land, this one included. */
  readonly open_attempts: number
  /** What is left until the deadline that the intent has, milliseconds. Counted from before the intent was sent. */
  readonly leftMs: () => number
  /** Called when the effect begins, or does not: a pause waits for it. */
  readonly begun?: (() => void) | undefined
  /** Aborted when nobody wants it any more: a run that leaves no trace is cut short, any other goes on to its end. */
  readonly signal?: AbortSignal | undefined
}

/** A planned call as it is handed on, under the claim that it was stored with. */
export const plannedWork = (event: Origin, plan: Plan, fence: number, policy_version: number): Work => ({
  tool_call_id: plan.row.tool_call_id,
  work_id: event.event_id,
  fence,
  event,
  tool: plan.tool,
  input: plan.input,
  idempotency_key: plan.row.idempotency_key,
  risk: plan.row.risk,
  autonomy: plan.row.autonomy,
  trust: plan.row.labels.trust,
  policy_version,
  steers: plan.tool.steering !== undefined,
  approved: false,
  guarded: plan.guarded
})

/** Counts down from now, through a suspend of the machine too. */
export const countDown = (ms: number): () => number => {
  const wall = Date.now()
  const monotonic = performance.now()
  return () => ms - Math.max(Date.now() - wall, performance.now() - monotonic)
}

/** What the lane adds to an outcome, in the outcome's transaction. */
export interface Conclusion {
  readonly settlement: Outcome["settlement"]
  readonly emitted: Outcome["emitted"]
  /** What is told besides. */
  readonly rows: Outcome["rows"]
}

/** The lane that a call runs for: what its ending leads to, how that is written, and who is told after the commit. */
export interface Lane<C extends Conclusion = Conclusion> {
  readonly conclude: (work: Attempted, ending: Ending, left: ToolRun.Left, at: Date) => Effect.Effect<C>
  /** Commits the outcome; answers whether it was ours to write. */
  readonly settle: (outcome: Outcome, conclusion: C) => Effect.Effect<boolean, SqlError.SqlError>
  /** The same in the caller's transaction, for a tool that wrote in it. */
  readonly settleHere: (outcome: Outcome, conclusion: C) => Effect.Effect<boolean, SqlError.SqlError>
  /** After the commit. */
  readonly settled: (work: Attempted, conclusion: C) => void
  /** Instead, when the outcome was not ours to write. */
  readonly lost?: (work: Attempted) => void
}

/** After this many attempts a call whose outcome is not known waits for a person. */
export const maximumAttempts = 5

/** As many calls of one tool may wait in one host for a slot. */
const waitingPerTool = 50

/** Before the call is looked at again: doubles with each attempt. */
const againAfterMs = (attempt: number): number => 1_000 * 2 ** attempt

const describe: Record<Ending["status"], (tool: string, message: string) => string> = {
  succeeded: (tool, message) => message === "" ? `${tool} was done.` : `${tool} was done: ${message}`,
  failed: (tool, message) => `${tool} was not done: ${message}`,
  unknown: (tool, message) => `It is not known whether ${tool} was done: ${message}`
}

/** What the operator will be told; where nobody vouches for the words, with whose they are. */
export const noticeOf = <N extends string | undefined>(
  notify: N,
  trust: Trust,
  whose: string
): N | string =>
  notify === undefined || trust !== "untrusted" ? notify : `${whose}: ${notify}`.slice(0, 8_000).toWellFormed()

/** One sentence for a person. */
export const endingWords = (tool: string, status: Ending["status"], message = ""): string =>
  describe[status](tool, message)

export const endingSentence = (tool: RegisteredTool, ending: Ending): string =>
  endingWords(tool.definition.name, ending.status, ending.error?.message)

/** The records that a row about a call speaks of. */
export const callRefs = (
  { event, step_id, task_id, tool_call_id }: Pick<Work, "event" | "tool_call_id" | "task_id" | "step_id">
): AuditRefs => ({
  event_id: event.event_id,
  tool_call_id,
  ...(task_id === undefined ? {} : { task_id }),
  ...(step_id === undefined ? {} : { step_id })
})

/** What is as good as its call at most. What a task makes was not said by the operator word by word. */
export const madeTrust = ({ event, task_id, trust }: Pick<Work, "event" | "task_id" | "trust">): Trust =>
  worst(worst(event.trust, trust), task_id === undefined ? "operator" : "trusted")

export const attemptedFact = (
  work: Pick<Work, "event" | "tool" | "tool_call_id" | "risk" | "autonomy" | "task_id" | "step_id">,
  attempt: number,
  at: Date
): Fact => ({
  type: "tool_call.attempted",
  trace_id: work.event.trace_id,
  at,
  summary: attempt === 1 ? `${work.tool.definition.name} is called.` : `${work.tool.definition.name} is called again.`,
  refs: callRefs(work),
  tool: work.tool.definition.name,
  risk: work.risk,
  autonomy: work.autonomy,
  data: { attempt, guarantee: work.tool.definition.guarantee ?? "none" }
})

const endedFact = (work: Attempted, ending: Ending, latency_ms: number, at: Date): Fact => ({
  type: `tool_call.${ending.status}`,
  trace_id: work.event.trace_id,
  at,
  summary: endingSentence(work.tool, ending).slice(0, 300),
  refs: callRefs(work),
  tool: work.tool.definition.name,
  risk: work.risk,
  autonomy: work.autonomy,
  latency_ms,
  data: { attempt: work.attempt, ...(ending.error === undefined ? {} : { error: ending.error }) }
})

/** Somebody else has taken the call over: what was written under the old claim is rolled back. */
class NotOurs {
  readonly _tag = "NotOurs"
}

export class ToolExecutor extends Context.Service<ToolExecutor, {
  /** Takes a slot of the tool if one is free right now. */
  readonly takeIfFree: (tool: RegisteredTool) => Effect.Effect<boolean>
  /** Tools for which as many calls wait here as may: further ones are left to whoever has room. */
  readonly saturated: () => ReadonlyArray<string>
  /** Waits for a slot of the tool. */
  readonly take: (tool: RegisteredTool) => Effect.Effect<void>
  readonly giveBack: (tool: RegisteredTool) => Effect.Effect<void>
  /** Runs an attempted call that holds a slot, gives the slot back, and commits the outcome. */
  readonly run: <C extends Conclusion>(work: Attempted, lane: Lane<C>) => Effect.Effect<void>
  /** Asks a tool that can say it whether the call has happened. */
  readonly probe: (work: Work) => Effect.Effect<"done" | "not_done" | "unknown">
  /** Aborts what runs, for a stop of the host. */
  readonly stop: () => void
}>()("syris/tools/ToolExecutor") {
  static readonly layer = Layer.effect(
    ToolExecutor,
    Effect.gen(function*() {
      const admission = yield* Admission
      const artifacts = yield* Artifacts
      const audit = yield* Audit
      const ledger = yield* ToolLedger
      const nested = yield* NestedCalls
      const secrets = yield* SecretsStore
      const redactor = yield* Redactor
      const sql = yield* SqlClient.SqlClient
      const clock = yield* Clock.Clock
      const stop = new AbortController()
      const slots = new Map<string, Semaphore.Semaphore>()
      const waiting = new Map<string, number>()
      const room = Semaphore.makeUnsafe(poolSize - 4)

      const slotsOf = (tool: RegisteredTool): Semaphore.Semaphore => {
        const known = slots.get(tool.definition.name)
        if (known !== undefined) return known
        const made = Semaphore.makeUnsafe(tool.concurrency)
        slots.set(tool.definition.name, made)
        return made
      }

      /** `heard`: how far it can be trusted what the run has got back by now. */
      const requestOf = (work: Work, heard: () => Trust = () => "operator") => ({
        tool: work.tool,
        input: work.input,
        idempotencyKey: work.idempotency_key,
        traceId: work.event.trace_id,
        trust: worst(work.event.trust, work.trust),
        origin: {
          ...work.event,
          trust: worst(work.event.trust, work.trust),
          tool_call_id: work.tool_call_id,
          task_id: work.task_id
        },
        taskId: work.task_id,
        stepId: work.step_id,
        timeoutMs: work.tool.timeoutMs,
        clock,
        stop: stop.signal,
        secret: (first: SecretOption, key?: string) => Effect.runPromise(readSecret(secrets, first, key)),
        artifact: (data: Uint8Array | string, { mediaType, name }: ToolRun.ArtifactMeta) =>
          Effect.runPromise(Effect.map(
            artifacts.put({
              data,
              name,
              media_type: mediaType,
              labels: {
                trust: worstOf([work.event.trust, work.trust, work.tool.definition.trust ?? "trusted", heard()]),
                confidentiality: "public"
              },
              trace_id: work.event.trace_id,
              tool_call_id: work.tool_call_id,
              task_id: work.task_id
            }),
            ({ artifact_id, bytes, media_type, name }) => ({ artifact_id, name, media_type, bytes })
          ))
      })

      /** What the run may have other tools called by. */
      const callsOf = (work: Work) => {
        const { guarantee, trust = "trusted" } = work.tool.definition
        return callsOfRun(nested, {
          plugin: work.tool.plugin,
          key: work.idempotency_key,
          origin: work.event,
          trust: worst(worst(work.event.trust, work.trust), trust),
          repeats: guarantee === "native_key" || guarantee === "probe"
        })
      }

      const outcomeOf = Effect.fnUntraced(function*<C extends Conclusion>(
        work: Attempted,
        ran: ToolRun.RunResult,
        lane: Lane<C>
      ) {
        const at = new Date(yield* Clock.currentTimeMillis)
        // While an older attempt could still land, not done can't be said yet.
        const ending: Ending = redactor.redactJson(
          ran.ending.status === "failed" && work.open_attempts > 1
            ? { status: "unknown", error: ran.ending.error }
            : ran.ending
        )
        const output = ending.status === "succeeded" ? ending.output : undefined
        const conclusion = yield* lane.conclude(work, ending, ran.left, at)
        const guarantee = work.tool.definition.guarantee ?? "none"
        const again = ending.status === "unknown" && guarantee !== "none" && work.attempt < maximumAttempts
        const outcome: Outcome = {
          tool_call_id: work.tool_call_id,
          work_id: work.work_id,
          fence: work.fence,
          status: ending.status,
          output,
          error: ending.error,
          latency_ms: ran.latencyMs,
          at: at.toISOString(),
          again_ms: again ? againAfterMs(work.attempt) : undefined,
          settlement: conclusion.settlement,
          emitted: conclusion.emitted,
          schedules: ran.left.schedules.filter((one) => !ran.left.canceled.includes(one.schedule_id)).map((
            schedule
          ) => ({
            schedule_id: schedule.schedule_id,
            name: schedule.name,
            type: "one_shot",
            spec: schedule.at.toISOString(),
            timezone: work.event.timezone,
            payload: schedule.payload,
            notify: noticeOf(
              schedule.notify,
              madeTrust(work),
              // What a task has read is not of its channel.
              work.task_id === undefined && work.event.trust === "untrusted" ? work.event.channel : "untrusted"
            ),
            parent_event_id: work.event.event_id,
            depth: work.event.depth + 1,
            trust: worst(madeTrust(work), outputTrust(work.tool.definition, output) ?? "operator"),
            trace_id: work.event.trace_id,
            made_by: work.tool_call_id,
            next_run_at: schedule.at.toISOString(),
            at: at.toISOString()
          })),
          canceled_schedules: ran.left.canceled,
          rows: [audit.row(endedFact(work, ending, ran.latencyMs, at)), ...conclusion.rows]
        }
        return { conclusion, outcome }
      })

      /** Writes the outcome, together with what the tool wrote itself where it asked for the transaction. */
      const write = <C extends Conclusion>(
        lane: Lane<C>,
        { conclusion, outcome }: { readonly conclusion: C; readonly outcome: Outcome },
        transaction: OutcomeTransaction.OutcomeTransaction | undefined
      ): Effect.Effect<boolean, SqlError.SqlError> => {
        const settle = lane.settle(outcome, conclusion)
        if (transaction === undefined || !transaction.isOpen()) return settle
        if (outcome.status !== "succeeded") return Effect.andThen(transaction.rollback, settle)
        const together = Effect.filterOrFail(
          lane.settleHere(outcome, conclusion),
          (mine) => mine,
          () => new NotOurs()
        )
        return Effect.catchTag(transaction.commit(together), "NotOurs", () => Effect.succeed(false))
      }

      /** The database refused the outcome: what was to be written with it is not there, an effect outside is. */
      const refusedOutcome = (work: Work, ran: ToolRun.RunResult, error: SqlError.SqlError): ToolRun.RunResult => {
        const { effect, guarantee = "none" } = work.tool.definition
        const happened = ran.ending.status === "succeeded" && !leavesNoTrace({ effect, guarantee })
        const why = { code: "tool.output_refused", message: refusalOf(error) ?? error.message, retryable: false }
        return {
          ...ran,
          left: ToolRun.nothing,
          ending: ran.ending.status === "unknown"
            ? { status: "unknown", error: why }
            : happened
            ? { status: "succeeded", error: why }
            : { status: "failed", error: why }
        }
      }

      /** The database went away under the transaction: it is committed, which the fence shows, or nothing was done. */
      const lostOutcome = (work: Attempted, ran: ToolRun.RunResult, message: string): ToolRun.RunResult => ({
        ...ran,
        left: ToolRun.nothing,
        ending: {
          status: work.attempt < maximumAttempts ? "unknown" : "failed",
          error: { code: "tool.connection_lost", message, retryable: true }
        }
      })

      const settle = Effect.fnUntraced(function*<C extends Conclusion>(
        work: Attempted,
        result: ToolRun.RunResult,
        lane: Lane<C>,
        transaction: OutcomeTransaction.OutcomeTransaction | undefined
      ) {
        const { error } = result.ending
        const ran = transaction?.isLost() === true && error?.code === "tool.connection_lost"
          ? lostOutcome(work, result, error.message)
          : result
        const first = yield* outcomeOf(work, ran, lane)
        const written = yield* Effect.result(write(lane, first, transaction))
        let { conclusion } = first
        let mine = written._tag === "Success" && written.success
        if (written._tag === "Failure") {
          // Refused for what is in it: nothing that the call left is there. An unknown fate is settled by the fence.
          if (!isRefusal(written.failure) && transaction?.isOpen() !== true) return yield* written.failure
          const again = isTransient(written.failure)
            ? lostOutcome(work, ran, written.failure.message)
            : refusedOutcome(work, ran, written.failure)
          const second = yield* outcomeOf(work, again, lane)
          conclusion = second.conclusion
          mine = yield* lane.settle(second.outcome, conclusion)
        }
        // What was not done may be done again at once.
        if (mine && ran.ending.status === "failed") admission.forget(work.tool_call_id)
        if (mine) return lane.settled(work, conclusion)
        lane.lost?.(work)
        yield* ledger.keepEvidence(work, { ending: ran.ending, latency_ms: ran.latencyMs, attempt: work.attempt })
        yield* Effect.logWarning(
          `A call of ${work.tool.definition.name} was settled by somebody else; what this host knows is kept as evidence.`
        )
      })

      const take = (tool: RegisteredTool) => {
        const { name } = tool.definition
        const count = (by: number) => Effect.sync(() => void waiting.set(name, (waiting.get(name) ?? 0) + by))
        return Effect.acquireUseRelease(count(1), () => slotsOf(tool).take(1), () => count(-1)).pipe(Effect.asVoid)
      }
      const giveBack = (tool: RegisteredTool) => Effect.asVoid(slotsOf(tool).release(1))

      const run = <C extends Conclusion>(work: Attempted, lane: Lane<C>): Effect.Effect<void> =>
        Effect.gen(function*() {
          const transaction = work.tool.definition.guarantee === "transactional"
            ? yield* Effect.provideService(OutcomeTransaction.make(room), SqlClient.SqlClient, sql)
            : undefined
          const calls = callsOf(work)
          const ran = yield* Effect.ensuring(
            ToolRun.run({
              ...requestOf(work, calls.heard),
              leftMs: work.leftMs,
              canceled: work.signal,
              call: calls.call,
              transaction,
              begun: work.begun
            }),
            // A call of it that waits for this slot is given up before it is free.
            Effect.sync(() => work.begun?.()).pipe(Effect.andThen(calls.letGo), Effect.andThen(giveBack(work.tool)))
          )
          transaction?.close()
          const { ending, left } = ran
          const leak = () => ({
            where: `what ${work.tool.definition.name} gave back`,
            trace_id: work.event.trace_id
          })
          const shown = {
            ...ran,
            ending: redactor.watched(ending, redactor.redactJson(ending), leak),
            left: redactor.watched(left, redactor.redactJson(left), leak)
          }
          // What it leaves behind is no better than what it had got back.
          const trust = worst(work.trust, calls.heard())
          yield* settle(trust === "untrusted" ? { ...work, trust } : work, shown, lane, transaction)
        }).pipe(
          // The row stays attempted under our claim: whoever recovers it knows what to do.
          Effect.catchCause((cause) =>
            Effect.logError(
              `The outcome of a call of ${work.tool.definition.name} was not written.`,
              Cause.squash(cause)
            )
          ),
          Effect.uninterruptible
        )

      return ToolExecutor.of({
        takeIfFree: (tool) => slotsOf(tool).takeIfAvailable(1),
        saturated: () => Array.from(waiting).flatMap(([name, count]) => count >= waitingPerTool ? [name] : []),
        take,
        giveBack,
        run,
        probe: (work) => slotsOf(work.tool).withPermits(1)(ToolRun.probe({ ...requestOf(work), artifact: undefined })),
        stop: () => stop.abort()
      })
    })
  )
}
