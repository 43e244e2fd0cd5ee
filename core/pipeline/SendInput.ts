/**
 * What a `send` tool is given of an answer, or of a question to the operator: of all that can be said those parts that its input
 * has, and of the text what it takes. Pure.
 */
import type { EventRow } from "../contract/Rows.ts"
import { fieldsOf } from "../plugin/InputFields.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import { questionSubject, questionText, withCode } from "../safety/ApprovalQuestion.ts"
import type { Asks } from "./OperatorConnectors.ts"

type Sender = Pick<RegisteredTool, "inputSchema">
type Said = ReadonlyMap<string, unknown>

/** `say`: by its name, and with a text of at most `longest`. */
const inputOf = ({ inputSchema }: Sender, say: (longest: number) => Said): unknown => {
  // Where nobody can tell what it takes, it takes a text.
  const fields = fieldsOf(inputSchema) ?? { text: {} }
  const said = say(longestText(fields["text"]))
  return Object.fromEntries(
    Object.keys(fields).flatMap((key) => said.get(key) === undefined ? [] : [[key, said.get(key)]])
  )
}

/** The longest text that a field of this schema takes. */
const longestText = (schema: unknown): number => {
  const { allOf = [], maxLength } = (schema ?? {}) as {
    readonly maxLength?: number
    readonly allOf?: ReadonlyArray<{ readonly maxLength?: number }>
  }
  return Math.min(maxLength ?? Infinity, ...allOf.map((part) => part.maxLength ?? Infinity))
}

export const replyInput = (tool: Sender, event: EventRow, text: string): unknown =>
  inputOf(tool, (longest) => {
    const { reply } = event.structured
    return new Map<string, unknown>([
      // The channel itself may have said more of where an answer belongs, and never what the host knows.
      ...(typeof reply === "object" && reply !== null ? Object.entries(reply) : []),
      ["text", text.length > longest ? `${text.slice(0, longest - 1)}…`.toWellFormed() : text],
      ["to", event.actor_id],
      ["thread_id", event.thread_id],
      ["in_reply_to", event.message_id],
      ["connector_id", event.connector_id]
    ])
  })

export const questionInput = (tool: Sender, asks: Asks, redact: (text: string) => string): unknown =>
  inputOf(tool, (longest) =>
    new Map([
      ["text", redact(questionText(asks, Math.min(longest, longestQuestion)))],
      ["subject", questionSubject(asks)],
      ["to", asks.addressed],
      ["connector_id", asks.connector_id]
    ]))

/** Characters. */
const longestQuestion = 12_000

/** The input with a code in its text; nothing where it has no place for one. */
export const filledInput = (input: unknown, code: string): unknown => {
  const { text } = input as { readonly text?: unknown }
  const filled = typeof text === "string" ? withCode(text, code) : undefined
  return filled === undefined ? undefined : { ...input as object, text: filled }
}
