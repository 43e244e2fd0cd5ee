/**
 * Marks a tool of the host itself as the operator's alone: on behalf of any other trust it is blocked, at every level of
 * autonomy. Not for plugins: a mark that they could set would promise what nobody checked.
 */
import type { ToolDefinition } from "./Tool.ts"

const mark = Symbol("syris/OperatorOnly")

export const forOperatorOnly = <T extends ToolDefinition<any, any, any>>(definition: T): T => ({
  ...definition,
  [mark]: true
})

export const isForOperatorOnly = (definition: object): boolean => mark in definition
