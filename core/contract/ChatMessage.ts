/**
 * What the operator is told on the channel `chat`.
 */
import { Schema } from "effect"

/** `reply` ends an event; a `notice` asks, or says what goes on. */
export const ChatKind = Schema.Literals(["reply", "notice"])
export type ChatKind = typeof ChatKind.Type

export const ChatMessage = Schema.Struct({
  message_id: Schema.String,
  /** The conversation; a message without one belongs to none. */
  thread_id: Schema.optionalKey(Schema.String),
  /** The event that it answers. */
  event_id: Schema.optionalKey(Schema.String),
  trace_id: Schema.String,
  kind: ChatKind,
  text: Schema.String,
  at: Schema.String
})
export type ChatMessage = typeof ChatMessage.Type
