/** Time as processes and sockets have it, and chance. */
import { Context } from "effect"
import { realTime, type Time as Passing } from "../health/RealTime.ts"

export interface Time extends Passing {
  /** From 0 to 1. */
  readonly random: () => number
}

/** What a test of the waiting itself replaces. */
export const RealTime = Context.Reference<Time>("syris/mcp/RealTime", {
  defaultValue: () => ({ ...realTime, random: Math.random })
})
