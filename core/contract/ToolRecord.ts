/**
 * A tool of the registry, and what a call of it would do.
 */
import { Schema } from "effect"
import { Guarantee, Health, Risk, ToolEffect, Trust, Verdict } from "./Enums.ts"

export const ToolRecord = Schema.Struct({
  name: Schema.String,
  plugin: Schema.String,
  description: Schema.String,
  effect: ToolEffect,
  /** `null` where it depends on the input. */
  risk: Schema.NullOr(Risk),
  guarantee: Guarantee,
  trust: Trust,
  scopes: Schema.Array(Schema.String),
  timeout_ms: Schema.Finite,
  concurrency: Schema.Int,
  pin: Schema.String,
  input_schema: Schema.Unknown,
  output_schema: Schema.optionalKey(Schema.Unknown),
  health: Health
})
export type ToolRecord = typeof ToolRecord.Type

export const ToolPreview = Schema.Struct({
  tool: Schema.String,
  input: Schema.Unknown,
  input_hash: Schema.String,
  idempotency_key: Schema.String,
  /** What the gates would say now. */
  verdict: Verdict,
  risk: Risk,
  reasons: Schema.Array(Schema.String),
  /** In the tool's words. */
  preview: Schema.optionalKey(Schema.String),
  /** What can't be foreseen, as a sentence. */
  note: Schema.optionalKey(Schema.String)
})
export type ToolPreview = typeof ToolPreview.Type
