/**
 * What the operator does with a job: cancel. One transaction that locks the job's row of `work` first, as whoever ends a run
 * does: so a race has one winner.
 *
 * A job that nobody runs ends with it. One that a host holds is wished to end (`work.wish`), and its holder is told on
 * `jobChannel`; the row of the audit comes from there, once nothing of the run is left.
 */
import { Clock, Effect, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { appendRows, type AuditRow, type Fact, toRow } from "../audit/Audit.ts"
import type { JobStatus } from "../contract/Enums.ts"
import { endedFact, endWords, type ToldJob } from "./JobFacts.ts"
import { mayFollow } from "./JobState.ts"

/** Nobody knows such a job. */
export class JobNotFound extends Schema.TaggedError<JobNotFound>()("JobNotFound", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** The job is in a state that forbids the move; `detail` is a sentence that says which. */
export class JobMoveRefused extends Schema.TaggedError<JobMoveRefused>()("JobMoveRefused", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** The channel on which the hosts tell one another of a job; its messages are `cancel <id>`. */
export const jobChannel = "syris_job"

/** Makes the audit row of a fact. */
export type RowOf = (fact: Fact) => AuditRow

interface LockedJob extends ToldJob {
  readonly status: JobStatus
  readonly held: boolean
}

const said: Record<JobStatus, string> = {
  waiting: "waits for its next attempt",
  queued: "waits for its turn",
  running: "is running",
  succeeded: "has succeeded",
  failed: "has failed",
  canceled: "was canceled",
  timed_out: "took too long and was ended"
}

const lock = Effect.fnUntraced(function*(job_id: string) {
  const sql = yield* SqlClient.SqlClient
  const [work] = yield* sql<{ readonly held: boolean }>`
    select claimed_by is not null as held from work where work_id = ${job_id} and kind = 'job' for update`
  const [job] = yield* sql<LockedJob>`
    select j.job_id, j.trace_id, j.event_id, j.tool_call_id, j.kind, j.status, j.attempt, j.max_attempts,
           ${work?.held ?? false}::boolean as held
    from jobs j where j.job_id = ${job_id} for update of j`
  if (job === undefined) return yield* new JobNotFound({ detail: `There is no job ${job_id}.` })
  return job
})

/** Ends a job. `ending`: a host runs it, and ends it now. */
export const cancelJob = Effect.fnUntraced(
  function*(job_id: string, reason: string | undefined, rowOf: RowOf = toRow): Effect.fn.Return<
    "canceled" | "ending",
    JobNotFound | JobMoveRefused | SqlError.SqlError,
    SqlClient.SqlClient
  > {
    const sql = yield* SqlClient.SqlClient
    const job = yield* lock(job_id)
    if (!mayFollow(job.status, "canceled")) {
      return yield* new JobMoveRefused({ detail: `The job ${job.kind} ${said[job.status]}: it can't be canceled.` })
    }
    if (job.held) {
      // A reason that was given stays, whoever asks again.
      yield* sql`update jobs set cancel_reason = coalesce(cancel_reason, ${reason ?? null}) where job_id = ${job_id}`
      yield* sql`update work set wish = 'cancel' where work_id = ${job_id}`
      yield* sql`select pg_notify(${jobChannel}, ${`cancel ${job_id}`})`
      return "ending"
    }
    const at = new Date(yield* Clock.currentTimeMillis)
    const end = { status: "canceled", reason } as const
    // Only the chat is told: whoever asked from elsewhere did not cancel it.
    yield* sql`
      update jobs
      set status = 'canceled', cancel_reason = ${reason ?? null}, ended_at = ${at},
          reply = case when answer_by = 'chat' then ${endWords(job.kind, end)} end
      where job_id = ${job_id}`
    yield* sql`delete from work where work_id = ${job_id}`
    yield* appendRows([rowOf(endedFact(job, end, at))])
    return "canceled"
  }
)
