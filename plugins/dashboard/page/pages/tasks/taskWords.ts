/** Tasks and their steps in the operator's words, and what can be done to them. Pure. */
import type { ListedTask, Step, Task, TaskStatus } from "syris/records"
import { counted } from "../../parts/counted.ts"

/** `3 of 5 steps done, now at settle`; of one that makes its steps as it goes nobody knows how many there will be. */
export const progressInWords = (
  { kind, progress, status }: Pick<ListedTask, "kind" | "progress" | "status">
): string => {
  const { done, step, steps } = progress
  const count = kind === "steps"
    ? `${done} of ${counted(steps, "step")} done`
    : `${counted(done, "step")} done`
  if (step === undefined || hasEnded(status) && status !== "failed") return count
  return `${count}, ${status === "failed" ? "failed at" : "now at"} ${step}`
}

export const kinds: Readonly<Record<Task["kind"], string>> = {
  steps: "a list of steps",
  code: "a plugin's own code",
  llm_plan: "a model chooses the steps"
}

export const stepKinds: Readonly<Record<Step["kind"], string>> = {
  tool: "call of a tool",
  llm_decide: "decision of a model",
  wait: "wait"
}

/** What the list can be asked for, besides all of it. */
export const statusChoices: Readonly<Record<TaskStatus | "open" | "ended", string>> = {
  open: "Open: all that have not ended",
  ended: "Ended: all that have",
  pending: "Pending: its turn has not come",
  running: "Running",
  waiting: "Waiting",
  paused: "Paused",
  succeeded: "Succeeded",
  failed: "Failed",
  canceled: "Canceled"
}

export const hasEnded = (status: TaskStatus): boolean =>
  status === "succeeded" || status === "failed" || status === "canceled"

export const moves = ["pause", "resume", "retry", "cancel"] as const
export type Move = (typeof moves)[number]

/** As `docs/tasks.md` draws it; the host has the last word. */
const from: Readonly<Record<Move, ReadonlyArray<TaskStatus>>> = {
  pause: ["pending", "running", "waiting"],
  resume: ["paused"],
  retry: ["failed"],
  cancel: ["pending", "running", "waiting", "paused"]
}
export const movesOf = (status: TaskStatus): ReadonlyArray<Move> => moves.filter((move) => from[move].includes(status))

/** Which attempt it is at, where there was or will be more than one. */
export const attemptInWords = (
  { attempt, kind, max_attempts, status }: Pick<Step, "attempt" | "kind" | "max_attempts" | "status">
): string | undefined => {
  if (kind === "wait" || status === "skipped" || (status === "pending" && attempt === 0)) return undefined
  const words = `attempt ${attempt + 1} of ${max_attempts}`
  return status === "pending" ? `${words} comes next` : words
}

export interface StageOfSteps {
  readonly stage: number
  readonly steps: ReadonlyArray<Step>
}

/** The steps in the order in which they run; those of one stage run at the same time. */
export const stagesOf = (steps: ReadonlyArray<Step>): ReadonlyArray<StageOfSteps> =>
  [...Map.groupBy(steps, ({ stage }) => stage)]
    .toSorted(([a], [b]) => a - b)
    .map(([stage, all]) => ({ stage, steps: all.toSorted((a, b) => a.position - b.position) }))

/** Each label as one text. */
export const labelsOf = ({ labels }: Pick<Task, "labels">): ReadonlyArray<string> =>
  Array.isArray(labels)
    ? labels as ReadonlyArray<string>
    : Object.entries(labels).map(([name, value]) => `${name}: ${String(value)}`)

/** `a, b` as the operator types them. */
export const labelsFrom = (text: string): ReadonlyArray<string> =>
  text.split(",").map((label) => label.trim()).filter((label) => label !== "")

export const spans = {
  any: "At any time",
  "1": "In the last hour",
  "24": "In the last day",
  "168": "In the last 7 days",
  "720": "In the last 30 days"
} as const
export type Span = keyof typeof spans

/** What an address says; anything else is any time. */
export const spanOf = (made: string | undefined): Span =>
  made !== undefined && Object.hasOwn(spans, made) ? made as Span : "any"

/** The moment from which on, for `since`. */
export const sinceOf = (span: Span, now: number): string | undefined =>
  span === "any" ? undefined : new Date(now - Number(span) * 3_600_000).toISOString()
