/** What becomes of jobs whose host has ended: another attempt where they have one, else they have failed. */
import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { appendRows, type Audit, type Fact } from "../audit/Audit.ts"
import type { JobStatus } from "../contract/Enums.ts"
import { responseFact } from "../pipeline/Responder.ts"
import type { WorkRow } from "../pipeline/WorkQueue.ts"
import type { HeldJob } from "./HeldJob.ts"
import { type End, endedFact, endWords, hostEnded, interruptedFact } from "./JobFacts.ts"

/** What is told of an end, and to whoever asked. */
export const endFacts = (job: Omit<HeldJob, "fence">, end: End, at: Date, latencyMs?: number): {
  readonly facts: ReadonlyArray<Fact>
  readonly reply: string | undefined
} => {
  const { answer_by, event, event_id, job_id, kind, trace_id } = job
  // Whoever asked from elsewhere did not cancel it.
  const told = answer_by !== null && (end.status !== "canceled" || answer_by === "chat")
  const reply = told ? endWords(kind, end) : undefined
  const outcome = end.status === "succeeded" ? "succeeded" as const : "failed" as const
  const sent = reply === undefined ? undefined : responseFact(
    { event_id, trace_id, channel: event.channel },
    { answer_by: answer_by ?? undefined, outcome, reply },
    at
  )
  return {
    reply,
    facts: [
      endedFact(job, end, at, latencyMs),
      ...(sent === undefined ? [] : [{ ...sent, refs: { ...sent.refs, job_id } }])
    ]
  }
}

/** Where an interrupted job goes, and what is told of it. */
export const afterInterruption = (
  job: Omit<HeldJob, "fence">,
  at: Date,
  wish: string | null,
  reason: string | null,
  wasRunning = true
) => {
  const again = job.attempt < job.max_attempts && wish !== "cancel"
  const interrupted = wasRunning ? [interruptedFact(job, at)] : []
  if (again) return { status: "queued" as const, error: hostEnded, reply: undefined, facts: interrupted }
  const end: End = wish === "cancel"
    ? { status: "canceled", reason: reason ?? undefined }
    : { status: "failed", error: hostEnded }
  const { facts, reply } = endFacts(job, end, at)
  return {
    status: end.status,
    error: end.status === "failed" ? hostEnded : undefined,
    reply,
    facts: [...interrupted, ...facts]
  }
}

interface Interrupted extends Omit<HeldJob, "fence"> {
  readonly status: JobStatus
  readonly wish: string | null
  readonly cancel_reason: string | null
}

/** In the transaction that takes jobs away from a host that has ended, whose rows of `work` are free and locked by now. */
export const tellInterrupted = Effect.fnUntraced(function*(rows: ReadonlyArray<WorkRow>, audit: Audit["Service"]) {
  const sql = yield* SqlClient.SqlClient
  const ids = rows.map((row) => row.work_id)
  const jobs = yield* sql<Interrupted>`
    select j.job_id, j.trace_id, j.event_id, j.tool_call_id, j.plugin, j.kind, j.runtime, j.input, j.limits, j.labels, j.retry,
           j.attempt, j.max_attempts, j.answer_by, j.cancel_reason, j.status, w.wish,
           jsonb_build_object('event_id', e.event_id, 'trace_id', e.trace_id, 'depth', e.depth, 'channel', e.channel) as event
    from jobs j join work w on w.work_id = j.job_id join events e on e.event_id = j.event_id
    where j.job_id = any(${ids}::uuid[]) and (j.status = 'running' or w.wish = 'cancel')`
  const at = new Date(yield* Clock.currentTimeMillis)
  for (const { cancel_reason, status: was, wish, ...job } of jobs) {
    const { error, facts, reply, status } = afterInterruption(job, at, wish, cancel_reason, was === "running")
    yield* sql`
      update jobs
      set status = ${status}, error = ${error === undefined ? null : JSON.stringify(error)}::jsonb, reply = ${
      reply ?? null
    },
          ended_at = case when ${status !== "queued"}::boolean then ${at}::timestamptz end
      where job_id = ${job.job_id}`
    if (status !== "queued") yield* sql`delete from work where work_id = ${job.job_id}`
    yield* appendRows(facts.map((fact) => audit.row(fact)))
  }
})
