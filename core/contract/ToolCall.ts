/**
 * One call of one tool: its identity never changes, its status only moves as `tools/ToolLedger.ts` says.
 */
import { Schema } from "effect"
import { Autonomy, Guarantee, Risk, ToolCallStatus, ToolEffect } from "./Enums.ts"
import { ErrorDetail } from "./ErrorDetail.ts"

export const ToolCall = Schema.Struct({
  tool_call_id: Schema.String,
  trace_id: Schema.String,
  event_id: Schema.optionalKey(Schema.String),
  task_id: Schema.optionalKey(Schema.String),
  step_id: Schema.optionalKey(Schema.String),
  tool: Schema.String,
  input: Schema.Unknown,
  /** SHA-256 over the canonical JSON of the input, hex. */
  input_hash: Schema.String,
  /** Unique for ever; made of the call's identity, never of an attempt number. */
  idempotency_key: Schema.String,
  effect: ToolEffect,
  guarantee: Guarantee,
  risk: Risk,
  autonomy: Autonomy,
  status: ToolCallStatus,
  /** Grows at each claim; a write under an older one changes nothing. */
  fence: Schema.Int,
  attempts: Schema.Int,
  output: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(ErrorDetail),
  latency_ms: Schema.optionalKey(Schema.Number),
  created_at: Schema.String,
  resolved_at: Schema.optionalKey(Schema.String)
})
export type ToolCall = typeof ToolCall.Type
