/**
 * What the host is connected to: a channel, or a server of the Model Context Protocol.
 */
import { Schema } from "effect"
import { Health } from "./Enums.ts"

/** `connecting` and `reconnecting`: by itself. `sign_in`: the operator is asked to. `off`: switched off by the operator. */
export const IntegrationState = Schema.Literals(["connecting", "connected", "reconnecting", "sign_in", "off"])
export type IntegrationState = typeof IntegrationState.Type

/** A tool that is not what it was when it was trusted: not called, and not offered to a model. */
export const QuarantinedTool = Schema.Struct({
  /** The server's own name for it. */
  tool: Schema.String,
  /** One sentence. */
  reason: Schema.String,
  /** What was trusted against what the server says now, line by line: ` ` same, `-` gone, `+` new. Invisible characters are written out. */
  diff: Schema.String,
  /** SHA-256 of what the server says now: trusting names it, so that what was shown is what is trusted. */
  pin: Schema.String
})
export type QuarantinedTool = typeof QuarantinedTool.Type

/** A tool of a server that can't be used as it is. */
export const RefusedTool = Schema.Struct({
  tool: Schema.String,
  /** One sentence. */
  reason: Schema.String
})
export type RefusedTool = typeof RefusedTool.Type

export const Integration = Schema.Struct({
  /** The key in `mcp`, or the connector's id. */
  integration_id: Schema.String,
  kind: Schema.Literals(["mcp", "channel"]),
  health: Health,
  enabled: Schema.Boolean,
  state: IntegrationState,
  /** One sentence that says what is wrong. */
  last_error: Schema.optionalKey(Schema.String),
  /** Of the last sign of life that was asked for, milliseconds. */
  latency_ms: Schema.optionalKey(Schema.Number),
  connected_at: Schema.optionalKey(Schema.String),
  /** When it is tried again. */
  next_attempt_at: Schema.optionalKey(Schema.String),
  /** What the server says it is. */
  server: Schema.optionalKey(
    Schema.Struct({ name: Schema.String, version: Schema.String, protocol: Schema.String })
  ),
  /** Where the operator signs in, where the server asks for it. */
  sign_in_url: Schema.optionalKey(Schema.String),
  /** The last lines that it wrote to its standard error. */
  stderr: Schema.optionalKey(Schema.String),
  /** Names in the registry. */
  tools: Schema.Array(Schema.String),
  quarantined: Schema.Array(QuarantinedTool),
  refused: Schema.Array(RefusedTool)
})
export type Integration = typeof Integration.Type
