/** The first thing that the operator reads: whether it is well, and what waits for a person. Put together from facts. */
import type { Health } from "syris/records"
import { counted, listed } from "../../parts/counted.ts"

export interface SentenceFacts {
  readonly status: Health
  /** What is not well, each a clause such as `the mailbox does not answer since 14:02`. */
  readonly ailing: ReadonlyArray<string>
  readonly paused: boolean
  readonly approvals: number
  readonly questions: number
  /** Calls of which nobody knows what became. */
  readonly calls: number
  /** That nobody has seen yet, besides those that `ailing` names. */
  readonly alarms: number
  /** Whether `ailing` names an alarm, which waits for a person by itself. */
  readonly namesAlarm: boolean
  /** Whether the page hears of changes; else the facts are old. */
  readonly connected: boolean
}

export interface Sentence {
  readonly text: string
  readonly tone: "good" | "busy" | "warn" | "bad"
}

const most = 3

const ailmentsIn = (ailing: ReadonlyArray<string>): string =>
  ailing.length <= most
    ? listed(ailing)
    : listed([...ailing.slice(0, most - 1), `${ailing.length - most + 1} more parts are not well`])

const headOf = ({ ailing, alarms, calls, paused, status }: SentenceFacts): string => {
  const pause = "paused, nothing new begins"
  if (status !== "healthy") {
    const name = status === "down" ? "Down" : "Degraded"
    const what = ailing.length === 0 ? "" : `: ${ailmentsIn(ailing)}`
    return `${name}${what}${paused ? `; ${pause}` : status === "down" ? "; no work is done until that is over" : ""}`
  }
  if (paused) return "Well, but paused: nothing new begins"
  return alarms + calls > 0 ? "The host is well" : "All is well"
}

/** What waits for a person; empty where nothing does. */
const wantsOf = ({ alarms, approvals, calls, questions }: SentenceFacts): string => {
  const waiting = [
    approvals > 0 ? counted(approvals, "approval") : "",
    questions > 0 ? counted(questions, "question") : "",
    calls > 0 ? `${counted(calls, "call")} to settle` : ""
  ].filter((one) => one !== "")
  const wait = waiting.length === 0
    ? ""
    : `${listed(waiting)} ${approvals + questions + calls === 1 ? "waits" : "wait"} for you`
  const open = alarms === 0 ? "" : `${counted(alarms, "alarm")} ${alarms === 1 ? "is" : "are"} open`
  return [open, wait].filter((one) => one !== "").join("; ")
}

const toneOf = (
  { alarms, approvals, calls, connected, paused, questions, status }: SentenceFacts
): Sentence["tone"] => {
  if (status === "down" || !connected) return "bad"
  if (status === "degraded" || paused || alarms + calls > 0) return "warn"
  return approvals + questions > 0 ? "busy" : "good"
}

export const sentenceOf = (facts: SentenceFacts): Sentence => {
  const wants = wantsOf(facts)
  const rest = wants !== "" ? `; ${wants}` : facts.namesAlarm ? "" : "; nothing waits for you"
  const text = `${headOf(facts)}${rest}.`
  return {
    text: facts.connected
      ? text
      : `Not connected. When it was last heard of: ${text[0]?.toLowerCase()}${text.slice(1)}`,
    tone: toneOf(facts)
  }
}

/** What it works on, in one sentence. */
export const doingOf = (
  { jobs, running, waiting }: { readonly running: number; readonly waiting: number; readonly jobs: number }
): string => {
  const runs = [running > 0 ? counted(running, "task") : "", jobs > 0 ? counted(jobs, "job") : ""]
    .filter((one) => one !== "")
  const now = runs.length === 0 ? "Nothing is running" : `It works on ${listed(runs)}`
  return waiting === 0 ? `${now}.` : `${now}; ${counted(waiting, "task")} ${waiting === 1 ? "waits" : "wait"}.`
}
