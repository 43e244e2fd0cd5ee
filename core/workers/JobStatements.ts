/**
 * The moves of a job, each one statement with its audit rows, under the fence of the claim. The row of `work` is locked before
 * the job; whoever finds it held by somebody else writes nothing. Each is harmless to repeat (docs/adr/0003).
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { type AuditRow, tellAudit, type Told, toldLists } from "../audit/Audit.ts"
import type { JobStatus } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { HeldJob } from "./HeldJob.ts"
import type { Progress } from "./JobFacts.ts"

export interface NewJobRow extends Omit<HeldJob, "fence" | "event" | "attempt"> {
  readonly task_id: string | undefined
  readonly thread_id: string | null
  readonly tool: string
  readonly code_hash: string | undefined
  readonly at: string
}

const createStatement = `
with given as materialized (
    select j.*, nextval('fence_seq') as fence,
           $2::boolean and not c.paused
             and exists (select 1 from hosts
                         where host_id = $3::uuid and ended_at is null and lease_until > clock_timestamp())
             -- Whoever has waited longer comes first.
             and not exists (select 1 from work w
                             where w.kind = 'job' and w.claimed_by is null and not w.parked
                               and w.due_at <= clock_timestamp()) as mine
    from json_to_record($1::json) as j(
           job_id uuid, trace_id uuid, event_id uuid, tool_call_id uuid, task_id uuid, thread_id text, plugin text, kind text,
           runtime text, input jsonb, limits jsonb, labels jsonb, retry jsonb, max_attempts int, answer_by text, tool text,
           code_hash text, at timestamptz)
         cross join control c
  ),
  made as (
    insert into jobs (job_id, trace_id, event_id, tool_call_id, task_id, plugin, kind, runtime, status, input, limits, labels,
                      retry, attempt, max_attempts, fence, code_hash, answer_by, created_at, started_at)
    select job_id, trace_id, event_id, tool_call_id, task_id, plugin, kind, runtime,
           case when mine then 'running' else 'queued' end, input, limits, labels, retry, mine::int, max_attempts, fence,
           code_hash, answer_by, at, case when mine then at end
    from given
  ),
  owed as (
    insert into work (work_id, kind, event_id, trace_id, tool, claimed_by, fence)
    select job_id, 'job', event_id, trace_id, tool, case when mine then $3::uuid end, fence from given
  ),
  ${tellAudit("$4", "r.told_when = 'stored' or (select mine from given)")}
select fence::float8, mine, case when not mine then pg_notify('syris_work', '') end as told from given`

/** Stores a job in the caller's transaction: begun by this host where it has room (`claim`), else for whoever has. */
export const createJob = Effect.fnUntraced(function*(
  { at, ...job }: NewJobRow,
  claim: boolean,
  hostId: string,
  told: { readonly stored: AuditRow; readonly started: AuditRow }
) {
  const sql = yield* SqlClient.SqlClient
  const rows: ReadonlyArray<Told> = [
    { ...told.stored, told_when: "stored" },
    { ...told.started, told_when: "started" }
  ]
  const [made] = yield* sql.unsafe<{ readonly fence: number; readonly mine: boolean }>(createStatement, [
    JSON.stringify({ ...job, at }),
    claim,
    hostId,
    toldLists(rows)
  ])
  return made ?? { fence: 0, mine: false }
})

/** Jobs that this host has claimed, with what is wished of them. */
export interface LoadedJob extends HeldJob {
  readonly status: JobStatus
  readonly wish: string | null
  /** Of the code that it was asked of, where that was granted. */
  readonly code_hash: string | null
}

export const loadJobs = Effect.fnUntraced(function*(
  claims: ReadonlyArray<{ readonly work_id: string; readonly fence: number }>
) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Omit<LoadedJob, "fence">>`
    select j.job_id, j.trace_id, j.event_id, j.tool_call_id, j.plugin, j.kind, j.runtime, j.status, j.input, j.limits, j.labels,
           j.retry, j.attempt, j.max_attempts, j.answer_by, j.code_hash, w.wish,
           jsonb_build_object('event_id', e.event_id, 'trace_id', e.trace_id, 'depth', e.depth, 'channel', e.channel) as event
    from work w
         join jobs j on j.job_id = w.work_id
         join events e on e.event_id = j.event_id
    where w.work_id = any(${claims.map(({ work_id }) => work_id)}::uuid[])`
  const fences = new Map(claims.map(({ fence, work_id }) => [work_id, fence]))
  return rows.map((row): LoadedJob => ({ ...row, fence: fences.get(row.job_id) ?? 0 }))
})

/** `$1` job, `$2` fence, `$3` host. */
const mine = `
  held as materialized (
    select work_id, wish from work where work_id = $1::uuid and fence = $2::bigint and claimed_by = $3::uuid for update
  )`

const beginStatement = `
with ${mine},
  moved as (
    update jobs
    set status = 'running', attempt = attempt + 1, fence = $2::bigint, error = null, progress = '{}',
        started_at = coalesce(started_at, $4::timestamptz)
    where job_id = $1::uuid and attempt = $5::int and status in ('queued', 'waiting')
      and exists (select 1 from held where wish is null)
    returning 1
  ),
  ${tellAudit("$6", "exists (select 1 from moved)")}
select exists (select 1 from moved) as moved`

