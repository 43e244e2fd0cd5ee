/**
 * A question to a model as the operator reads it, and what questions have cost. Without known secrets.
 */
import { Schema } from "effect"
import { Trust } from "./Enums.ts"

const Known = Schema.optionalKey

export const CompletionPart = Schema.Struct({
  part: Schema.String,
  tokens: Schema.Int,
  /** At most so many. */
  budget: Schema.Int,
  /** Entries that were there, and had no room. */
  left_out: Schema.Int,
  trust: Trust
})

/** Exactly what a model was sent and answered. */
export const CompletionRecord = Schema.Struct({
  completion_id: Schema.String,
  purpose: Schema.Literals(["decide", "summarize", "sample"]),
  trace_id: Schema.String,
  task_id: Schema.String,
  step_id: Schema.String,
  /** Which one of the step, from 0. */
  question: Schema.Int,
  asked_at: Schema.String,
  /** Missing while there is no answer, and where its host died in between. */
  answered_at: Known(Schema.String),
  /** As the configuration calls it: that answered, or is asked first. */
  model: Schema.String,
  prompt_hash: Schema.String,
  /** SHA-256 over the canonical JSON of what was sent. */
  request_hash: Schema.String,
  messages: Schema.Array(Schema.Unknown),
  tools: Schema.Array(Schema.Unknown),
  parts: Schema.Array(CompletionPart),
  answer: Known(Schema.Unknown),
  error: Known(Schema.Unknown),
  /** Until there is an answer: what is reserved. */
  usage: Schema.Struct({ input_tokens: Schema.Int, output_tokens: Schema.Int }),
  usd: Known(Schema.Finite),
  latency_ms: Known(Schema.Int)
})
export type CompletionRecord = typeof CompletionRecord.Type

const used = {
  questions: Schema.Int,
  input_tokens: Schema.Int,
  output_tokens: Schema.Int
}

/** What some questions used, with what is reserved for those that have no answer. */
export const Cost = Schema.Struct({
  /** The day as `2026-11-30`, the task's id, or the model as the configuration calls it. */
  key: Schema.String,
  /** Of a task. */
  name: Known(Schema.String),
  ...used,
  usd: Schema.Finite,
  /** Questions to a model without a price. */
  unpriced: Schema.Int,
  /** Questions without an answer: they count as what was reserved for them. */
  reserved: Schema.Int
})
export type Cost = typeof Cost.Type

/** Of a trace; `usd` where a price is known. */
export const TraceCosts = Schema.Struct({ ...used, usd: Known(Schema.Finite) })
export type TraceCosts = typeof TraceCosts.Type

/** A budget that is configured; of a day's with what is left of it. */
export const BudgetState = Schema.Struct({
  /** The setting. */
  budget: Schema.String,
  scope: Schema.Literals(["trace", "task", "day"]),
  unit: Schema.Literals(["tokens", "usd"]),
  most: Schema.Finite,
  used: Known(Schema.Finite),
  left: Known(Schema.Finite),
  /** When the day ends. */
  until: Known(Schema.String)
})
export type BudgetState = typeof BudgetState.Type

export const costsBy = ["day", "task", "model"] as const
export type CostsBy = typeof costsBy[number]
