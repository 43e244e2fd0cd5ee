/**
 * Jobs as they come back from the tables: what every reader of them shares.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { present } from "../audit/Page.ts"
import type { Job } from "../contract/Job.ts"

type Nullable<A> = { readonly [K in keyof A]-?: undefined extends A[K] ? Exclude<A[K], undefined> | null : A[K] }
type Times = "next_attempt_at" | "created_at" | "started_at" | "ended_at"

/** A row of `jobs` as it comes back. */
export interface SelectedJob extends Nullable<Omit<Job, Times | "input">> {
  readonly input: unknown
  readonly next_attempt_at: Date | null
  readonly created_at: Date
  readonly started_at: Date | null
  readonly ended_at: Date | null
}

/** Over `j`, and `w` of `jobWork`. */
export const jobColumns = `
    j.job_id, j.trace_id, j.event_id, j.tool_call_id, j.plugin, j.kind, j.runtime, j.status, j.progress, j.input, j.output,
    j.error, j.limits, j.attempt, j.max_attempts, j.cancel_reason, j.log_artifact_id,
    case when j.status = 'waiting' then w.due_at end as next_attempt_at, j.created_at, j.started_at, j.ended_at`

/** What is owed of a job, beside `j`; nothing once it has ended. */
export const jobWork = "left join work w on w.work_id = j.job_id and w.kind = 'job'"

const iso = (date: Date | null): string | null => date === null ? null : date.toISOString()

export const toJob = ({ input, ...row }: SelectedJob): Job => ({
  ...present({
    ...row,
    next_attempt_at: iso(row.next_attempt_at),
    created_at: row.created_at.toISOString(),
    started_at: iso(row.started_at),
    ended_at: iso(row.ended_at)
  }),
  input
})

/** Oldest first, at most `limit`. */
export const jobsOfTrace = Effect.fnUntraced(function*(trace_id: string, limit: number) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<SelectedJob>`
    select ${sql.literal(jobColumns)}
    from jobs j ${sql.literal(jobWork)}
    where j.trace_id = ${trace_id}::uuid
    order by j.job_id
    limit ${limit}`
  return rows.map(toJob)
})
