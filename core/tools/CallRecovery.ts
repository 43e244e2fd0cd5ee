/**
 * What becomes of a call that a former holder left, whichever lane it belongs to.
 *
 * - What was in flight becomes `unknown` first. Then: a read, a transactional or a keyed call is repeated under the same
 *   key; one that can be probed is asked once nothing can land any more; any other waits for a person.
 * - Whatever is still to be sent is judged by today's policy.
 * - Only `unknown` and the way back to `planned` are written here; an end and a delay are written by the lane.
 */
import { Clock, Context, Effect, Layer } from "effect"
import type { SqlError } from "effect/sql"
import type { Fact } from "../audit/Audit.ts"
import type { Autonomy, Guarantee, Risk, ToolCallStatus, ToolEffect } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { Control } from "../safety/Control.ts"
import { interrupted, leavesNoTrace } from "./Ending.ts"
import * as ToolCallPlan from "./ToolCallPlan.ts"
import { callRefs, endingWords, maximumAttempts, type Origin, ToolExecutor, type Work } from "./ToolExecutor.ts"
import { type Held, ToolLedger } from "./ToolLedger.ts"

/** A probe that keeps answering `unknown` is asked this often before a person is. */
const maximumProbes = 8

/** What found nothing out is tried again ever later, at last by a person. */
export const nextTry = (tries: number): number | "person" => tries >= maximumProbes ? "person" : 1_000 * 2 ** tries

/** After another holder answered for a call that was taken for lost. */
const answeredMs = 100

/** A call as the database has it. */
export interface StoredCall {
  readonly tool_call_id: string
  readonly tool: string
  readonly input: unknown
  readonly idempotency_key: string
  readonly effect: ToolEffect
  readonly guarantee: Guarantee
  readonly risk: Risk
  readonly autonomy: Autonomy
  readonly status: ToolCallStatus
  readonly attempts: number
  readonly open_attempts: number
  readonly output: unknown
  readonly error: ErrorDetail | null
  /** Nothing of it can land any more. */
  readonly quiet: boolean
  /** Its holder is proven dead, or has stopped. */
  readonly holder_ended: boolean
}

/** A `StoredCall` as jsonb, over `c` (tool_calls) and `h` (hosts, left joined on `c.held_by`); null where there is none. */
export const storedCall: string = `
  case when c.tool_call_id is not null then to_jsonb(c) || jsonb_build_object(
    'quiet',        coalesce(c.quiet_at <= clock_timestamp(), true),
    'holder_ended', h.ended_at is not null) end`

export type Recovered =
  /** Planned, perhaps again: to be attempted. */
  | { readonly _tag: "Attempt"; readonly work: Work; readonly attempt: number }
  /** To be written by the lane. Without a fact the call has ended already. */
  | {
    readonly _tag: "Ended"
    readonly status: "succeeded" | "failed" | "canceled"
    readonly error?: ErrorDetail
    readonly output?: unknown
    readonly fact: Fact | undefined
    readonly from: ToolCallStatus
    readonly reply: string
  }
  /** Nobody can say yet: to be looked at again after milliseconds, when all is quiet, or by a person. */
  | { readonly _tag: "PutOff"; readonly until: number | "quiet" | "person"; readonly counts: boolean }

export interface RecoveryRequest {
  readonly call: StoredCall
  readonly held: Held
  readonly event: Origin
  /** How often the work was put off because its outcome was not known. */
  readonly tries: number
  readonly task_id?: string | undefined
  readonly step_id?: string | undefined
  /** A model chose the call. */
  readonly by_model?: boolean
}

export class CallRecovery extends Context.Service<CallRecovery, {
  /** Judges it, and moves it to `unknown` or back to `planned` where that is the answer. Needs the claim. */
  readonly recover: (request: RecoveryRequest) => Effect.Effect<Recovered, SqlError.SqlError>
}>()("syris/tools/CallRecovery") {
  static readonly layer = Layer.effect(CallRecovery, Effect.suspend(() => make))
}

const hasEnded = (call: StoredCall): call is StoredCall & { readonly status: "succeeded" | "failed" | "canceled" } =>
  call.status === "succeeded" || call.status === "failed" || call.status === "canceled"

/** The end of a call that has been written already, as the operator said or in a statement of its own. */
const ended = (call: StoredCall & { readonly status: "succeeded" | "failed" | "canceled" }): Recovered => ({
  _tag: "Ended",
  status: call.status,
  fact: undefined,
  from: call.status,
  reply: endingWords(call.tool, call.status === "succeeded" ? "succeeded" : "failed", call.error?.message),
  ...(call.error === null ? {} : { error: call.error }),
  ...(call.output === null ? {} : { output: call.output })
})

const putOff = (until: number | "quiet" | "person", counts = false): Recovered => ({ _tag: "PutOff", until, counts })

