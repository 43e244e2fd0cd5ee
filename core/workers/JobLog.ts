/**
 * Reads jobs.
 *
 * Jobs that have not ended are found through `work`, which has no others: beside millions of ended ones they cost what they
 * are themselves. Everything else goes by the id, newest first, and ends at the limit; of several statuses each by its own.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import {
  type Asked,
  CursorInvalid,
  openCursor,
  type Page,
  pageOf,
  type PageRequest,
  sealCursor,
  statusesOf
} from "../audit/Page.ts"
import { JobStatus } from "../contract/Enums.ts"
import type { Job } from "../contract/Job.ts"
import { isUuid } from "../database/Ids.ts"
import { makeIdsWithin } from "../database/IdTimes.ts"
import { jobColumns, jobWork, type SelectedJob, toJob } from "../pipeline/JobRows.ts"
import { endedStatuses } from "./JobState.ts"

export interface JobFilter {
  /** `open`: waiting, queued or running; `ended`: the others. */
  readonly status?: Asked<JobStatus> | ReadonlyArray<Asked<JobStatus>>
  readonly kind?: string
  readonly trace_id?: string
  readonly since?: Date
  readonly until?: Date
}

export class JobLog extends Context.Service<JobLog, {
  /** Newest first. `limit` 1 to 500. */
  readonly page: (filter: JobFilter, page: PageRequest) => Effect.Effect<Page<Job>, CursorInvalid | SqlError.SqlError>
  readonly byId: (job_id: string) => Effect.Effect<Job | undefined, SqlError.SqlError>
  /** The one that an event was made to start. */
  readonly ofEvent: (event_id: string) => Effect.Effect<Job | undefined, SqlError.SqlError>
}>()("syris/workers/JobLog") {
  static readonly layer = Layer.effect(JobLog, Effect.suspend(() => make))
}

/** A page of them, in rows. */
interface Asking {
  readonly filter: JobFilter
  readonly before: string | undefined
  readonly limit: number
}

const isEnded = (status: JobStatus): boolean => endedStatuses.includes(status)

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const idsWithin = yield* makeIdsWithin

  const columns = sql.literal(jobColumns)
  const work = sql.literal(jobWork)

  const where = ({ kind, since, trace_id, until }: JobFilter) => [
    ...(kind === undefined ? [] : [sql`j.kind = ${kind}`]),
    ...(trace_id === undefined ? [] : [sql`j.trace_id = ${trace_id}::uuid`]),
    ...(since === undefined ? [] : [sql`j.created_at >= ${since}`]),
    ...(until === undefined ? [] : [sql`j.created_at <  ${until}`])
  ]

  const newest = ({ before, filter, limit }: Asking, status?: JobStatus) =>
    sql`
      select j.*
      from jobs j
      where ${
      sql.and([
        ...(status === undefined ? [] : [sql`j.status = ${status}`]),
        ...where(filter),
        ...idsWithin("j.job_id", { ...filter, before })
      ])
    }
      order by j.job_id desc
      limit ${limit}`

  /** As many of each as there may be of all: the index of the statuses has each of them in order. */
  const newestOf = (asking: Asking, statuses: ReadonlyArray<JobStatus>) =>
    sql`
      select j.*
      from (${
      statuses.map((status) => sql`(${newest(asking, status)})`)
        .reduce((all, one) => sql`${all} union all ${one}`)
    }) j
      order by j.job_id desc
      limit ${asking.limit}`

  // From `work` to `jobs`, whatever the planner thinks of their sizes: `offset 0` keeps it to the order.
  const newestOpen = ({ before, filter, limit }: Asking, statuses: ReadonlyArray<JobStatus>) =>
    sql`
      select j.*
      from (select w.work_id
            from work w
            where ${sql.and([sql`w.kind = 'job'`, ...idsWithin("w.work_id", { ...filter, before })])}
            order by w.work_id desc
            offset 0) o
           cross join lateral (select j.* from jobs j
                               where ${
      sql.and([sql`j.job_id = o.work_id`, sql.in("j.status", statuses), ...where(filter)])
    } offset 0) j
      order by o.work_id desc
      limit ${limit}`

  const page = Effect.fnUntraced(function*(filter: JobFilter, { cursor, limit }: PageRequest) {
    const [before] = cursor === undefined ? [] : openCursor("job", cursor) ?? [""]
    if (before !== undefined && !isUuid(before)) return yield* new CursorInvalid()
    const statuses = filter.status === undefined
      ? undefined
      : statusesOf(filter.status, JobStatus.literals, isEnded)
    const asking = { filter, before, limit: limit + 1 }
    const found = statuses === undefined
      ? newest(asking)
      : (statuses.some(isEnded) ? newestOf : newestOpen)(asking, statuses)
    const rows = yield* sql<SelectedJob>`
      select ${columns}
      from (${found}) j ${work}
      order by j.job_id desc`
    return pageOf(rows, limit, toJob, (last) => sealCursor("job", last.job_id))
  })

  const byId = (job_id: string) =>
    Effect.map(
      sql<SelectedJob>`select ${columns} from jobs j ${work} where j.job_id = ${job_id}::uuid`,
      ([row]) => row === undefined ? undefined : toJob(row)
    )

  // The trace is the event's, and is what jobs are found by; a job is never older than its event.
  const ofEvent = (event_id: string) =>
    Effect.map(
      sql<SelectedJob>`
        select ${columns}
        from events e
             join jobs j on j.trace_id = e.trace_id and j.event_id = e.event_id
             ${work}
        where e.event_id = ${event_id}::uuid
        order by j.job_id
        limit 1`,
      ([row]) => row === undefined ? undefined : toJob(row)
    )

  return JobLog.of({ page, byId, ofEvent })
})
