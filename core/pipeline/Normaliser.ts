/**
 * Turns what a channel handed over into an event, or refuses it with a sentence that names the field.
 *
 * Pure: no database, no waiting. The trust is the channel's, never the sender's word.
 */
import canonicalize from "canonicalize"
import { Clock, Effect } from "effect"
import type { Trust } from "../contract/Enums.ts"
import { RawEvent } from "../contract/Event.ts"
import type { EventRow } from "../contract/Rows.ts"
import { digest, newId } from "../database/Ids.ts"
import { asSentences, check } from "../plugin/Explain.ts"
import { forbiddenKeys, isText } from "../plugin/PlainJson.ts"
import { isTimezone } from "../plugin/Settings.ts"
import { worst } from "../safety/Provenance.ts"
import { type Arrival, EventRejected } from "./Submission.ts"

export interface Normalised {
  readonly event: EventRow
  /** SHA-256 of the body in canonical JSON, without when and by whom it was brought; hex. */
  readonly body_hash: string
}

/** Of an event that names none. */
export const defaultLocale = "en"

/** How many events may lead to one another before the chain is cut. */
export const maximumDepth = 8

const day = 86_400_000

const reject = (code: string, message: string): EventRejected =>
  new EventRejected({ detail: { code, message, retryable: false } })

const decode = check(RawEvent, "field")

/** The first string in a value that can't be stored as text, as a path; keys count too. */
const findUnstorable = (value: unknown, path: string): string | undefined => {
  if (typeof value === "string") return isText(value) ? undefined : path
  if (typeof value !== "object" || value === null) return undefined
  for (const [key, child] of Object.entries(value)) {
    const where = Array.isArray(value) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`
    if (!isText(key)) return path === "" ? "a field's name" : `${path} (a key in it)`
    if (forbiddenKeys.has(key)) return where
    const found = findUnstorable(child, where)
    if (found !== undefined) return found
  }
  return undefined
}

const timezones = new Map<string, boolean>()
const isKnownTimezone = (name: string): boolean => {
  const known = timezones.get(name)
  if (known !== undefined) return known
  const valid = isTimezone(name)
  if (timezones.size < 1000) timezones.set(name, valid)
  return valid
}

const isoInstant = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:?\d{2})$/i

const occurredAt = (text: string | undefined, now: number): string | undefined => {
  if (text === undefined) return new Date(now).toISOString()
  const time = isoInstant.test(text) ? Date.parse(text) : NaN
  return time >= 0 && time <= now + day ? new Date(time).toISOString() : undefined
}

/** The key of a message: the same channel, connector and message id are the same message. */
export const dedupeKey = (channel: string, connectorId: string, messageId: string): string =>
  digest(channel, connectorId, messageId)

export interface NormaliseOptions {
  /** The event that led to this one; the child keeps its trace and takes the worse trust. */
  readonly parent?: {
    readonly event_id: string
    readonly trace_id: string
    readonly depth: number
    readonly trust: Trust
  }
  readonly timezone: string
  readonly trustOf: (channel: string) => Trust
  /** What the channel said of it besides. */
  readonly arrival?: Arrival | undefined
  /** Takes known secrets out: of an event nothing is kept that holds one. Default: what it comes from holds none. */
  readonly redact?: (body: RawEvent) => RawEvent
}

export const normalise = Effect.fnUntraced(function*(
  raw: unknown,
  options: NormaliseOptions
): Effect.fn.Return<Normalised, EventRejected> {
  const unstorable = findUnstorable(raw, "")
  if (unstorable !== undefined) {
    return yield* reject(
      "event.text_invalid",
      `The field "${unstorable}" holds a NUL character, half a surrogate pair or a reserved key. Remove it.`
    )
  }
  const decoded = decode(raw)
  if (!decoded.ok) return yield* reject("event.invalid", asSentences(decoded.mistakes))
  const body = options.redact?.(decoded.value) ?? decoded.value
  const now = yield* Clock.currentTimeMillis
  const occurred = occurredAt(body.occurred_at, now)
  if (occurred === undefined) {
    return yield* reject(
      "event.occurred_at_invalid",
      "The field \"occurred_at\" must be an ISO 8601 time with a zone, from 1970 to one day ahead."
    )
  }
  const timezone = body.timezone ?? options.timezone
  if (!isKnownTimezone(timezone)) {
    return yield* reject("event.timezone_invalid", `The field "timezone": "${timezone}" is not an IANA time zone.`)
  }
  const parent = options.parent
  if (parent !== undefined && parent.depth >= maximumDepth) {
    return yield* reject("event.too_deep", `${maximumDepth} events have led to one another. The chain ends here.`)
  }
  const connector_id = body.connector_id ?? body.channel
  const { attachment_refs = [], raised, trace_id = newId() } = options.arrival ?? {}
  const trust = raised?.trust ?? options.trustOf(body.channel)
  const event: EventRow = {
    event_id: newId(),
    trace_id: parent?.trace_id ?? trace_id,
    parent_event_id: parent?.event_id,
    schema_version: "1.0",
    occurred_at: occurred,
    ingested_at: new Date(now).toISOString(),
    channel: body.channel,
    connector_id,
    thread_id: body.thread_id,
    message_id: body.message_id,
    actor_type: body.actor_type ?? "user",
    actor_id: body.actor_id ?? connector_id,
    text: body.text,
    structured: body.structured ?? {},
    attachment_refs,
    links: body.links ?? [],
    timezone,
    locale: body.locale ?? defaultLocale,
    device_id: body.device_id,
    dedupe_key: body.message_id === undefined ? undefined : dedupeKey(body.channel, connector_id, body.message_id),
    sensitivity: body.sensitivity ?? "low",
    trust: parent === undefined ? trust : worst(trust, parent.trust),
    redaction_policy_id: "default",
    depth: parent === undefined ? 0 : parent.depth + 1
  }
  const body_hash = event.dedupe_key === undefined ? "" : digest(
    canonicalize({ text: body.text, structured: event.structured, links: event.links, thread_id: body.thread_id }) ?? ""
  )
  return { event, body_hash }
})
