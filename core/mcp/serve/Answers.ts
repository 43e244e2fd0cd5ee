/**
 * What a tool of `/mcp` answers: JSON as text and as structured content, bounded, without known secrets, and with all that
 * is invisible written out. What was refused is a sentence, told as an error of the tool, so that a model can mend its call.
 */
import type { CallToolResult } from "@modelcontextprotocol/server"
import { Effect, Schema } from "effect"
import { visible, visibleJson } from "../../contract/Visible.ts"
import type { Redactor } from "../../secrets/Redactor.ts"

/** It can't be done; the sentence says why. */
export class ServeRefused extends Schema.TaggedError<ServeRefused>()("ServeRefused", { sentence: Schema.String }) {
  override get message() {
    return this.sentence
  }
}

export const refuse = (sentence: string): ServeRefused => new ServeRefused({ sentence })

/** Longest text of an answer, in UTF-16 units. */
const longest = 1_000_000

const tooLong = "The answer is longer than a client takes. Ask for less: syris_audit and syris_events have limits."

/** A text that is read as it is, where it is not too long. */
export const bounded = (text: string): Effect.Effect<string, ServeRefused> =>
  text.length > longest ? Effect.fail(refuse(tooLong)) : Effect.succeed(text)

/** An object as a tool answers it; `text` where it is better said than shown. */
export const answered = (
  value: object,
  { redactJson }: Pick<Redactor["Service"], "redactJson">,
  text?: string
): CallToolResult => {
  const shown = redactJson({ value, text })
  const said = shown.text ?? visibleJson(shown.value, 2)
  if (said.length > longest || JSON.stringify(shown.value).length > longest) return refusedWith(tooLong)
  return { content: [{ type: "text", text: said }], structuredContent: JSON.parse(JSON.stringify(shown.value)) }
}

export const refusedWith = (sentence: string): CallToolResult => ({
  content: [{ type: "text", text: visible(sentence) }],
  isError: true
})
