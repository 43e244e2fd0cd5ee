/**
 * What becomes of a call that a former holder left, whichever lane it belongs to.
 *
 * - What was in flight becomes `unknown` first. Then: a read, a transactional or a keyed call is repeated under the same
 *   key; one that can be probed is asked once nothing can land any more; any other waits for a person.
 * - Whatever is still to be sent is judged by today's policy. One that a person has said yes to runs only if all that was
 *   shown is still so: input, tool, policy. Else it does not run, and says why.
 * - Only `unknown` and the way back to `planned` are written here; an end and a delay are written by the lane.
 */
import { Clock, Context, Effect, Layer } from "effect"
import type { SqlError } from "effect/sql"
import type { Fact } from "../audit/Audit.ts"
import type { ValueLabels } from "../contract/Approval.ts"
import type { ApprovalStatus, Autonomy, Guarantee, Risk, ToolCallStatus, ToolEffect, Trust } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { absentTool, isLive } from "../plugin/LiveTools.ts"
import { type RegisteredTool, Registry } from "../plugin/Registry.ts"
import type { ApprovalRow } from "../safety/ApprovalRows.ts"
import { Control } from "../safety/Control.ts"
import { type GateAnswer, Gates } from "../safety/Gates.ts"
import { worst } from "../safety/Provenance.ts"
import { mismatchOf } from "./ApprovalCheck.ts"
import { CallPlanner } from "./CallPlanner.ts"
import { interrupted, leavesNoTrace } from "./Ending.ts"
import { type Refused, refusal, refusedBy } from "./ToolCallPlan.ts"
import { callRefs, endingWords, maximumAttempts, type Origin, ToolExecutor, type Work } from "./ToolExecutor.ts"
import { type Held, ToolLedger } from "./ToolLedger.ts"

/** A probe that keeps answering `unknown` is asked this often before a person is. */
const maximumProbes = 8

/** What found nothing out is tried again ever later, at last by a person. */
export const nextTry = (tries: number): number | "person" => tries >= maximumProbes ? "person" : 1_000 * 2 ** tries

/** After another holder answered for a call that was taken for lost. */
const answeredMs = 100

/** The last approval of a call, as the database has it. */
export interface StoredApproval {
  readonly approval_id: string
  readonly number: number
  readonly trace_id: string
  readonly event_id: string | null
  readonly task_id: string | null
  readonly step_id: string | null
  readonly work_id: string
  readonly status: ApprovalStatus
  readonly tool: string
  readonly what: unknown
  readonly what_hash: string
  readonly tool_pin: string
  readonly preview: string | null
  readonly why: string
  readonly risk: Risk
  readonly autonomy: Autonomy
  readonly labels: Partial<ValueLabels>
  readonly basis: string
  readonly reason: string | null
  /** Its time has passed. */
  readonly over: boolean
  /** Until its end, milliseconds. */
  readonly left_ms: number
}

