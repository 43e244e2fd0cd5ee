/** Answers while they are written, by the event that they answer. Pure. */
import type { ChatMessage } from "syris/records"

export interface Draft {
  readonly event_id: string
  readonly trace_id: string
  readonly text: string
}
export type Drafts = ReadonlyMap<string, Draft>

export const noDrafts: Drafts = new Map()

/** `from`: how much of the answer stands before it. What does not follow what is known is left out: the reply will say it. */
export const withDelta = (
  drafts: Drafts,
  { event_id, from, text, trace_id }: Omit<Draft, "text"> & { readonly from: number; readonly text: string }
): Drafts => {
  const known = drafts.get(event_id)?.text ?? ""
  if (from > known.length) return drafts
  return new Map(drafts).set(event_id, { event_id, trace_id, text: known.slice(0, from) + text })
}

export const withoutDraft = (drafts: Drafts, event_id: string): Drafts => {
  if (!drafts.has(event_id)) return drafts
  const rest = new Map(drafts)
  rest.delete(event_id)
  return rest
}

/** The reply to an event stands in the place of what was written of it. */
export const withMessage = (drafts: Drafts, { event_id, kind }: Pick<ChatMessage, "event_id" | "kind">): Drafts =>
  kind === "reply" && event_id !== undefined ? withoutDraft(drafts, event_id) : drafts
