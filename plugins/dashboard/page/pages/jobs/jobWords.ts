/** Jobs in the operator's words. Pure. */
import type { Job, JobStatus } from "syris/records"
import { inWords } from "../../parts/Time.tsx"

export const isOver = (status: JobStatus): boolean =>
  status !== "waiting" && status !== "queued" && status !== "running"

/** What a status means, where the word alone does not say it. */
export const statusInWords: Readonly<Record<JobStatus, string>> = {
  waiting: "waits for its next attempt",
  queued: "waits for a host with room",
  running: "is running",
  succeeded: "is done",
  failed: "has failed",
  canceled: "was canceled",
  timed_out: "took longer than it may"
}

/** What the list can be asked for, besides all of it. */
export const statusChoices: Readonly<Record<string, string>> = {
  open: "open: all that have not ended",
  ended: "ended: all that have",
  ...Object.fromEntries(
    Object.entries(statusInWords).map(([status, words]) => [status, `${status.replace("_", " ")}: ${words}`])
  )
}

export interface Progress {
  /** 0 to 100; nothing where the job does not say. */
  readonly percent: number | undefined
  readonly words: string
}

/** How far a job is. What has succeeded is all done, whatever it said last. */
export const progressOf = ({ progress, status }: Pick<Job, "progress" | "status">): Progress | undefined => {
  const { message, percent } = progress
  if (status === "succeeded") return { percent: 100, words: message ?? "100 %" }
  if (percent === undefined && message === undefined) {
    return status === "running" ? { percent: undefined, words: "It does not say how far it is." } : undefined
  }
  const bounded = percent === undefined ? undefined : Math.min(100, Math.max(0, percent))
  const number = bounded === undefined ? "" : `${Math.floor(bounded)} %`
  return { percent: bounded, words: [number, message].filter((part) => part !== undefined && part !== "").join(": ") }
}

/** `at most 10 min and 256 MiB of memory`. */
export const limitsInWords = ({ memory_mb, timeout_ms }: Job["limits"]): string =>
  `at most ${inWords(timeout_ms)} and ${memory_mb.toLocaleString("en")} MiB of memory`

export const runtimesInWords: Readonly<Record<Job["runtime"], string>> = {
  thread: "in a thread of the host",
  process: "in a process of its own",
  deno: "in a Deno process of its own"
}

export const attemptsInWords = ({ attempt, max_attempts }: Pick<Job, "attempt" | "max_attempts">): string =>
  `${attempt} of ${max_attempts}`

/** How long it ran or runs, milliseconds. */
export const tookMs = (
  { ended_at, started_at }: Pick<Job, "ended_at" | "started_at">,
  now: number
): number | undefined =>
  started_at === undefined
    ? undefined
    : Math.max(0, (ended_at === undefined ? now : Date.parse(ended_at)) - Date.parse(started_at))

const prefix = "job.run."

/** The kind that a tool of the registry starts. */
export const kindOfTool = (tool: string): string | undefined =>
  tool.startsWith(prefix) ? tool.slice(prefix.length) : undefined

/** What the input of a kind may be, of the schema of its tool. */
export const inputSchemaOf = (schema: unknown): unknown => {
  const properties = typeof schema === "object" && schema !== null && "properties" in schema
    ? schema.properties
    : undefined
  return typeof properties === "object" && properties !== null && "input" in properties ? properties.input : undefined
}
