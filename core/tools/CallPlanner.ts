/**
 * Plans a call: checks the input, asks the gates, fixes the identity, and where a person is to be asked makes the
 * approval: the exact input, its hash, the tool's pin, the preview and why. Nothing is stored and nothing runs here.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Risk, Trust } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { newId } from "../database/Ids.ts"
import { toPlainJson } from "../plugin/PlainJson.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { type ApprovalRow, askWords } from "../safety/ApprovalRows.ts"
import { Control } from "../safety/Control.ts"
import { type GateAnswer, Gates, hasCooldown, targetOf } from "../safety/Gates.ts"
import { labelsOf } from "../safety/Provenance.ts"
import { Binding, readInput } from "./Binding.ts"
import { hashOf } from "./InputHash.ts"
import { Previews } from "./Previews.ts"
import {
  type CallRow,
  type Guarded,
  idempotencyKey,
  type Plan,
  type PlanRequest,
  refusal,
  refusedBy,
  replyKey,
  startAllowanceMs,
  stepKey
} from "./ToolCallPlan.ts"

export class CallPlanner extends Context.Service<CallPlanner, {
  readonly plan: (request: PlanRequest) => Effect.Effect<Plan, SqlError.SqlError>
  /** The approval of a call that is planned, for a verdict that asks. */
  readonly ask: (
    request: Omit<PlanRequest, "ordinal">,
    row: Pick<CallRow, "tool_call_id" | "idempotency_key" | "input" | "input_hash" | "labels">,
    decoded: unknown,
    gate: GateAnswer,
    supersedes?: string
  ) => Effect.Effect<ApprovalRow, SqlError.SqlError>
  /** What the gates say today of an input that was decoded. */
  readonly judge: (
    request: Omit<PlanRequest, "ordinal">,
    decoded: unknown,
    json: unknown
  ) => GateAnswer | { readonly broken: ErrorDetail }
  /** The limits that are to be looked at before a call begins. An answer to the operator is none of them. */
  readonly guardedOf: (
    tool: RegisteredTool,
    input: unknown,
    /** What the channel is worth that it answers on, where it is an answer. */
    answers?: Trust
  ) => Guarded | undefined
}>()("syris/tools/CallPlanner") {
  static readonly layer = Layer.effect(CallPlanner, Effect.suspend(() => make))
}

