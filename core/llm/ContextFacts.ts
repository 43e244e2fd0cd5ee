/**
 * What the context of a question to a model is made from: everything that was looked up for it, as it is stored with the
 * question. The same facts, prompts and tools always make the same request (`Context.ts`), so a replay can make it again.
 */
import type { Trust } from "../contract/Enums.ts"
import type { Message, OfferedTool } from "./CompletionProvider.ts"
import type { Turn } from "./Prompt.ts"

/** One thing that was said in the thread. */
export interface ThreadLine {
  readonly at: string
  /** `person`: an event that came in. `syris`: what the host answered. */
  readonly by: "person" | "syris"
  readonly text: string
  readonly trust: Trust
  readonly event_id: string
}

/** Facts are JSON: no dates, no secrets that the store knows. */
export interface ContextFacts {
  /** What is wanted, in the words that came in. */
  readonly intent: string
  readonly trust: Trust
  readonly channel: string
  readonly thread_id?: string
  /** IANA name. */
  readonly timezone: string
  readonly locale?: string
  /** Where it comes from, if the event says so. */
  readonly device_id?: string
  /** ISO 8601. */
  readonly now: string
  /** What the task has done, oldest first, and what was wrong with answers. */
  readonly history: ReadonlyArray<Turn>
  readonly thread: {
    /** Of what comes before `lines`. */
    readonly summary?: { readonly text: string; readonly trust: Trust; readonly events: number }
    /** Oldest first. Not the event of this task itself. */
    readonly lines: ReadonlyArray<ThreadLine>
    /** Events of the thread that are neither in the summary nor in the lines. */
    readonly left_out: number
  }
  /** Active tasks, and those that ended last, newest first; not this one. */
  readonly tasks: ReadonlyArray<{
    readonly task_id: string
    readonly name: string
    readonly status: string
    readonly updated_at: string
    readonly trust: Trust
    readonly waits_for?: string
  }>
  readonly approvals: ReadonlyArray<{
    readonly number: number
    readonly tool: string
    readonly summary: string
    readonly expires_at: string
    readonly trust: Trust
  }>
  readonly memories: ReadonlyArray<{ readonly text: string; readonly trust: Trust; readonly created_at: string }>
  /** Counts of what was found and not taken into these facts. */
  readonly more: { readonly tasks: number; readonly approvals: number; readonly memories: number }
}

/** A part of the context, for the operator: what it took, and what was left out of it. */
export interface ContextPart {
  readonly part: "system" | "message" | "thread" | "tasks" | "approvals" | "memories" | "tools" | "history"
  readonly tokens: number
  /** At most so many. */
  readonly budget: number
  /** Entries that were there, and had no room. */
  readonly left_out: number
  /** The worst of what is in it. */
  readonly trust: Trust
}

/** What is sent, and what it is made of. */
export interface ContextBundle {
  readonly messages: ReadonlyArray<Message>
  /** Those that may be called, narrowed to what fits; `syris.wait` and `syris.ask` are among them. */
  readonly tools: ReadonlyArray<OfferedTool>
  readonly parts: ReadonlyArray<ContextPart>
  /** Which prompts it was made with. */
  readonly prompt_hash: string
}
