/**
 * An event as it comes in (`RawEvent`) and as it is kept (`MessageEvent`).
 */
import { Schema } from "effect"
import { ActorType, Sensitivity, Trust } from "./Enums.ts"

const bounded = (maximum: number) => Schema.String.pipe(Schema.check(Schema.isMaxLength(maximum)))
const name = bounded(200).pipe(Schema.check(Schema.isMinLength(1)))

/** Longest text of an event, in UTF-16 code units. */
export const maximumTextLength = 65_536

/**
 * What a channel hands over, and the body of `POST /events`. Unknown fields are refused by name.
 */
export const RawEvent = Schema.Struct({
  /** Lower case, dotted, owned by the plugin that provides it: `chat`, `webhook`, `ha_event`. */
  channel: Schema.String.pipe(Schema.check(
    Schema.isPattern(/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/, {
      expected: "lower-case letters, digits, _ and -, in parts separated by dots"
    }),
    Schema.isMaxLength(100)
  )),
  text: Schema.optionalKey(bounded(maximumTextLength)),
  /** Any JSON object. `{intent, input?}` names an intent outright (channels of trust operator or trusted). */
  structured: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
  /** Which instance of the channel; default: the channel's name. */
  connector_id: Schema.optionalKey(name),
  /** The sender's own id of this message; the same one is processed once. */
  message_id: Schema.optionalKey(bounded(1000).pipe(Schema.check(Schema.isMinLength(1)))),
  thread_id: Schema.optionalKey(name),
  actor_id: Schema.optionalKey(name),
  actor_type: Schema.optionalKey(ActorType),
  /** ISO 8601 with a zone, from 1970 to one day ahead; default: now. */
  occurred_at: Schema.optionalKey(bounded(64)),
  /** IANA zone; default: the configuration's. */
  timezone: Schema.optionalKey(bounded(100)),
  locale: Schema.optionalKey(bounded(100)),
  device_id: Schema.optionalKey(name),
  links: Schema.optionalKey(Schema.Array(bounded(2048)).pipe(Schema.check(Schema.isMaxLength(100)))),
  sensitivity: Schema.optionalKey(Sensitivity)
})
export type RawEvent = typeof RawEvent.Type

export const MessageEvent = Schema.Struct({
  event_id: Schema.String,
  schema_version: Schema.Literal("1.0"),
  occurred_at: Schema.String,
  ingested_at: Schema.String,
  source: Schema.Struct({
    channel: Schema.String,
    connector_id: Schema.String,
    thread_id: Schema.optionalKey(Schema.String),
    message_id: Schema.optionalKey(Schema.String)
  }),
  actor: Schema.Struct({ actor_type: ActorType, actor_id: Schema.String }),
  content: Schema.Struct({
    text: Schema.optionalKey(Schema.String),
    structured: Schema.Record(Schema.String, Schema.Json),
    attachment_refs: Schema.Array(Schema.String),
    links: Schema.Array(Schema.String)
  }),
  context: Schema.Struct({
    timezone: Schema.String,
    locale: Schema.String,
    device_id: Schema.optionalKey(Schema.String)
  }),
  correlation: Schema.Struct({
    /** Made once; a child event keeps its parent's. */
    trace_id: Schema.String,
    parent_event_id: Schema.optionalKey(Schema.String),
    dedupe_key: Schema.optionalKey(Schema.String)
  }),
  security: Schema.Struct({ sensitivity: Sensitivity, trust: Trust, redaction_policy_id: Schema.String })
})
export type MessageEvent = typeof MessageEvent.Type