/** A call as the database has it. */
export interface StoredCall {
  readonly tool_call_id: string
  readonly trace_id: string
  readonly event_id: string | null
  readonly task_id: string | null
  readonly step_id: string | null
  readonly tool: string
  readonly tool_pin: string
  readonly input: unknown
  readonly input_hash: string
  readonly needs_approval: boolean
  readonly labels: Partial<ValueLabels>
  readonly approval: StoredApproval | null
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
    'holder_ended', h.ended_at is not null,
    'approval',     case when c.needs_approval or c.status = 'planned' then (
                      select to_jsonb(a) || jsonb_build_object(
                               'over',    a.expires_at <= clock_timestamp(),
                               'left_ms', greatest(0, extract(epoch from a.expires_at - clock_timestamp()) * 1000)::float8)
                      from approvals a
                      where a.tool_call_id = c.tool_call_id
                      order by a.approval_id desc
                      limit 1) end) end`

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
  /** A person is to be asked about it after all. */
  | { readonly _tag: "Ask"; readonly approval: ApprovalRow; readonly fact: Fact }
  /** A person was asked, and has not answered. */
  | { readonly _tag: "Asked"; readonly approval: StoredApproval }
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
  /** The worst of all that is in the trace. Default: the event's. */
  readonly trust?: Trust
  /** Of an answer to the event: whether it says what was looked up, or what somebody else wrote. */
  readonly reply?: { readonly discloses: boolean }
}

export class CallRecovery extends Context.Service<CallRecovery, {
  /** Judges it, and moves it to `unknown` or back to `planned` where that is the answer. Needs the claim. */
  readonly recover: (request: RecoveryRequest) => Effect.Effect<Recovered, SqlError.SqlError>
}>()("syris/tools/CallRecovery") {
  static readonly layer = Layer.effect(CallRecovery, Effect.suspend(() => make))
}

const hasEnded = (call: StoredCall): call is StoredCall & { readonly status: "succeeded" | "failed" | "canceled" } =>
  call.status === "succeeded" || call.status === "failed" || call.status === "canceled"

/** What of a call is not as it was approved. */
const notAsApproved = (
  { call, held }: RecoveryRequest,
  { tool }: Work,
  approval: StoredApproval
): string | undefined => {
  const { effect, guarantee = "none" } = tool.definition
  if (approval.work_id !== held.work_id) return "the approval belongs to other work"
  return mismatchOf(call, approval, tool.pin) ??
    (call.effect === effect && call.guarantee === guarantee ? undefined : "what can be promised of it was changed")
}

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
  const gates = yield* Gates
  const ledger = yield* ToolLedger
  const planner = yield* CallPlanner
  const registry = yield* Registry
  const tools = yield* ToolExecutor

  const fact = Effect.fnUntraced(function*(
    type: Fact["type"],
    { call, event, step_id, task_id }: RecoveryRequest,
    summary: string,
    data: Record<string, unknown>
  ) {
    const approval_id = call.approval?.approval_id
    return {
      type,
      trace_id: event.trace_id,
      at: new Date(yield* Clock.currentTimeMillis),
      summary: summary.slice(0, 500),
      refs: {
        ...callRefs({ event, tool_call_id: call.tool_call_id, task_id, step_id }),
        ...(approval_id === undefined ? {} : { approval_id })
      },
      tool: call.tool,
      risk: call.risk,
      autonomy: call.autonomy,
      data: { attempt: call.attempts, guarantee: call.guarantee, ...data }
    } satisfies Fact
  })

  const trustOf = ({ event, trust }: RecoveryRequest): Trust => trust ?? event.trust

  const workOf = Effect.fnUntraced(function*(request: RecoveryRequest) {
    const { call, event, held, step_id, task_id } = request
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
      trust: worst(call.labels.trust ?? "operator", trustOf(request)),
      policy_version: gates.policyVersion(),
      steers: tool.steering !== undefined,
      approved: call.needs_approval && call.attempts === 0,
      // What it has taken of the limits is its own, for all its attempts.
      guarded: call.attempts > 0
        ? undefined
        : planner.guardedOf(tool, decoded.success, request.reply === undefined ? undefined : event.trust)
    } satisfies Work
  })

  const repeat = (request: RecoveryRequest, work: Work) =>
    Effect.as(
      ledger.replan(request.held),
      { _tag: "Attempt", work, attempt: request.call.attempts + 1 } satisfies Recovered
    )

  const planOf = (request: RecoveryRequest, tool: RegisteredTool, at: Date) => ({
    event: request.event,
    ...(request.task_id === undefined || request.step_id === undefined
      ? {}
      : { step: { task_id: request.task_id, step_id: request.step_id } }),
    tool,
    input: request.call.input,
    at,
    trust: trustOf(request),
    by_model: request.by_model === true,
    ...(request.reply === undefined
      ? {}
      : { reply: { ...request.reply, id: request.held.work_id, to: request.event.trust } })
  })

  /** What today's gates say of what is still to be sent. */
  const judge = Effect.fnUntraced(function*(request: RecoveryRequest, work: Work) {
    const at = new Date(yield* Clock.currentTimeMillis)
    return planner.judge(planOf(request, work.tool, at), work.input, request.call.input)
  })

  /** Whether a call of which nobody knows may be sent again, at the level of now. */
  const mayGoOn = ({ call }: RecoveryRequest, today: Effect.Success<ReturnType<typeof judge>>): boolean => {
    if ("broken" in today) return false
    // A person has said yes to it already.
    if (call.needs_approval && today.verdict === "CONFIRM") return true
    return gates.begunAt(call.autonomy, control.current().autonomy, today).verdict === "ALLOW"
  }

  const ask = Effect.fnUntraced(function*(request: RecoveryRequest, work: Work) {
    const { call } = request
    const answer = yield* tools.probe(work)
    if (answer === "not_done") {
      return mayGoOn(request, yield* judge(request, work)) ? yield* repeat(request, work) : putOff("person")
    }
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
    { error, preview, reasons, type, verdict }: Refused
  ) {
    return {
      _tag: "Ended",
      status: type.startsWith("gate.") && request.call.attempts === 0 ? "canceled" : "failed",
      error,
      fact: yield* fact(type, request, error.message, {
        error,
        ...(reasons.length === 0 ? {} : { reasons }),
        ...(verdict === undefined ? {} : { verdict }),
        ...(preview === undefined ? {} : { preview })
      }),
      from,
      reply: error.message
    } satisfies Recovered
  })

  const failed = (error: ErrorDetail): Refused => refusal("tool_call.failed", error.code, error.message, [])

  /** A call that was never begun and has an approval, or needs one. */
  const withApproval = Effect.fnUntraced(function*(request: RecoveryRequest, work: Work): Effect.fn.Return<
    Recovered,
    SqlError.SqlError
  > {
    const { call } = request
    const { approval } = call
    const { name } = work.tool.definition
    const stop = (why: string, type: Refused["type"] = "gate.hard_blocked", code = "gate.denied") =>
      refuse(request, "planned", refusal(type, code, `${name} was not run: ${why}.`, [why]))
    if (!call.needs_approval) return yield* stop("that it needs an approval was changed")
    if (approval === null) return yield* stop("it needs an approval, and there is none")
    switch (approval.status) {
      case "pending":
        return approval.over
          ? yield* stop("nobody said yes in time", "gate.expired", "gate.expired")
          : { _tag: "Asked", approval }
      case "approved":
        break
      case "denied":
        return yield* stop(`you said no${approval.reason === null ? "" : ` (${approval.reason})`}`, "gate.denied")
      case "expired":
        return yield* stop("nobody said yes in time", "gate.expired", "gate.expired")
      default:
        return yield* stop(`its approval was ${approval.status}`)
    }
    if (approval.over) return yield* stop("its approval ended before it could begin", "gate.expired", "gate.expired")
    const differs = notAsApproved(request, work, approval)
    if (differs !== undefined) return yield* stop(`${differs}, so it is not what was approved`)
    const today = yield* judge(request, work)
    if ("broken" in today) return yield* refuse(request, "planned", failed(today.broken))
    if (today.basis !== approval.basis) {
      return yield* stop("the policy for it has changed since it was approved: ask for it again")
    }
    // What depends on the hour was shown with the question; what the operator has set since then counts.
    const now = gates.approvedAt(approval.risk, control.current().autonomy, today)
    const refused = refusedBy(work.tool, now, control.current().autonomy)
    if (refused !== undefined) return yield* refuse(request, "planned", refused)
    return { _tag: "Attempt", work, attempt: 1 }
  })

  /** A call without an approval that today's gates would ask about. */
  const askNow = Effect.fnUntraced(function*(request: RecoveryRequest, work: Work, gate: GateAnswer) {
    const { call } = request
    const at = new Date(yield* Clock.currentTimeMillis)
    const labels = {
      trust: call.labels.trust ?? trustOf(request),
      confidentiality: call.labels.confidentiality ?? "public"
    }
    const approval = yield* planner.ask(
      planOf(request, work.tool, at),
      { ...call, labels },
      work.input,
      gate
    )
    const told = yield* fact("gate.required", request, `${call.tool} waits for your yes: ${gate.reasons.join("; ")}`, {
      reasons: gate.reasons,
      verdict: gate.verdict,
      number: approval.number
    })
    return {
      _tag: "Ask",
      approval,
      fact: { ...told, risk: gate.risk, refs: { ...told.refs, approval_id: approval.approval_id } }
    } satisfies Recovered
  })

  const recover = Effect.fnUntraced(function*(request: RecoveryRequest): Effect.fn.Return<
    Recovered,
    SqlError.SqlError
  > {
    const { call, held } = request
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
      const message = isLive(call.tool) && registry.tool(call.tool) === undefined
        ? absentTool(call.tool)
        : `The tool ${call.tool} is not there any more, or takes another input now.`
      return yield* refuse(request, "planned", refusal("tool_call.failed", "tool.not_found", message, []))
    }
    if (planned && call.attempts === 0 && (call.needs_approval || call.approval !== null)) {
      return yield* withApproval(request, work)
    }
    if (call.needs_approval && call.attempts > 0) {
      const differs = call.approval?.status === "consumed"
        ? notAsApproved(request, work, call.approval)
        : "it counts as begun, and its approval was not used"
      if (differs !== undefined) {
        if (!planned || call.open_attempts > 0) return putOff("person")
        const message = `${call.tool} was not run: ${differs}, so it is not what was approved.`
        return yield* refuse(request, "planned", refusal("gate.hard_blocked", "gate.denied", message, [differs]))
      }
    }
    if (!planned && asks) {
      if (call.guarantee === "none") return putOff("person")
      // An answer before everything is quiet could be overtaken by an effect under way.
      return yield* call.quiet ? ask(request, work) : Effect.succeed(putOff("quiet"))
    }
    if (!planned && call.attempts >= maximumAttempts) {
      if (!leavesNoTrace(call)) return putOff("person")
      const message = `${call.tool} was given up: its host ended under it ${call.attempts} times.`
      return yield* refuse(request, "unknown", { ...failed(interrupted), error: { ...interrupted, message } })
    }
    const today = yield* judge(request, work)
    if (!planned || call.open_attempts > 0) {
      if (!mayGoOn(request, today)) return putOff("person")
      return planned ? { _tag: "Attempt", work, attempt: call.attempts + 1 } : yield* repeat(request, work)
    }
    if ("broken" in today) return yield* refuse(request, "planned", failed(today.broken))
    const refused = refusedBy(work.tool, today, control.current().autonomy)
    if (refused !== undefined) return yield* refuse(request, "planned", refused)
    if (today.verdict === "CONFIRM" && !call.needs_approval) {
      if (call.attempts === 0) return yield* askNow(request, work, today)
      const message = `${call.tool} was tried before, and would need your yes now: it is not tried again.`
      return yield* refuse(request, "planned", refusal("gate.denied", "gate.denied", message, today.reasons))
    }
    return { _tag: "Attempt", work, attempt: call.attempts + 1 }
  })

  return CallRecovery.of({ recover })
})
