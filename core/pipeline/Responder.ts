/**
 * Composes the reply that an event is owed, from the tool's own words. It is kept with the settlement; a channel that
 * can send gets it from there.
 */
import type { RegisteredTool } from "../plugin/Registry.ts"
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
