/**
 * What an event is answered, and by whom. The reply is kept with the settlement; whoever brings it owes it from that
 * commit on, so there is one for each event, over crashes too.
 *
 * - `chat`: it is written in the same transaction, and told as `response.sent` with it: never held, never lost.
 * - any other channel that can send: the answer is a call of its `send` tool, under the same gates (`Replies.ts`).
 * - What waits for a yes is told in the chat with its approval (migrations/0003); what nobody knows is told there, too.
 */
import type { Fact } from "../audit/Audit.ts"
import type { TraceOutcome } from "../contract/Enums.ts"
import type { EventRow, SettlementRow } from "../contract/Rows.ts"
import type { RegisteredTool, Registry } from "../plugin/Registry.ts"
import type { Ending } from "../tools/Ending.ts"
import { endingSentence } from "../tools/ToolExecutor.ts"

/** Longest reply, in UTF-16 code units. */
const maximumReply = 4_000

const wordsOf = (output: unknown): string | undefined => {
  if (typeof output === "string") return output
  if (typeof output !== "object" || output === null) return undefined
  if ("message" in output && typeof output.message === "string") return output.message
  return "text" in output && typeof output.text === "string" ? output.text : undefined
}

/** What the operator is told of a call's ending. */
export const compose = (tool: RegisteredTool, ending: Ending): string => {
  const own = ending.status === "succeeded" ? wordsOf(ending.output) : undefined
  const text = own ?? endingSentence(tool, ending)
  return text.length > maximumReply ? `${text.slice(0, maximumReply - 1)}…`.toWellFormed() : text
}

const isEnd = (outcome: TraceOutcome): boolean => outcome !== "waiting" && outcome !== "unknown"

/**
 * Who brings the reply of an event from there: `chat`, the name of a `send` tool, or nobody. `asks`: what is waited for is
 * an answer on the channel itself.
 */
export const answerBy = (
  registry: Registry["Service"],
  source: Pick<EventRow, "channel" | "connector_id">,
  outcome: TraceOutcome,
  asks = false
): string | undefined => {
  if (outcome === "waiting" && !asks) return undefined
  if (source.channel === "chat" || outcome === "unknown") return "chat"
  return registry.sendOf(source)?.definition.name
}

/** What is told of a reply that its settlement brings with it; nothing of a question, or where somebody else brings it. */
export const responseFact = (
  event: Pick<EventRow, "event_id" | "trace_id" | "channel">,
  { answer_by, outcome, reply }: Pick<SettlementRow, "answer_by" | "outcome" | "reply">,
  at: Date,
  task_id?: string
): Fact | undefined =>
  answer_by !== "chat" || reply === undefined || !isEnd(outcome) ? undefined : {
    type: "response.sent",
    trace_id: event.trace_id,
    at,
    summary: `Answered on chat: ${reply}`.slice(0, 300),
    refs: { event_id: event.event_id, ...(task_id === undefined ? {} : { task_id }) },
    data: { channel: "chat", text: reply }
  }
