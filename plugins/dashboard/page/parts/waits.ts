/** What a task waits for, in the operator's words. Pure. */
import type { Task } from "syris/records"

/** What it waits for, and where the operator can do something about it. */
export interface Wait {
  /** Goes on after "waits". */
  readonly words: string
  readonly to: "approval" | "chat" | "trace" | "jobs" | undefined
  /** `next`: it goes on at `next_wake_at`; `end`: until then it can be answered. */
  readonly at: "next" | "end" | undefined
}

export const waitOf = (task: Pick<Task, "status" | "waits_for">): Wait | undefined => {
  if (task.status === "pending") return { words: "for its turn", to: undefined, at: "next" }
  if (task.status === "paused") return { words: "until you resume it", to: undefined, at: undefined }
  if (task.status !== "waiting") return undefined
  switch (task.waits_for) {
    case "approval":
      return { words: "for your yes", to: "approval", at: "end" }
    case "person":
      return { words: "for you to say whether a call was done", to: "trace", at: undefined }
    case "answer":
      return { words: "for your answer in the chat", to: "chat", at: "end" }
    case "job":
      return { words: "for a job to end", to: "jobs", at: undefined }
    case "pause":
      return { words: "until you resume it", to: undefined, at: undefined }
    default:
      return { words: "until its time comes", to: undefined, at: "next" }
  }
}
