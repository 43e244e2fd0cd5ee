/**
 * What the conditions of rules read: the event as it is told (`MessageEvent`), and the state of the host at its time.
 * Cheap, made once for an event; what is missing is `undefined`.
 */
import type { EventRow } from "../contract/Rows.ts"

/** The keys of a subject. */
export { ruleRoots } from "../plugin/RuleReading.ts"

export interface RuleState {
  readonly autonomy: string
  readonly health: string
  readonly time: Date
}

export type RuleSubject = ReturnType<typeof subjectOf>

export const subjectOf = (event: EventRow, state: RuleState) => ({
  event_id: event.event_id,
  schema_version: event.schema_version,
  occurred_at: event.occurred_at,
  ingested_at: event.ingested_at,
  source: {
    channel: event.channel,
    connector_id: event.connector_id,
    thread_id: event.thread_id,
    message_id: event.message_id
  },
  actor: { actor_type: event.actor_type, actor_id: event.actor_id },
  content: {
    text: event.text,
    structured: event.structured,
    attachment_refs: event.attachment_refs,
    links: event.links
  },
  context: { timezone: event.timezone, locale: event.locale, device_id: event.device_id },
  correlation: {
    trace_id: event.trace_id,
    parent_event_id: event.parent_event_id,
    dedupe_key: event.dedupe_key
  },
  security: {
    sensitivity: event.sensitivity,
    trust: event.trust,
    redaction_policy_id: event.redaction_policy_id
  },
  state: { autonomy: state.autonomy, health: state.health, time: state.time }
})
