/**
 * What a tool gave back besides words: a picture, a document, a text that is too long for an output. Its bytes are at
 * `GET /artifacts/{id}`.
 */
import { Schema } from "effect"
import { Trust } from "./Enums.ts"

export const Artifact = Schema.Struct({
  artifact_id: Schema.String,
  trace_id: Schema.String,
  tool_call_id: Schema.optionalKey(Schema.String),
  task_id: Schema.optionalKey(Schema.String),
  /** That kept it, or whose log it is. */
  job_id: Schema.optionalKey(Schema.String),
  name: Schema.String,
  media_type: Schema.String,
  bytes: Schema.Int,
  sha256: Schema.String,
  labels: Schema.Struct({ trust: Trust, confidentiality: Schema.Literals(["public", "private", "secret"]) }),
  created_at: Schema.String
})
export type Artifact = typeof Artifact.Type