const make = Effect.gen(function*() {
  const control = yield* Control
  const ledger = yield* ToolLedger
  const registry = yield* Registry
  const settings = yield* Settings
  const tools = yield* ToolExecutor

  const fact = Effect.fnUntraced(function*(
    type: Fact["type"],
    { call, event, step_id, task_id }: RecoveryRequest,
    summary: string,
    data: Record<string, unknown>
  ) {
    return {
      type,
      trace_id: event.trace_id,
      at: new Date(yield* Clock.currentTimeMillis),
      summary,
      refs: callRefs({ event, tool_call_id: call.tool_call_id, task_id, step_id }),
      tool: call.tool,
      risk: call.risk,
      autonomy: call.autonomy,
      data: { attempt: call.attempts, guarantee: call.guarantee, ...data }
    } satisfies Fact
  })

  const workOf = Effect.fnUntraced(function*({ call, event, held, step_id, task_id }: RecoveryRequest) {
    const tool = registry.tool(call.tool)
    const decoded = tool === undefined ? undefined : yield* Effect.result(tool.decodeInput(call.input))
    if (tool === undefined || decoded?._tag !== "Success") return undefined
    return {
      ...held,
      event,
      task_id,
      step_id,
      tool,
      input: decoded.success as unknown,
      idempotency_key: call.idempotency_key,
      risk: call.risk,
      autonomy: call.autonomy,
      policy_version: control.current().policy_version
    } satisfies Work
  })

  const repeat = (request: RecoveryRequest, work: Work) =>
    Effect.as(
      ledger.replan(request.held),
      { _tag: "Attempt", work, attempt: request.call.attempts + 1 } satisfies Recovered
    )

  const ask = Effect.fnUntraced(function*(request: RecoveryRequest, work: Work) {
    const { call } = request
    const answer = yield* tools.probe(work)
    if (answer === "not_done") return yield* repeat(request, work)
    if (answer === "unknown") return putOff(nextTry(request.tries), true)
    const words = `${call.tool} had been done, as the other side says.`
    return {
      _tag: "Ended",
      status: "succeeded",
      fact: yield* fact("tool_call.reconciled", request, words, { answer }),
      from: "unknown",
      reply: endingWords(call.tool, "succeeded")
    } satisfies Recovered
  })

  /** The end of a call that can't be made any more. */
  const refuse = Effect.fnUntraced(function*(
    request: RecoveryRequest,
    from: "planned" | "unknown",
    { data = {}, error, message = error.message, type = "tool_call.failed" }: {
      readonly error: ErrorDetail
      readonly type?: Fact["type"]
      readonly message?: string
      readonly data?: Record<string, unknown>
    }
  ) {
    return {
      _tag: "Ended",
      status: type.startsWith("gate.") && request.call.attempts === 0 ? "canceled" : "failed",
      error,
      fact: yield* fact(type, request, message, { error, ...data }),
      from,
      reply: message
    } satisfies Recovered
  })

  const recover = Effect.fnUntraced(function*(request: RecoveryRequest): Effect.fn.Return<
    Recovered,
    SqlError.SqlError
  > {
    const { call, event, held } = request
    if (hasEnded(call)) return ended(call)
    const asks = call.effect !== "read" && (call.guarantee === "probe" || call.guarantee === "none")
    if (call.status === "attempted") {
      // A lapsed lease is only a presumption: its holder may still bring the answer, until its deadline.
      if (asks && !call.quiet && !call.holder_ended) return putOff("quiet")
      const why = `It is not known whether ${call.tool} was done: the host that ran it ended.`
      const lost = yield* ledger.lose(held, yield* fact("tool_call.unknown", request, why, { error: interrupted }))
      // It brought the answer in between, or the claim is not ours any more.
      if (!lost) return putOff(answeredMs)
    }
    const planned = call.status === "planned"
    const work = yield* workOf(request)
    if (work === undefined) {
      if (!planned || call.open_attempts > 0) return putOff("person")
      const message = `The tool ${call.tool} is not there any more, or takes another input now.`
      return yield* refuse(request, "planned", { error: { code: "tool.not_found", message, retryable: false } })
    }
    if (!planned && asks) {
      if (call.guarantee === "none") return putOff("person")
      // An answer before everything is quiet could be overtaken by an effect under way.
      return yield* call.quiet ? ask(request, work) : Effect.succeed(putOff("quiet"))
    }
    if (!planned && call.attempts >= maximumAttempts) {
      if (!leavesNoTrace(call)) return putOff("person")
      const message = `${call.tool} was given up: its host ended under it ${call.attempts} times.`
      return yield* refuse(request, "unknown", { error: interrupted, message })
    }
    const refused = ToolCallPlan.judge({
      tool: work.tool,
      granted: settings.safety.scopesOf(event.channel),
      trust: event.trust,
      autonomy: control.current().autonomy,
      by_model: request.by_model === true
    }, call.risk)
    if (refused !== undefined) {
      if (!planned || call.open_attempts > 0) return putOff("person")
      const { error, reasons, type, verdict } = refused
      return yield* refuse(request, "planned", { error, type, data: { reasons, verdict } })
    }
    if (!planned) return yield* repeat(request, work)
    return { _tag: "Attempt", work, attempt: call.attempts + 1 }
  })

  return CallRecovery.of({ recover })
})
