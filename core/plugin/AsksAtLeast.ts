/**
 * Marks a tool of the host itself that makes something which acts later: for such an input a person is asked, at every level
 * of autonomy, and no standing rule undoes it. Not for plugins: they state a risk.
 */
import type { ToolDefinition } from "./Tool.ts"

const mark = Symbol("syris/AsksAtLeast")

interface Marked {
  readonly [mark]?: (input: any) => boolean
}

/** `asks` is for an input that was decoded. */
export const asksAtLeast = <T extends ToolDefinition<any, any, any>>(
  definition: T,
  asks: (input: T extends ToolDefinition<infer I, any, any> ? I : never) => boolean
): T => ({ ...definition, [mark]: asks })

/** What `asksAtLeast` was given. */
export const askingOf = (definition: object): ((input: any) => boolean) | undefined => (definition as Marked)[mark]
