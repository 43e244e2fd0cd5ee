/**
 * Which part of a rule's condition held for an event, with the values.
 */
import { Schema } from "effect"

export const RuleLeaf = Schema.Struct({
  path: Schema.String,
  op: Schema.String,
  value: Schema.optionalKey(Schema.Unknown),
  /** What was there; left out where nothing was. */
  actual: Schema.optionalKey(Schema.Unknown),
  matched: Schema.Boolean
})
export type RuleLeaf = typeof RuleLeaf.Type

export const RuleExplanation = Schema.Struct({
  rule_id: Schema.String,
  name: Schema.String,
  event_id: Schema.String,
  enabled: Schema.Boolean,
  /** Whether the condition holds, as far as it can be told today. */
  matched: Schema.Boolean,
  leaves: Schema.Array(RuleLeaf),
  /** What happened then. */
  outcome: Schema.Literals(["triggered", "suppressed", "not_matched", "waiting", "not_asked"]),
  reason: Schema.optionalKey(Schema.String),
  /** The event that `changed` compares with. */
  previous_event_id: Schema.optionalKey(Schema.String),
  said: Schema.String
})
export type RuleExplanation = typeof RuleExplanation.Type

/** What a rule would have done with one event. */
export const RuleTrial = Schema.Struct({
  event_id: Schema.optionalKey(Schema.String),
  matched: Schema.Boolean,
  /** It would have fired. */
  fires: Schema.Boolean,
  /** Why not, although its condition holds. */
  reason: Schema.optionalKey(Schema.String),
  leaves: Schema.Array(RuleLeaf)
})
export type RuleTrial = typeof RuleTrial.Type
