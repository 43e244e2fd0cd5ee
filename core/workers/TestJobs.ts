/**
 * For tests: jobs in the database without anybody who runs them, each born and moved as the guards of the table allow.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { JobStatus } from "../contract/Enums.ts"
import type { Job } from "../contract/Job.ts"
import { newId } from "../database/Ids.ts"
import { endedStatuses } from "./JobState.ts"

export interface JobToStore extends Partial<Omit<Job, "job_id" | "status" | "next_attempt_at">> {
  readonly status?: JobStatus
  /** When its next attempt is due. */
  readonly due_at?: Date
  /** The host that runs it; default: nobody. */
  readonly claimed_by?: string
  readonly answer_by?: string
}

const json = (value: unknown): string | null => value === undefined ? null : JSON.stringify(value)

/** Answers its ids. */
export const storeJob = Effect.fnUntraced(function*(job: JobToStore = {}) {
  const sql = yield* SqlClient.SqlClient
  const ids = { job_id: newId(), trace_id: job.trace_id ?? newId(), event_id: job.event_id ?? newId() }
  const status = job.status ?? "queued"
  const attempt = job.attempt ?? (status === "queued" ? 0 : 1)
  const created_at = job.created_at ?? new Date().toISOString()
  const failed = status === "failed" || status === "timed_out" || status === "waiting"
  const error = job.error ??
    (failed ? { code: "job.failed", message: "It did not work.", retryable: false } : undefined)
  const ended_at = job.ended_at ?? (endedStatuses.includes(status) ? created_at : undefined)
  yield* sql`
    insert into jobs (job_id, trace_id, event_id, tool_call_id, plugin, kind, runtime, status, input, limits, labels, retry,
                      attempt, max_attempts, answer_by, created_at, started_at)
    values (${ids.job_id}, ${ids.trace_id}, ${ids.event_id}, ${job.tool_call_id ?? null}, ${job.plugin ?? "report"},
            ${job.kind ?? "report.render"}, ${job.runtime ?? "thread"}, ${attempt === 0 ? "queued" : "running"},
            ${json(job.input ?? {})}::jsonb, ${json(job.limits ?? { timeout_ms: 600_000, memory_mb: 256 })}::jsonb,
            '{"trust": "operator", "confidentiality": "private"}',
            '{"strategy": "exponential", "base_delay_ms": 500, "max_delay_ms": 60000, "jitter": 0.2}', ${attempt},
            ${job.max_attempts ?? Math.max(1, attempt)}, ${job.answer_by ?? null}, ${created_at},
            ${attempt === 0 ? null : job.started_at ?? created_at})`
  yield* sql`
    update jobs
    set status = ${status}, progress = ${json(job.progress ?? {})}::jsonb, output = ${
    json(job.output ?? (status === "succeeded" ? null : undefined))
  }::jsonb, error = ${json(error)}::jsonb, cancel_reason = ${job.cancel_reason ?? null},
        log_artifact_id = ${job.log_artifact_id ?? null}, ended_at = ${ended_at ?? null}
    where job_id = ${ids.job_id}`
  if (ended_at === undefined) {
    yield* sql`
      insert into work (work_id, kind, event_id, trace_id, fence, due_at, claimed_by)
      values (${ids.job_id}, 'job', ${ids.event_id}, ${ids.trace_id}, 1, ${job.due_at ?? new Date(created_at)},
              ${job.claimed_by ?? null})`
  }
  return ids
})
