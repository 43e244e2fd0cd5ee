/** A job as the host has it that runs it, or means to. */
import type { Runtime, Trust } from "../contract/Enums.ts"
import type { EventRow } from "../contract/Rows.ts"
import type { RetryPolicy } from "../contract/Task.ts"
import type { ToldJob } from "./JobFacts.ts"

export interface HeldJob extends ToldJob {
  readonly plugin: string
  readonly runtime: Runtime
  readonly input: unknown
  readonly limits: { readonly timeout_ms: number; readonly memory_mb: number }
  readonly labels: { readonly trust: Trust; readonly confidentiality: string }
  readonly retry: RetryPolicy
  readonly fence: number
  readonly answer_by: string | null
  /** That led to it. */
  readonly event: Pick<EventRow, "event_id" | "trace_id" | "depth" | "channel">
}
