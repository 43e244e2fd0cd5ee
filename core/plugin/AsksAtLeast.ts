/**
 * Marks a tool of the host itself that makes something which acts later: for such an input a person is asked, at every level
 * of autonomy, and no standing rule undoes it. Not for plugins: they state a risk.
 */
import type { Trust } from "../contract/Enums.ts"
import type { ToolDefinition } from "./Tool.ts"

/** What is known of a call besides its input. */
export interface CallToAsk {
  /** The worst of all that is in the trace. */
  readonly trust: Trust
}

const mark = Symbol("syris/AsksAtLeast")

interface Marked {
  readonly [mark]?: (input: any, call: CallToAsk) => boolean
}

/** `asks` is for an input that was decoded. */
export const asksAtLeast = <T extends ToolDefinition<any, any, any>>(
  definition: T,
  asks: (input: T extends ToolDefinition<infer I, any, any> ? I : never, call: CallToAsk) => boolean
): T => ({ ...definition, [mark]: asks })

/** What `asksAtLeast` was given. */
export const askingOf = (definition: object): ((input: any, call: CallToAsk) => boolean) | undefined =>
  (definition as Marked)[mark]
