/**
 * Marks a tool of the host itself as the operator's alone: on behalf of any other trust it is blocked, at every level of
 * autonomy. Not for plugins: a mark that they could set would promise what nobody checked.
 */
import type { Autonomy } from "../contract/Enums.ts"
import type { ToolDefinition } from "./Tool.ts"

/**
 * The tool steers the host: for the operator it is not held by risk and autonomy, but where `asks` says so.
 */
export interface Steering<I = any> {
  /** Whether the operator is asked first, for an input that was decoded. Default: never. */
  readonly asks?: (input: I, state: { readonly autonomy: Autonomy }) => boolean
}

const mark = Symbol("syris/OperatorOnly")

interface Marked {
  readonly [mark]?: { readonly steering: Steering | undefined }
}

export const forOperatorOnly = <T extends ToolDefinition<any, any, any>>(
  definition: T,
  steering?: Steering<T extends ToolDefinition<infer I, any, any> ? I : never>
): T => ({ ...definition, [mark]: { steering } })

export const isForOperatorOnly = (definition: object): boolean => mark in definition

/** What `forOperatorOnly` was given; `undefined` for a tool that is gated like any other. */
export const steeringOf = (definition: object): Steering | undefined => (definition as Marked)[mark]?.steering
