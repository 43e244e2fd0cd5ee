/**
 * Runs a tool once, bounded: time, size and shape of the answer, and nothing after its deadline.
 *
 * - The run is not waited for past its time-out, however it behaves; its signal is aborted then.
 * - What it asks the host to do besides (schedules, child events) is kept and goes into the outcome's transaction.
 */
import { Cause, type Clock, Deferred, Effect, Exit } from "effect"
import { SqlClient } from "effect/sql"
import type { Trust } from "../contract/Enums.ts"
import type { RawEvent } from "../contract/Event.ts"
import { newId } from "../database/Ids.ts"
import { fromPlugin } from "../plugin/Awaiting.ts"
import { CallOrigin, type Origin } from "../plugin/CallOrigin.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import type { SecretOption } from "../plugin/Secret.ts"
import type { KeptArtifact, NewSchedule, ToolContext, TransactionalContext } from "../plugin/Tool.ts"
import { guardedFetch } from "../safety/GuardedFetch.ts"
import { publicOnly } from "../safety/Outgoing.ts"
import { maximumArtifactBytes, maximumArtifacts } from "./Artifacts.ts"
import {
  type Ending,
  type Kind,
  leavesNoTrace,
  notStarted,
  notWanted,
  stopped,
  thrown,
  timedOut,
  unusable
} from "./Ending.ts"
import type { OutcomeTransaction } from "./OutcomeTransaction.ts"

/** What a run wants to leave behind, all of it with the outcome. */
export interface Left {
  readonly schedules: ReadonlyArray<NewSchedule & { readonly schedule_id: string }>
  readonly canceled: ReadonlyArray<string>
  readonly emitted: ReadonlyArray<RawEvent>
}

export interface RunRequest {
  readonly tool: RegisteredTool
  /** As `decodeInput` gave it. */
  readonly input: unknown
  readonly idempotencyKey: string
  readonly traceId: string
  readonly trust: Trust
  readonly origin: Origin
  readonly taskId: string | undefined
  readonly stepId: string | undefined
  readonly timeoutMs: number
  readonly clock: Clock.Clock
  /** Aborted when the host stops. */
  readonly stop: AbortSignal
  /** Aborted when the call is not wanted any more; it cuts a run short that leaves no trace, and no other. */
  readonly canceled: AbortSignal | undefined
  readonly secret: (first: SecretOption, key?: string) => Promise<string>
  /** Keeps an artifact of the call. Without it nothing is kept. */
  readonly artifact?: ((data: Uint8Array | string, meta: ArtifactMeta) => Promise<KeptArtifact>) | undefined
  /** Has another tool called on behalf of this run. Without it nothing is. */
  readonly call?: ((tool: string, input: unknown, signal: AbortSignal) => Promise<unknown>) | undefined
  readonly transaction: OutcomeTransaction | undefined
  /** What is left until the deadline of the intent, milliseconds. Nothing is begun after it. */
  readonly leftMs: () => number
  /** Called when the effect begins. */
  readonly begun?: (() => void) | undefined
}

export interface ArtifactMeta {
  readonly name?: string
  readonly mediaType?: string
}

/** Characters of what the operator is told when a schedule is due; the chat takes no more in one message. */
const longestNotice = 8_000

export interface RunResult {
  readonly ending: Ending
  readonly left: Left
  readonly latencyMs: number
}

/** A promise that the plugin may leave alone: its failure is no fault of the host. */
export const seen = <A>(promise: Promise<A>): Promise<A> => {
  promise.catch(() => {})
  return promise
}

/** The context of one run; `left` gathers what the tool asks for until `close`. */
export const makeContext = (request: Omit<RunRequest, "origin">, signal: AbortSignal) => {
  const schedules: Array<NewSchedule & { readonly schedule_id: string }> = []
  const canceled: Array<string> = []
  const emitted: Array<RawEvent> = []
  const log = request.tool.log.with({ trace_id: request.traceId })
  let [kept, keptBytes] = [0, 0]
  const keep = async (data: Uint8Array | string, meta: ArtifactMeta): Promise<KeptArtifact> => {
    if (request.artifact === undefined) throw new Error("Nothing is kept here: only the run of a tool keeps artifacts.")
    if (typeof data !== "string" && !(data instanceof Uint8Array)) {
      throw new TypeError("An artifact is a text or a Uint8Array.")
    }
    kept++
    keptBytes += typeof data === "string" ? Buffer.byteLength(data) : data.byteLength
    if (kept > maximumArtifacts || keptBytes > maximumArtifactBytes) {
      throw new Error(`One call keeps at most ${maximumArtifacts} artifacts, and 16 MiB of them together.`)
    }
    return request.artifact(data, meta)
  }
  const base: ToolContext = {
    now: () => new Date(request.clock.currentTimeMillisUnsafe()),
    idempotencyKey: request.idempotencyKey,
    traceId: request.traceId,
    trust: request.trust,
    ...(request.taskId === undefined ? {} : { taskId: request.taskId }),
    ...(request.stepId === undefined ? {} : { stepId: request.stepId }),
    signal,
    log,
    secret: (first: SecretOption, key?: string) => seen(request.secret(first, key)),
    fetch: guardedFetch(request.tool.outgoing ?? publicOnly, signal),
    emit: (event) => {
      emitted.push(event)
    },
    artifact: (data, meta = {}) => seen(keep(data, meta)),
    call: <O>(tool: string, input: unknown = {}) =>
      seen(request.call?.(tool, input, signal) ?? Promise.reject(new Error("Nothing is called here."))) as Promise<O>,
    progress: (progress) => log.debug("progress", { ...progress })
  }
  const { transaction } = request
  const context: ToolContext | TransactionalContext = transaction === undefined ? base : {
    ...base,
    sql: (strings, ...values) =>
      seen(Effect.runPromise(
        transaction.within(Effect.flatMap(
          SqlClient.SqlClient,
          (sql) => sql(strings, ...values) as Effect.Effect<ReadonlyArray<any>, unknown>
        )),
        { signal }
      )),
    schedules: {
      create: (schedule) => {
        if (!(schedule.at instanceof Date) || Number.isNaN(schedule.at.getTime())) {
          throw new TypeError("schedules.create needs a valid Date in `at`.")
        }
        const { notify } = schedule
        if (notify !== undefined && (typeof notify !== "string" || notify === "" || notify.length > longestNotice)) {
          throw new TypeError(`schedules.create takes 1 to ${longestNotice} characters in \`notify\`.`)
        }
        const schedule_id = newId()
        schedules.push({ ...schedule, schedule_id })
        return schedule_id
      },
      cancel: (scheduleId) => {
        canceled.push(scheduleId)
      }
    }
  }
  const close = (): Left => ({ schedules: [...schedules], canceled: [...canceled], emitted: [...emitted] })
  return { context, close }
}

