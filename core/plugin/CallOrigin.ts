/**
 * Who stands behind a call: a tool of the host itself finds it where its effect runs. Not for plugins, whose context says
 * what they need.
 */
import { Context } from "effect"
import type { Trust } from "../contract/Enums.ts"

export interface Origin {
  readonly event_id: string
  readonly trace_id: string
  readonly thread_id?: string | null | undefined
  readonly channel: string
  readonly connector_id?: string | undefined
  readonly actor_id: string
  /** The worst of all that the call rests on. */
  readonly trust: Trust
  readonly tool_call_id: string
  readonly task_id?: string | undefined
}

/** Nothing outside of a run. */
export const CallOrigin = Context.Reference<Origin | undefined>("syris/plugin/CallOrigin", {
  defaultValue: () => undefined
})
