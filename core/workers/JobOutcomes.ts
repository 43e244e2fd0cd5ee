/** Where an attempt leads that has ended: the end of its job, or another attempt; with all that is told of it. */
import { Clock, Effect } from "effect"
import { SqlClient } from "effect/sql"
import { createHash } from "node:crypto"
import { Audit } from "../audit/Audit.ts"
import { newId } from "../database/Ids.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { retryDelayMs } from "../tasks/RetryDelay.ts"
import type { HeldJob } from "./HeldJob.ts"
import { type End, retriedFact } from "./JobFacts.ts"
import { afterInterruption, endFacts } from "./JobInterruption.ts"
import type { JobRun, RunEnd } from "./JobRun.ts"
import type { KeptLog, Move } from "./JobStatements.ts"

/** The log of a run as it is kept; nothing where no line came. */
export const keptLog = (run: JobRun, trust: string): KeptLog | undefined => {
  const text = run.log.text()
  if (text === undefined) return undefined
  const data = Buffer.from(text)
  return { artifact_id: newId(), data, sha256: createHash("sha256").update(data).digest("hex"), trust }
}

export const makeJobOutcomes = Effect.gen(function*() {
  const audit = yield* Audit
  const redactor = yield* Redactor
  const sql = yield* SqlClient.SqlClient

  /** The end of a job. `more`: what is written with it. */
  const endMove = (job: HeldJob, end: End, at: Date, more: Partial<Move> = {}, latencyMs?: number): Move => {
    const { facts, reply } = endFacts(job, end, at, latencyMs)
    return {
      ...more,
      status: end.status,
      at,
      ...("output" in end ? { output: end.output } : {}),
      ...("error" in end ? { error: end.error } : {}),
      reply: reply === undefined ? undefined : redactor.redactText(reply),
      rows: [...more.rows ?? [], ...facts.map((fact) => audit.row(fact))]
    }
  }

  const cancelMove = Effect.fnUntraced(function*(job: HeldJob, more: Partial<Move> = {}, latencyMs?: number) {
    const [row] = yield* sql<{ readonly cancel_reason: string | null }>`
      select cancel_reason from jobs where job_id = ${job.job_id}`
    const at = new Date(yield* Clock.currentTimeMillis)
    return endMove(job, { status: "canceled", reason: row?.cancel_reason ?? undefined }, at, more, latencyMs)
  })

  const moveOf = Effect.fnUntraced(function*(job: HeldJob, end: RunEnd, more: Partial<Move>, latencyMs?: number) {
    const at = new Date(yield* Clock.currentTimeMillis)
    const leak = () => ({ where: `what the job ${job.kind} gave back`, trace_id: job.event.trace_id })
    if (end.is === "done") {
      const output = redactor.watched(end.output, redactor.redactJson(end.output), leak)
      return endMove(job, { status: "succeeded", output }, at, more, latencyMs)
    }
    if (end.is === "stopped") {
      if (end.why === "cancel") return yield* cancelMove(job, more, latencyMs)
      const { error, facts, reply, status } = afterInterruption(job, at, null, null)
      const rows = [...more.rows ?? [], ...facts.map((fact) => audit.row(fact))]
      return { ...more, status, at, error, reply, rows, ...(status === "queued" ? { dueMs: 0 } : {}) } satisfies Move
    }
    const error = redactor.watched(end.error, redactor.redactJson(end.error), leak)
    const delayMs = error.retryable && job.attempt < job.max_attempts
      ? retryDelayMs(job.retry, job.attempt - 1)
      : undefined
    if (delayMs === undefined) return endMove(job, { status: end.is, error }, at, more, latencyMs)
    const rows = [...more.rows ?? [], audit.row(retriedFact(job, error, delayMs, at))]
    return { ...more, status: "waiting", at, error, dueMs: delayMs, rows } satisfies Move
  })

  return { cancelMove, endMove, moveOf }
})
