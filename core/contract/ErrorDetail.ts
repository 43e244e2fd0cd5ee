/**
 * What went wrong, as it is stored and sent: a stable dotted code, a sentence for a person, never a secret.
 */
import { Schema } from "effect"

export const ErrorDetail = Schema.Struct({
  /** Dotted and stable: `tool.timeout`, `scope.violation`, `gate.denied`. Programs branch on it. */
  code: Schema.String,
  message: Schema.String,
  /** Whether the same request could succeed later without a change. */
  retryable: Schema.Boolean,
  details: Schema.optionalKey(Schema.Unknown)
})
export type ErrorDetail = typeof ErrorDetail.Type
