/**
 * Jobs in words, as one says them aloud.
 */
import { type Here, idEnd, lengthInWords, timeInWords } from "../tasks/TaskWords.ts"
import type { FoundJob } from "./JobSearch.ts"

/** Jobs that are named in one answer. */
const shown = 10

/** `40 percent, page 12 of 30`. */
const progress = ({ progress: { message, percent } }: FoundJob): string =>
  [percent === undefined ? "" : `${Math.floor(percent)} percent`, message ?? ""].filter((part) => part !== "").join(
    ", "
  )

const inWords = (label: string, job: FoundJob, here: Here): string => {
  switch (job.status) {
    case "queued":
      return `${label} waits for its turn`
    case "waiting":
      return `${label} is tried again at ${timeInWords(job.due_at, here)}`
    default: {
      const since = job.started_at === null
        ? ""
        : `for ${lengthInWords(Math.max(0, here.now.getTime() - job.started_at.getTime()))}`
      const how = [progress(job), since].filter((part) => part !== "").join(", ")
      return `${label} is running${how === "" ? "" : ` (${how})`}`
    }
  }
}

/** The open jobs of a list, told apart by the ends of their ids where two are of one kind. */
export const listed = (jobs: ReadonlyArray<FoundJob>, here: Here): string => {
  const kinds = Map.groupBy(jobs, (job) => job.kind)
  const words = jobs.slice(0, shown).map((job) =>
    inWords((kinds.get(job.kind)?.length ?? 0) > 1 ? `${job.kind} …${idEnd(job.job_id)}` : job.kind, job, here)
  )
  if (jobs.length === 1) return `${words.join("")}.`
  const more = jobs.length > shown ? `; and ${jobs.length - shown} more` : ""
  return `${jobs.length} jobs: ${words.join("; ")}${more}.`
}

/** The answer to "what jobs are running?", or to how one of them stands. */
export const answerInWords = (which: string, open: ReadonlyArray<FoundJob>, here: Here): string =>
  open.length > 0
    ? listed(open, here)
    : which === ""
    ? "No job is running."
    : `No job called "${which}" is running or waiting.`
