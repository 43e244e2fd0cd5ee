/**
 * A person's yes as a capability: bound to one call, its exact input and its tool's definition, for one use and until a
 * moment. What was shown is what runs, or nothing runs.
 */
import { Schema } from "effect"
import { ApprovalStatus, Autonomy, Confidentiality, Risk, Trust } from "./Enums.ts"

/** Of a value: the worst of all that went into it. */
export const ValueLabels = Schema.Struct({ trust: Trust, confidentiality: Confidentiality })
export type ValueLabels = typeof ValueLabels.Type

export const Approval = Schema.Struct({
  approval_id: Schema.String,
  /** What a person calls it: "approve 7". Never used again. */
  number: Schema.Int,
  trace_id: Schema.String,
  event_id: Schema.optionalKey(Schema.String),
  task_id: Schema.optionalKey(Schema.String),
  step_id: Schema.optionalKey(Schema.String),
  tool_call_id: Schema.String,
  status: ApprovalStatus,
  tool: Schema.String,
  /** The exact input that will run; secrets that the host knows are shown by their names. */
  what: Schema.Unknown,
  /** SHA-256 over the canonical JSON of the input, hex. */
  what_hash: Schema.String,
  /** Of the tool's definition. */
  tool_pin: Schema.String,
  /** What the tool says that would happen. */
  preview: Schema.optionalKey(Schema.String),
  /** One sentence: why a person is asked. */
  why: Schema.String,
  /** Every reason of the gates. */
  reasons: Schema.Array(Schema.String),
  risk: Risk,
  autonomy: Autonomy,
  labels: ValueLabels,
  how_to_approve: Schema.String,
  created_at: Schema.String,
  expires_at: Schema.String,
  /** The approval that this one took the place of. */
  supersedes: Schema.optionalKey(Schema.String),
  decision: Schema.optionalKey(Schema.Struct({
    by: Schema.String,
    at: Schema.String,
    reason: Schema.optionalKey(Schema.String)
  }))
})
export type Approval = typeof Approval.Type
