/**
 * Long work that runs apart from the host: a durable row first, then a run with bounds.
 */
import { Schema } from "effect"
import { JobStatus, Runtime } from "./Enums.ts"
import { ErrorDetail } from "./ErrorDetail.ts"

export const Job = Schema.Struct({
  job_id: Schema.String,
  trace_id: Schema.String,
  /** That led to it. */
  event_id: Schema.String,
  /** Of the call that started it. */
  tool_call_id: Schema.optionalKey(Schema.String),
  plugin: Schema.String,
  kind: Schema.String,
  runtime: Runtime,
  status: JobStatus,
  progress: Schema.Struct({
    /** 0 to 100. */
    percent: Schema.optionalKey(Schema.Finite),
    message: Schema.optionalKey(Schema.String)
  }),
  input: Schema.Unknown,
  output: Schema.optionalKey(Schema.Unknown),
  error: Schema.optionalKey(ErrorDetail),
  limits: Schema.Struct({ timeout_ms: Schema.Int, memory_mb: Schema.Int }),
  /** Which one runs or ran last; 0 before the first. */
  attempt: Schema.Int,
  max_attempts: Schema.Int,
  cancel_reason: Schema.optionalKey(Schema.String),
  /** What the run wrote; `GET /artifacts/{id}` has it. */
  log_artifact_id: Schema.optionalKey(Schema.String),
  /** When the next attempt is due, of one that is waiting. */
  next_attempt_at: Schema.optionalKey(Schema.String),
  created_at: Schema.String,
  started_at: Schema.optionalKey(Schema.String),
  ended_at: Schema.optionalKey(Schema.String)
})
export type Job = typeof Job.Type
