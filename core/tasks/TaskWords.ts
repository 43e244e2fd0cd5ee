/**
 * Tasks in words, as one says them aloud.
 */
import type { FoundTask, TaskState } from "./TaskSearch.ts"

export interface Here {
  readonly now: Date
  readonly timeZone: string
}

/** Tasks that are named in one answer. */
const shown = 10

/** `3 minutes`: whole units of the largest kind that fits. */
export const lengthInWords = (ms: number): string => {
  const units = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1_000]] as const
  const [name, unit] = units.find(([, length]) => ms >= length) ?? ["second", 1_000]
  const count = Math.max(0, Math.floor(ms / unit))
  return count === 0 ? "a moment" : `${count} ${name}${count === 1 ? "" : "s"}`
}

/** `17:00`, with the day in front of it where that is not today. */
export const timeInWords = (at: Date, { now, timeZone }: Here): string => {
  const format = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat("en-GB", { timeZone, ...options })
  const day = format({ weekday: "short", day: "numeric", month: "short", year: "numeric" })
  const soon = Math.abs(at.getTime() - now.getTime()) < 120_000
  const time = format({
    hour: "2-digit",
    minute: "2-digit",
    ...(soon ? { second: "2-digit" } : {}),
    hourCycle: "h23"
  }).format(at)
  return day.format(at) === day.format(now) ? time : `${day.format(at)} at ${time}`
}

const listInWords = (items: ReadonlyArray<string>): string =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} and ${items.at(-1)}`

/** `step 2 of 5, copying, for 3 minutes`; a task that makes its steps as it goes has no last one yet. */
const progress = (task: FoundTask, state: TaskState | undefined, here: Here): string | undefined => {
  const begun = state?.open.filter((step) => step.status !== "pending") ?? []
  const steps = begun.length > 0 ? begun : state?.open.slice(0, 1) ?? []
  if (state === undefined || steps.length === 0) return undefined
  const numbers = `step${steps.length === 1 ? "" : "s"} ${listInWords(steps.map(({ position }) => `${position + 1}`))}`
  const total = task.kind === "steps" ? ` of ${state.steps}` : ""
  const started = begun.flatMap((step) => step.started_at ?? []).toSorted((a, b) => a.getTime() - b.getTime())[0]
  const since = task.status === "running" && started !== undefined
    ? `, for ${lengthInWords(here.now.getTime() - started.getTime())}`
    : ""
  return `${numbers}${total}, ${listInWords(steps.map((step) => step.name))}${since}`
}

const bracketed = (text: string | undefined): string => text === undefined ? "" : ` (${text})`

/** The end of a task's id that tells it from others of its name. */
export const idEnd = (task_id: string): string => task_id.slice(-6)

/** `label` is what it is called here. */
const openInWords = (
  label: string,
  task: FoundTask,
  state: TaskState | undefined,
  here: Here,
  alone: boolean
): string => {
  const where = bracketed(progress(task, state, here))
  const [step] = state?.open ?? []
  switch (task.status) {
    case "pending":
      return `${label} waits for its turn`
    case "paused":
      return `${label} is paused${where}`
    case "waiting":
      if (task.waits_for === "person") return `${label} waits for you to say what became of ${step?.name ?? "a step"}`
      if (task.waits_for === "approval") return `${label} waits for your yes${where}`
      if (task.waits_for === "job") return `${label} waits for a job${where}`
      if (task.next_wake_at === null) return `${label} waits${where}`
      return step !== undefined && step.kind !== "wait" && step.attempt > 0
        ? `${label} tries ${step.name} again at ${timeInWords(task.next_wake_at, here)}`
        : `${label} waits until ${timeInWords(task.next_wake_at, here)}`
    default:
      return alone ? `${label} is running${where}` : `${label}${where}`
  }
}

const endedInWords = (task: FoundTask, { now }: Here): string => {
  const ago = `${lengthInWords(now.getTime() - task.updated_at.getTime())} ago`
  const why = (reason: string | undefined | null) => reason === undefined || reason === null ? "" : `: ${reason}`
  const text = task.status === "succeeded"
    ? `${task.name} ended well ${ago}`
    : task.status === "canceled"
    ? `${task.name} was canceled ${ago}${why(task.cancel_reason)}`
    : `${task.name} failed ${ago}${why(task.error?.message)}`
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/** The open tasks of a list, told apart by the ends of their ids where two have one name. */
export const listed = (
  tasks: ReadonlyArray<FoundTask>,
  states: ReadonlyMap<string, TaskState>,
  here: Here
): string => {
  const names = Map.groupBy(tasks, (task) => task.name)
  const words = tasks.slice(0, shown).map((task) => {
    const label = (names.get(task.name)?.length ?? 0) > 1 ? `${task.name} …${idEnd(task.task_id)}` : task.name
    return openInWords(label, task, states.get(task.task_id), here, tasks.length === 1)
  })
  if (tasks.length === 1) return `${words.join("")}.`
  const more = tasks.length > shown ? `; and ${tasks.length - shown} more` : ""
  return `${tasks.length} tasks: ${words.join("; ")}${more}.`
}

/** The answer to "what are you doing?", or to the status of one task. */
export const answerInWords = (
  which: string,
  open: ReadonlyArray<FoundTask>,
  states: ReadonlyMap<string, TaskState>,
  ended: FoundTask | undefined,
  here: Here
): string =>
  open.length > 0
    ? listed(open, states, here)
    : ended !== undefined
    ? endedInWords(ended, here)
    : which === ""
    ? "Nothing is running."
    : `There is no task called "${which}".`
