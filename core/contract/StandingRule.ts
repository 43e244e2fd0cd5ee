/**
 * A standing rule: what "always allow" made.
 */
import { Schema } from "effect"

export const StandingRule = Schema.Struct({
  policy_id: Schema.String,
  tool: Schema.String,
  /** A condition over the call: `input.…`, `source.…`, `security.trust`, `state.…`. */
  when: Schema.Unknown,
  /** The highest, after all that makes a call riskier, for which it holds. */
  risk: Schema.Literals(["low", "medium", "high"]),
  reason: Schema.optionalKey(Schema.String),
  /** That it was made from. */
  approval_id: Schema.optionalKey(Schema.String),
  created_by: Schema.String,
  created_at: Schema.String,
  expires_at: Schema.String,
  revoked_at: Schema.optionalKey(Schema.String)
})
export type StandingRule = typeof StandingRule.Type