/** What a run leaves that did not end well. */
export const nothing: Left = { schedules: [], canceled: [], emitted: [] }

/** Calls the tool. An effect of a transactional tool finds the outcome's transaction under `SqlClient`, and who called it. */
const invoke = (
  { input, origin, tool, transaction }: RunRequest,
  context: ToolContext
): Effect.Effect<unknown, unknown> =>
  fromPlugin<unknown>(() => {
    const given: unknown = tool.definition.run(input, context as TransactionalContext)
    return transaction !== undefined && Effect.isEffect(given)
      ? transaction.within(
        Effect.provideService(given as Effect.Effect<unknown, unknown, SqlClient.SqlClient>, CallOrigin, origin)
      )
      : given
  })

export const run = Effect.fnUntraced(function*(request: RunRequest): Effect.fn.Return<RunResult> {
  const kind: Kind = {
    effect: request.tool.definition.effect,
    guarantee: request.tool.definition.guarantee ?? "none"
  }
  const leftMs = request.leftMs()
  if (leftMs <= 0) return { ending: notStarted, left: nothing, latencyMs: 0 }
  const canceled = leavesNoTrace(kind) ? request.canceled : undefined
  if (canceled?.aborted === true) return { ending: notWanted, left: nothing, latencyMs: 0 }
  const controller = new AbortController()
  const { close, context } = makeContext(request, controller.signal)
  const end = yield* Deferred.make<{ readonly cut: Ending } | { readonly exit: Exit.Exit<unknown, unknown> }>()
  const cutShort = (ending: Ending) => () => void Deferred.doneUnsafe(end, Exit.succeed({ cut: ending }))
  const onStop = cutShort(stopped(kind))
  const onCanceled = cutShort(notWanted)
  canceled?.addEventListener("abort", onCanceled, { once: true })
  const started = performance.now()
  const timer = setTimeout(cutShort(timedOut(kind, request.timeoutMs)), Math.min(request.timeoutMs, leftMs))
  if (request.stop.aborted) onStop()
  request.stop.addEventListener("abort", onStop, { once: true })
  // Detached: a run that ignores its interruption is left behind, never waited for.
  const fiber = yield* Effect.forkDetach(
    Effect.flatMap(Effect.exit(invoke(request, context)), (exit) => Deferred.succeed(end, { exit })),
    { startImmediately: true }
  )
  request.begun?.()
  const first = yield* Deferred.await(end)
  clearTimeout(timer)
  request.stop.removeEventListener("abort", onStop)
  canceled?.removeEventListener("abort", onCanceled)
  const latencyMs = Math.round((performance.now() - started) * 1000) / 1000
  if ("cut" in first) {
    controller.abort()
    fiber.interruptUnsafe()
    return { ending: first.cut, left: nothing, latencyMs }
  }
  if (Exit.isFailure(first.exit)) {
    controller.abort()
    return { ending: thrown(kind, Cause.squash(first.exit.cause)), left: nothing, latencyMs }
  }
  const encoded = yield* Effect.result(request.tool.encodeOutput(first.exit.value))
  const ending: Ending = encoded._tag === "Failure"
    ? unusable(kind, encoded.failure)
    : { status: "succeeded", ...(encoded.success === undefined ? {} : { output: encoded.success }) }
  return { ending, left: ending.status === "succeeded" ? close() : nothing, latencyMs }
})

/** How long a probe may take, milliseconds. */
const probeTimeoutMs = 10_000

/** Asks the tool whether a call has happened. Whatever goes wrong with the question, the answer is `unknown`. */
export const probe = (
  request: Omit<RunRequest, "transaction" | "leftMs" | "canceled">
): Effect.Effect<"done" | "not_done" | "unknown"> =>
  Effect.suspend(() => {
    const ask = request.tool.definition.probe
    if (ask === undefined) return Effect.succeed("unknown" as const)
    const controller = new AbortController()
    const { context } = makeContext(
      { ...request, leftMs: () => probeTimeoutMs, canceled: undefined, transaction: undefined },
      controller.signal
    )
    return fromPlugin<unknown>(() => ask(request.input, context)).pipe(
      Effect.timeoutOption(probeTimeoutMs),
      Effect.map((answer) => answer._tag === "Some" && isAnswer(answer.value) ? answer.value : "unknown"),
      Effect.catchCause(() => Effect.succeed("unknown" as const)),
      Effect.ensuring(Effect.sync(() => controller.abort()))
    )
  })

const isAnswer = (value: unknown): value is "done" | "not_done" | "unknown" =>
  value === "done" || value === "not_done" || value === "unknown"
