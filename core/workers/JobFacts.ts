/**
 * What is told of jobs, in sentences: the rows of the audit, and what goes back to whoever asked.
 */
import type { Fact } from "../audit/Audit.ts"
import type { JobStatus } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"

/** What names a job in a fact. */
export interface ToldJob {
  readonly job_id: string
  readonly trace_id: string
  readonly event_id: string
  readonly tool_call_id: string | null
  readonly kind: string
  readonly attempt: number
  readonly max_attempts: number
}

type JobFact = Extract<Fact["type"], `worker.job_${string}`>

const clipped = (text: string, longest: number): string =>
  (text.length > longest ? `${text.slice(0, longest - 1)}…` : text).toWellFormed()

const jobFact = (
  type: JobFact,
  { attempt, event_id, job_id, kind, tool_call_id, trace_id }: ToldJob,
  at: Date,
  summary: string,
  data: Record<string, unknown> = {}
): Fact => ({
  type,
  trace_id,
  at,
  summary: clipped(summary, 300),
  refs: { event_id, job_id, ...(tool_call_id === null ? {} : { tool_call_id }) },
  data: { kind, attempt, ...data }
})

const nth = ({ attempt, max_attempts }: ToldJob): string =>
  max_attempts === 1 ? "" : ` (attempt ${attempt} of ${max_attempts})`

export const queuedFact = (job: ToldJob, at: Date, data: Record<string, unknown>): Fact =>
  jobFact("worker.job_queued", job, at, `The job ${job.kind} is asked for.`, data)

export const startedFact = (job: ToldJob, at: Date): Fact =>
  jobFact("worker.job_started", job, at, `${job.kind} is started${nth(job)}.`)

export interface Progress {
  readonly percent?: number
  readonly message?: string
}

export const progressFact = (job: ToldJob, { message, percent }: Progress, at: Date): Fact =>
  jobFact(
    "worker.job_progress",
    job,
    at,
    `${job.kind}: ${
      [percent === undefined ? "" : `${Math.floor(percent)} %`, message ?? ""].filter((part) => part !== "").join(", ")
    }`,
    { ...(percent === undefined ? {} : { percent }), ...(message === undefined ? {} : { message }) }
  )

export const retriedFact = (job: ToldJob, error: ErrorDetail, delayMs: number, at: Date): Fact =>
  jobFact(
    "worker.job_retried",
    job,
    at,
    `${job.kind} is tried again in ${Math.round(delayMs / 100) / 10} s${nth(job)}: ${error.message}`,
    { error, delay_ms: delayMs }
  )

export const interruptedFact = (job: ToldJob, at: Date): Fact =>
  jobFact("worker.job_interrupted", job, at, `${job.kind} was interrupted${nth(job)}: the host that ran it ended.`)

/** The error of a run that ended with its host. */
export const hostEnded: ErrorDetail = {
  code: "job.host_ended",
  message: "The host that ran it ended.",
  retryable: true
}

/** How a job ended. */
export type End =
  | { readonly status: "succeeded"; readonly output: unknown }
  | { readonly status: "failed" | "timed_out"; readonly error: ErrorDetail }
  | { readonly status: "canceled"; readonly reason: string | undefined }

const wordsOf = (output: unknown): string => {
  if (typeof output === "string") return output
  if (typeof output !== "object" || output === null) return ""
  if ("message" in output && typeof output.message === "string") return output.message
  return "text" in output && typeof output.text === "string" ? output.text : ""
}

/** What whoever asked is told. */
export const endWords = (kind: string, end: End): string => {
  switch (end.status) {
    case "succeeded": {
      const words = wordsOf(end.output).trim()
      return clipped(words === "" ? `${kind} is done.` : `${kind} is done: ${words}`, 4_000)
    }
    case "canceled":
      return clipped(end.reason === undefined ? `${kind} was canceled.` : `${kind} was canceled: ${end.reason}`, 4_000)
    case "failed":
      return clipped(`${kind} failed: ${end.error.message}`, 4_000)
    case "timed_out":
      return clipped(`${kind} took too long: ${end.error.message}`, 4_000)
  }
}

const endTypes = {
  succeeded: "worker.job_succeeded",
  failed: "worker.job_failed",
  timed_out: "worker.job_timed_out",
  canceled: "worker.job_canceled"
} as const satisfies Partial<Record<JobStatus, JobFact>>

export const endedFact = (job: ToldJob, end: End, at: Date, latency_ms?: number): Fact => ({
  ...jobFact(
    endTypes[end.status],
    job,
    at,
    endWords(job.kind, end),
    "error" in end
      ? { error: end.error }
      : end.status === "canceled" && end.reason !== undefined
      ? { reason: end.reason }
      : {}
  ),
  ...(end.status === "canceled" ? { actor: "operator" } : {}),
  ...(latency_ms === undefined ? {} : { latency_ms })
})