/** The next attempt of a job begins. Answers whether it was ours to begin. */
export const beginJob = Effect.fnUntraced(function*(job: HeldJob, hostId: string, at: Date, row: AuditRow) {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql.unsafe<{ readonly moved: boolean }>(beginStatement, [
    job.job_id,
    job.fence,
    hostId,
    at,
    job.attempt,
    toldLists([row])
  ])
  return found?.moved === true
})

/** A log as it is kept. */
export interface KeptLog {
  readonly artifact_id: string
  readonly data: Uint8Array
  readonly sha256: string
  readonly trust: string
}

/** Where an attempt leads. */
export interface Move {
  readonly status: JobStatus
  readonly at: Date
  readonly output?: unknown
  readonly error?: ErrorDetail | undefined
  readonly progress?: Progress | undefined
  readonly reply?: string | undefined
  readonly log?: KeptLog | undefined
  /** Of a further attempt: when it is due, milliseconds from now. */
  readonly dueMs?: number | undefined
  readonly rows: ReadonlyArray<AuditRow>
}

const moveStatement = `
with ${mine},
  go as materialized (
    -- What was canceled ends as canceled, whatever came of it meanwhile.
    select 1 as it_is from held where wish is distinct from 'cancel' or $4 = 'canceled'
  ),
  moved as (
    update jobs
    set status = $4, fence = greatest(fence, $2::bigint), output = $6::jsonb, error = $7::jsonb,
        progress = coalesce($8::jsonb, progress), reply = $9,
        log_artifact_id = coalesce($10::uuid, log_artifact_id), ended_at = case when $14::float8 is null then $5::timestamptz end
    where job_id = $1::uuid and status in ('queued', 'waiting', 'running') and exists (select 1 from go)
    returning trace_id
  ),
  kept as (
    insert into artifacts (artifact_id, trace_id, job_id, name, media_type, bytes, sha256, labels, created_at, data)
    select $10::uuid, m.trace_id, $1::uuid, 'job.log', 'text/plain', octet_length($11::bytea), $12,
           jsonb_build_object('trust', $13::text, 'confidentiality', 'public'), clock_timestamp(), $11::bytea
    from moved m
    where $10::uuid is not null
  ),
  freed as (
    update work
    set claimed_by = null, waits_for = case when $4 = 'waiting' then 'time' end,
        due_at = clock_timestamp() + make_interval(secs => $14::float8 / 1000)
    where work_id = $1::uuid and $14::float8 is not null and exists (select 1 from moved)
  ),
  gone as (
    delete from work where work_id = $1::uuid and $14::float8 is null and exists (select 1 from moved)
  ),
  ${tellAudit("$15", "exists (select 1 from moved)")}
select exists (select 1 from moved) as moved, exists (select 1 from held where wish = 'cancel') as canceled,
       (select j.cancel_reason from jobs j where j.job_id = $1::uuid) as reason`

export interface Moved {
  readonly moved: boolean
  /** It is to be canceled. */
  readonly canceled: boolean
  readonly reason: string | null
}

/** Ends a job, or gives it back for another attempt. */
export const moveJob = Effect.fnUntraced(function*(
  job: Pick<HeldJob, "job_id" | "fence">,
  hostId: string,
  { at, dueMs, error, log, output, progress, reply, rows, status }: Move
) {
  const sql = yield* SqlClient.SqlClient
  const [found] = yield* sql.unsafe<Moved>(moveStatement, [
    job.job_id,
    job.fence,
    hostId,
    status,
    at,
    status === "succeeded" ? JSON.stringify(output ?? null) : null,
    error === undefined ? null : JSON.stringify(error),
    progress === undefined ? null : JSON.stringify(progress),
    reply ?? null,
    log?.artifact_id ?? null,
    log === undefined ? null : Buffer.from(log.data),
    log?.sha256 ?? null,
    log?.trust ?? null,
    dueMs ?? null,
    toldLists(rows)
  ])
  return found ?? { moved: false, canceled: false, reason: null }
})

const progressStatement = `
with moved as (
    update jobs set progress = $3::jsonb
    where job_id = $1::uuid and fence = $2::bigint and status = 'running'
    returning 1
  ),
  ${tellAudit("$4", "exists (select 1 from moved)")}
select 1`

/** How far a run is. */
export const tellProgress = Effect.fnUntraced(function*(
  job: Pick<HeldJob, "job_id" | "fence">,
  progress: Progress,
  row: AuditRow
) {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe(progressStatement, [job.job_id, job.fence, JSON.stringify(progress), toldLists([row])])
})

/** Gives a claim back to whoever can use it: now, or after so long. */
export const giveBackJob = Effect.fnUntraced(
  function*({ fence, job_id }: Pick<HeldJob, "job_id" | "fence">, hostId: string, ms = 0) {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      update work
      set claimed_by = null,
          due_at = case when ${ms}::int = 0 then due_at else clock_timestamp() + make_interval(secs => ${ms}::int / 1000.0) end
      where work_id = ${job_id} and fence = ${fence} and claimed_by = ${hostId}`
  }
)

/** Whether code is what a plugin was granted, by this host or by another. */
export const isGranted = Effect.fnUntraced(function*(hash: string) {
  const sql = yield* SqlClient.SqlClient
  return (yield* sql`select 1 from plugin_grants where hash = ${hash} limit 1`).length > 0
})

/** Whether other hosts live, which may have what this one has not. */
export const hasOtherHosts = Effect.fnUntraced(function*(hostId: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`
    select 1 from hosts
    where host_id <> ${hostId} and ended_at is null and lease_until > clock_timestamp()
    limit 1`
  return rows.length > 0
})