const make = Effect.gen(function*() {
  const binding = yield* Binding
  const control = yield* Control
  const gates = yield* Gates
  const previews = yield* Previews
  const { safety } = yield* Settings
  const sql = yield* SqlClient.SqlClient

  const nextNumber = Effect.map(
    sql<{ readonly number: bigint }>`select nextval('approval_numbers') as number`,
    ([row]) => Number(row?.number ?? 0)
  )

  const judge: CallPlanner["Service"]["judge"] = (request, input, json) => {
    const { event, tool } = request
    let risk: Risk
    try {
      risk = tool.riskOf(input)
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      return {
        broken: {
          code: "tool.risk_failed",
          message: `${tool.definition.name} can't say its risk: ${message}`,
          retryable: false
        }
      }
    }
    return gates.decide({
      tool,
      input,
      json,
      risk,
      autonomy: control.current().autonomy,
      trust: request.trust,
      source: event,
      granted: safety.scopesOf(event.channel),
      by_model: request.by_model === true,
      reply: request.reply,
      dry: request.dry,
      at: request.at
    })
  }

  const guardedOf: CallPlanner["Service"]["guardedOf"] = (tool, input, answers) => {
    const notification = tool.notifies && answers !== "operator"
    const cooldown = hasCooldown(tool) && answers === undefined
    if (!notification && !cooldown) return undefined
    const { action, target } = targetOf(tool, input)
    if (cooldown && target !== undefined) return { action, target, notification }
    if (!notification) return undefined
    return { action, target: undefined, notification, ...(answers === undefined ? {} : { answer: true }) }
  }

  const show = (request: Omit<PlanRequest, "ordinal">, idempotency_key: string, input: unknown) =>
    previews.show({
      tool: request.tool,
      input,
      idempotency_key,
      trace_id: request.event.trace_id,
      trust: request.trust
    })

  const ask: CallPlanner["Service"]["ask"] = Effect.fnUntraced(function*(request, row, decoded, gate, supersedes) {
    const { event, step, tool } = request
    const { autonomy } = control.current()
    const preview = yield* show(request, row.idempotency_key, decoded)
    const shown = [preview.text, preview.note].filter((part) => part !== undefined).join(" ")
    const asked = {
      approval_id: newId(),
      number: request.dry === true ? 0 : yield* nextNumber,
      trace_id: event.trace_id,
      event_id: event.event_id,
      ...step,
      tool_call_id: row.tool_call_id,
      work_id: step?.task_id ?? request.reply?.id ?? event.event_id,
      tool: tool.definition.name,
      what: row.input,
      what_hash: row.input_hash,
      tool_pin: tool.pin,
      ...(shown === "" ? {} : { preview: shown }),
      why: `Risk ${gate.risk} at autonomy ${autonomy}: ${gate.reasons.join("; ")}.`,
      reasons: gate.reasons,
      risk: gate.risk,
      autonomy,
      basis: gate.basis,
      labels: row.labels,
      ttl_ms: safety.approvalTtlMs,
      ...(supersedes === undefined ? {} : { supersedes })
    }
    return { ...asked, question: askWords(asked) }
  })

  const plan = Effect.fnUntraced(function*(request: PlanRequest) {
    const { event, ordinal, step, tool } = request
    const { definition } = tool
    const { autonomy } = control.current()
    // What an intent took from the words is a plugin's value; what is stored and hashed is JSON.
    const json = yield* Effect.result(Effect.try({
      try: () => toPlainJson(request.input ?? {}),
      catch: (error) => `The input of ${definition.name} ${error instanceof Error ? error.message : String(error)}.`
    }))
    const given = json._tag === "Success" ? json.success : {}
    const read = json._tag === "Failure" ? json : yield* Effect.result(readInput(binding, request, given))
    const { decoded: input, json: raw } = read._tag === "Success" ? read.success : { decoded: undefined, json: given }
    const judged = read._tag === "Success" ? judge(request, input, raw) : undefined
    const gate = judged === undefined || "broken" in judged ? undefined : judged
    const key = request.reply !== undefined
      ? replyKey(request.reply.id, definition.name)
      : step === undefined
      ? idempotencyKey(event.event_id, ordinal, definition.name)
      : stepKey(step, ordinal, definition.name)
    const refused = read._tag === "Failure"
      ? refusal("tool_call.failed", "tool.input_invalid", read.failure, [])
      : gate === undefined
      ? refusal(
        "tool_call.failed",
        judged !== undefined && "broken" in judged ? judged.broken.code : "tool.failed",
        judged !== undefined && "broken" in judged ? judged.broken.message : `${definition.name} can't be judged.`,
        []
      )
      : refusedBy(tool, gate, autonomy, gate.verdict === "PREVIEW" ? yield* show(request, key, input) : undefined)
    const asks = refused === undefined && gate?.verdict === "CONFIRM"
    const row: CallRow = {
      tool_call_id: request.tool_call_id ?? newId(),
      trace_id: event.trace_id,
      event_id: event.event_id,
      ...step,
      ordinal,
      tool: definition.name,
      tool_pin: tool.pin,
      input: raw,
      input_hash: hashOf(raw),
      idempotency_key: key,
      effect: definition.effect,
      guarantee: definition.guarantee ?? "none",
      risk: gate?.risk ?? (typeof definition.risk === "string" ? definition.risk : "critical"),
      autonomy,
      status: refused === undefined ? "planned" : refused.type === "tool_call.failed" ? "failed" : "canceled",
      needs_approval: asks,
      labels: labelsOf(request.trust),
      ...(refused === undefined ? {} : { error: refused.error }),
      created_at: request.at.toISOString(),
      deadline_ms: tool.timeoutMs + startAllowanceMs
    }
    return {
      row,
      tool,
      input,
      refused,
      gate,
      approval: asks && gate !== undefined ? yield* ask(request, row, input, gate) : undefined,
      guarded: guardedOf(tool, input, request.reply?.to)
    } satisfies Plan
  })

  return CallPlanner.of({ plan, ask, judge, guardedOf })
})
