/**
 * Plans a call before anything is stored: checks the input, asks the scopes and the gates, fixes the identity.
 *
 * The identity (event or step, and ordinal) makes the idempotency key, never an attempt number and never content that
 * could come out differently the second time.
 */
import canonicalize from "canonicalize"
import { Effect } from "effect"
import type { Autonomy, Risk, Trust, Verdict } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { digest, newId } from "../database/Ids.ts"
import { toPlainJson } from "../plugin/PlainJson.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import * as Gates from "../safety/Gates.ts"

/** A call as it is stored for the first time. */
export interface CallRow {
  readonly tool_call_id: string
  readonly trace_id: string
  readonly event_id: string
  /** Of a call that is a step of a task. */
  readonly task_id?: string
  readonly step_id?: string
  readonly ordinal: number
  readonly tool: string
  readonly tool_pin: string
  readonly input: unknown
  readonly input_hash: string
  readonly idempotency_key: string
  readonly effect: string
  readonly guarantee: string
  readonly risk: Risk
  readonly autonomy: Autonomy
  readonly status: "planned" | "canceled" | "failed"
  readonly error?: ErrorDetail
  readonly created_at: string
  /** From the attempt to its deadline, milliseconds. */
  readonly deadline_ms: number
}

export interface Plan {
  readonly row: CallRow
  readonly tool: RegisteredTool
  /** The input as the tool gets it. */
  readonly input: unknown
  readonly refused: Refused | undefined
}

/** Why a call does not run. */
export interface Refused {
  readonly type: "gate.scope_violation" | "gate.hard_blocked" | "gate.preview" | "tool_call.failed"
  readonly verdict?: Verdict
  readonly error: ErrorDetail
  readonly reasons: ReadonlyArray<string>
}

/** What lies between the intent and the start of the effect at most: the commit, and the way to the tool. */
export const startAllowanceMs = 5_000

export interface PlanRequest {
  readonly trace_id: string
  readonly event_id: string
  /** The step of a task that makes the call, where one does. */
  readonly step?: { readonly task_id: string; readonly step_id: string }
  /** Of a call that is stored already. */
  readonly tool_call_id?: string | undefined
  readonly ordinal: number
  readonly tool: RegisteredTool
  readonly input: unknown
  readonly at: Date
  readonly autonomy: Autonomy
  readonly granted: ReadonlyArray<string>
  /** Of the event that asks for it. */
  readonly trust: Trust
  /** A model chose the call. */
  readonly by_model?: boolean
}

/** The key of a call in the fast lane. */
export const idempotencyKey = (eventId: string, ordinal: number, tool: string): string =>
  digest("event", eventId, String(ordinal), tool)

/** The key of a step's call: the same in every attempt, after every crash. */
export const stepKey = (step: { readonly task_id: string; readonly step_id: string }, ordinal: number, tool: string) =>
  digest("step", step.task_id, step.step_id, String(ordinal), tool)

const refusal = (
  type: Refused["type"],
  code: string,
  message: string,
  reasons: ReadonlyArray<string>,
  verdict?: Verdict
): Refused => ({
  type,
  error: { code, message, retryable: false },
  reasons,
  ...(verdict === undefined ? {} : { verdict })
})

/** Why a call of this risk may not run as things stand, or nothing when it may. */
export const judge = (
  request: Pick<PlanRequest, "tool" | "granted" | "autonomy" | "trust" | "by_model">,
  risk: Risk
): Refused | undefined => {
  const { definition } = request.tool
  if (request.tool.operatorOnly && request.trust !== "operator") {
    return refusal(
      "gate.hard_blocked",
      "gate.denied",
      `${definition.name} is only for the operator, and this came from a channel that is ${request.trust}.`,
      [`only the operator may call it; the channel is ${request.trust}`],
      "HARD_BLOCK"
    )
  }
  const missing = Gates.missingScopes(definition.scopes, request.granted)
  if (missing.length > 0) {
    return refusal(
      "gate.scope_violation",
      "scope.violation",
      `${definition.name} needs ${missing.join(", ")}, which this channel is not granted. Grant it in safety.scopes.`,
      missing.map((scope) => `scope ${scope} is not granted`)
    )
  }
  const { reasons, verdict } = Gates.decide({ effect: definition.effect, risk, autonomy: request.autonomy })
  if (verdict === "ALLOW") {
    if (request.by_model !== true || request.trust !== "untrusted" || definition.effect === "read") return undefined
    return refusal(
      "gate.hard_blocked",
      "gate.denied",
      `A model chose ${definition.name} on untrusted words, so it needs a person's yes. This version can't ask for one, ` +
        "so it did not run.",
      ["a model chose it on untrusted words", ...reasons],
      "CONFIRM"
    )
  }
  if (verdict === "PREVIEW") {
    return refusal(
      "gate.preview",
      "gate.preview",
      `At autonomy ${request.autonomy} nothing runs: ${definition.name} was only looked at.`,
      reasons,
      verdict
    )
  }
  return refusal(
    "gate.hard_blocked",
    "gate.denied",
    verdict === "CONFIRM"
      ? `${definition.name} has risk ${risk} and needs a person's yes at autonomy ${request.autonomy}. ` +
        "This version can't ask for one, so it did not run."
      : `${definition.name} has risk ${risk}, which is blocked at autonomy ${request.autonomy}.`,
    reasons,
    verdict
  )
}

export const plan = Effect.fnUntraced(function*(request: PlanRequest) {
  const { definition } = request.tool
  // What an intent took from the words is a plugin's value; what is stored and hashed is JSON.
  const json = yield* Effect.result(Effect.try({
    try: () => toPlainJson(request.input ?? {}),
    catch: (error) => `The input of ${definition.name} ${error instanceof Error ? error.message : String(error)}.`
  }))
  const raw = json._tag === "Success" ? json.success : null
  const decoded = json._tag === "Failure" ? json : yield* Effect.result(request.tool.decodeInput(raw))
  const valid = decoded._tag === "Success"
  const input: unknown = valid ? decoded.success : undefined
  let risk: Risk = typeof definition.risk === "string" ? definition.risk : "critical"
  let refused = valid ? undefined : refusal("tool_call.failed", "tool.input_invalid", decoded.failure, [])
  if (valid) {
    try {
      risk = request.tool.riskOf(input)
      refused = judge(request, risk)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      refused = refusal("tool_call.failed", "tool.risk_failed", `${definition.name} can't say its risk: ${message}`, [])
    }
  }
  const row: CallRow = {
    tool_call_id: request.tool_call_id ?? newId(),
    trace_id: request.trace_id,
    event_id: request.event_id,
    ...request.step,
    ordinal: request.ordinal,
    tool: definition.name,
    tool_pin: request.tool.pin,
    input: raw,
    input_hash: digest(canonicalize(raw) ?? "null"),
    idempotency_key: request.step === undefined
      ? idempotencyKey(request.event_id, request.ordinal, definition.name)
      : stepKey(request.step, request.ordinal, definition.name),
    effect: definition.effect,
    guarantee: definition.guarantee ?? "none",
    risk,
    autonomy: request.autonomy,
    status: refused === undefined ? "planned" : refused.type === "tool_call.failed" ? "failed" : "canceled",
    ...(refused === undefined ? {} : { error: refused.error }),
    created_at: request.at.toISOString(),
    deadline_ms: request.tool.timeoutMs + startAllowanceMs
  }
  return { row, tool: request.tool, input, refused } satisfies Plan
})
