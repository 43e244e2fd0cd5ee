/**
 * Finds a job by what a person calls it: its kind or words of it, or the end of its id. Open jobs only, through `work`, which
 * has no others.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { JobStatus } from "../contract/Enums.ts"
import type { Job } from "../contract/Job.ts"

export interface FoundJob {
  readonly job_id: string
  readonly kind: string
  readonly status: JobStatus
  readonly progress: Job["progress"]
  readonly attempt: number
  readonly started_at: Date | null
  readonly created_at: Date
  /** When its next attempt is due, of one that waits. */
  readonly due_at: Date
}

/** Open jobs that are looked at. */
const mostOpen = 1_000

const fold = (text: string): string => text.trim().toUpperCase().toLowerCase()
const wordsOf = (text: string): ReadonlyArray<string> =>
  fold(text).split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "")

/** Those that are meant: called exactly so, else those with all of its words in their kind. */
export const matching = <A extends Pick<FoundJob, "job_id" | "kind">>(
  jobs: ReadonlyArray<A>,
  which: string
): ReadonlyArray<A> => {
  const wanted = fold(which).replace(/^…/, "")
  if (wanted === "") return jobs
  const isId = /^[0-9a-f-]{4,36}$/.test(wanted)
  const exact = jobs.filter(({ job_id, kind }) => kind === wanted || (isId && job_id.endsWith(wanted)))
  if (exact.length > 0) return exact
  const words = wordsOf(wanted)
  return words.length === 0 ? [] : jobs.filter(({ kind }) => {
    const own = wordsOf(kind)
    return words.every((word) => own.includes(word))
  })
}

/** Oldest first. */
export const openJobs = Effect.fnUntraced(function*(which: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<FoundJob>`
    select j.job_id, j.kind, j.status, j.progress, j.attempt, j.started_at, j.created_at, w.due_at
    from (select work_id, due_at from work where kind = 'job' order by work_id limit ${mostOpen}) w
         cross join lateral (select * from jobs j where j.job_id = w.work_id offset 0) j
    where j.status in ('waiting', 'queued', 'running')
    order by j.job_id`
  return matching(rows, which)
})
