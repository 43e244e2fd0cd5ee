/**
 * Something that the host was told to remember, with where it comes from.
 */
import { Schema } from "effect"
import { ValueLabels } from "./Approval.ts"

export const Memory = Schema.Struct({
  memory_id: Schema.String,
  text: Schema.String,
  /** Its trust is that of the words that made it: the worst of their trace. */
  labels: ValueLabels,
  source: Schema.Struct({
    event_id: Schema.String,
    trace_id: Schema.String,
    task_id: Schema.optionalKey(Schema.String),
    tool_call_id: Schema.String,
    channel: Schema.String,
    actor_id: Schema.String
  }),
  /** The conversation that it was said in. */
  thread_id: Schema.optionalKey(Schema.String),
  tags: Schema.Array(Schema.String),
  created_at: Schema.String,
  last_recalled_at: Schema.optionalKey(Schema.String),
  /** How often. */
  recalled: Schema.Int
})
export type Memory = typeof Memory.Type
