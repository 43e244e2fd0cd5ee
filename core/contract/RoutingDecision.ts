/**
 * Where an event went, and why: every part of the cascade that was asked or skipped is in the notes.
 */
import { Schema } from "effect"
import { Lane, Risk } from "./Enums.ts"

export const RoutingDecision = Schema.Struct({
  event_id: Schema.String,
  trace_id: Schema.String,
  decided_at: Schema.String,
  lane: Lane,
  match: Schema.Struct({
    filter: Schema.optionalKey(Schema.String),
    rule_ids: Schema.Array(Schema.String),
    fastpath: Schema.optionalKey(Schema.String),
    used_llm: Schema.Boolean
  }),
  intent: Schema.optionalKey(Schema.String),
  /** Only where a model decided, 0 to 1. */
  confidence: Schema.optionalKey(Schema.Number),
  tool: Schema.optionalKey(Schema.String),
  input: Schema.optionalKey(Schema.Unknown),
  required_scopes: Schema.Array(Schema.String),
  risk: Schema.optionalKey(Risk),
  notes: Schema.Array(Schema.String),
  prompt_hash: Schema.optionalKey(Schema.String)
})
export type RoutingDecision = typeof RoutingDecision.Type
