/**
 * Jobs for a person: how one stands, how far it is, and what can be done with it. Pure.
 */
import type { Job } from "../contract/Job.ts"
import { clipped, visible } from "../contract/Visible.ts"
import { coloured, duration, localTime, type Paints } from "./layout.ts"
import { shortId } from "./list.ts"

interface Drawing {
  readonly now: number
  readonly paint: Paints
  /** How the operator calls a command. */
  readonly say: (...args: ReadonlyArray<string>) => string
}

export const isOpen = ({ status }: Pick<Job, "status">): boolean =>
  status === "waiting" || status === "queued" || status === "running"

const mark = (status: string, paint: Paints): string =>
  status === "timed_out" ? paint.red("timed out") : coloured(visible(status), paint)

/** `40 %  page 12 of 30`. */
export const progressInWords = ({ message, percent }: Job["progress"]): string =>
  [percent === undefined ? "" : `${Math.floor(percent)} %`, message === undefined ? "" : clipped(message, 100)]
    .filter((part) => part !== "").join("  ")

const barWidth = 24

/** `[#########...............]`; as wide whatever the percentage. */
export const bar = (percent: number): string => {
  const filled = Math.round(Math.min(100, Math.max(0, percent)) * barWidth / 100)
  return `[${"#".repeat(filled)}${".".repeat(barWidth - filled)}]`
}

/** One line that is drawn over itself while the job runs. */
export const liveLine = (job: Job, now: number): string => {
  const { message, percent } = job.progress
  const since = job.started_at === undefined ? Number.NaN : Date.parse(job.started_at)
  return [
    clipped(job.kind, 40),
    job.status === "running" ? "" : job.status,
    percent === undefined ? "" : `${bar(percent)} ${String(Math.floor(percent)).padStart(3)} %`,
    message === undefined ? "" : clipped(message, 60),
    job.status === "running" && Number.isFinite(since) ? `${Math.floor(Math.max(0, now - since) / 1_000)} s` : ""
  ].filter((part) => part !== "").join("  ")
}

export const jobRow = (job: Job, now: number, paint: Paints): ReadonlyArray<string> => [
  shortId(job.job_id),
  mark(job.status, paint),
  clipped(job.kind, 40),
  visible(job.runtime),
  duration(Math.max(0, now - Date.parse(job.created_at))),
  job.max_attempts === 1 ? "" : `${job.attempt}/${job.max_attempts}`,
  job.status === "failed" || job.status === "timed_out"
    ? clipped(job.error?.message ?? "", 80)
    : progressInWords(job.progress)
]

const times = (job: Job, now: number): ReadonlyArray<string> => {
  const from = job.started_at === undefined ? Number.NaN : Date.parse(job.started_at)
  const to = job.ended_at === undefined ? Number.NaN : Date.parse(job.ended_at)
  return [
    `made ${localTime(visible(job.created_at))}, ${duration(Math.max(0, now - Date.parse(job.created_at)))} ago`,
    Number.isFinite(to - from)
      ? `ran ${duration(Math.max(0, to - from))}`
      : job.status === "running" && Number.isFinite(from)
      ? `runs for ${duration(Math.max(0, now - from))}`
      : "",
    job.next_attempt_at === undefined ? "" : `next attempt ${localTime(visible(job.next_attempt_at))}`
  ]
}

const json = (value: unknown): string => clipped(JSON.stringify(value) ?? "", 2_000)

/** What its run gave back; nothing where it gave nothing. */
export const outputLine = ({ output }: Job): ReadonlyArray<string> =>
  output === undefined || output === null ? [] : [typeof output === "string" ? clipped(output, 2_000) : json(output)]

export const drawJob = (job: Job, { now, paint, say }: Drawing): ReadonlyArray<string> => {
  const id = shortId(job.job_id)
  const how = [
    `in a ${visible(job.runtime)}`,
    job.max_attempts === 1 ? "" : `attempt ${job.attempt} of ${job.max_attempts}`,
    `at most ${duration(job.limits.timeout_ms)} and ${job.limits.memory_mb} MiB`,
    `trace ${visible(job.trace_id)}`
  ]
  const progress = progressInWords(job.progress)
  const reason = job.cancel_reason === undefined ? "" : `: ${clipped(job.cancel_reason, 200)}`
  const can = [
    ...(isOpen(job)
      ? [[say("jobs", id, "--follow"), "watch it"], [say("jobs", "cancel", id), "end it"]] as const
      : []),
    ...(job.log_artifact_id === undefined ? [] : [[say("jobs", id, "--log"), "what it wrote"]] as const)
  ]
  const wide = Math.max(0, ...can.map(([command]) => command.length))
  const about = (parts: ReadonlyArray<string>) => paint.dim(parts.filter((part) => part !== "").join(" · "))
  return [
    `${paint.bold(`job ${visible(job.job_id)}`)}  ${clipped(job.kind, 200)}  ${mark(job.status, paint)}${reason}`,
    about(times(job, now)),
    about(how),
    ...(progress === "" ? [] : [`progress  ${progress}`]),
    `input     ${json(job.input)}`,
    ...outputLine(job).map((line) => `output    ${line}`),
    ...(job.error === undefined
      ? []
      : [`error     ${clipped(job.error.code, 100)}: ${clipped(job.error.message, 400)}`]),
    ...(can.length === 0 ? [] : ["", "What can be done:"]),
    ...can.map(([command, does]) => `  ${command.padEnd(wide)}  ${paint.dim(does)}`)
  ]
}

/** How a job that was followed ended, in a line. */
export const endInWords = (job: Job): string => {
  const ran = job.started_at === undefined || job.ended_at === undefined
    ? ""
    : ` after ${duration(Math.max(0, Date.parse(job.ended_at) - Date.parse(job.started_at)))}`
  const kind = clipped(job.kind, 100)
  const id = shortId(job.job_id)
  switch (job.status) {
    case "succeeded":
      return `${kind} (${id}) succeeded${ran}.`
    case "canceled":
      return `${kind} (${id}) was canceled${ran}${
        job.cancel_reason === undefined ? "." : `: ${clipped(job.cancel_reason, 200)}`
      }`
    default:
      return `${kind} (${id}) ${job.status === "timed_out" ? "took too long" : visible(job.status)}${ran}: ${
        clipped(job.error?.message ?? "nothing more is known.", 400)
      }`
  }
}
