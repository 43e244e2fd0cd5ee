/**
 * Marks a tool of the host itself that says of each output how far it can be trusted. Its `trust` is the worst that this can
 * be: whoever has no output to look at goes by that. Not for plugins: they would vouch for what strangers wrote.
 */
import { Trust } from "../contract/Enums.ts"
import type { ToolDefinition } from "./Tool.ts"

const mark = Symbol("syris/OutputTrust")

type TrustOf = (output: any) => Trust

interface Marked {
  readonly [mark]?: TrustOf
}

/** `of` is given an output as it is stored. */
export const trustedBy = <T extends ToolDefinition<any, any, any>>(
  definition: T,
  of: (output: T extends ToolDefinition<any, infer O, any> ? O : never) => Trust
): T => ({ ...definition, [mark]: of })

export const isTrustedByOutput = (definition: object): boolean => mark in definition

/** How far what a call gave back can be trusted, `undefined` for a call that gave nothing; nothing where its tool says none. */
export const outputTrust = (definition: ToolDefinition, output: unknown): Trust | undefined => {
  const of = (definition as Marked)[mark]
  if (of === undefined || output === undefined || output === null) return definition.trust
  try {
    const found: unknown = of(output)
    return Trust.literals.find((one) => one === found) ?? "untrusted"
  } catch {
    return "untrusted"
  }
}
