/**
 * What happens in the house, as events. A change has the same id and, as far as it is known what was before, the same body,
 * whether it came as it happened or was found afterwards.
 */
import { createHash } from "node:crypto"
import type { RawEvent } from "syris"
import type { Place } from "./Directory.ts"
import { microsOf, occurredAt } from "./Instant.ts"
import { type Json, storable, storableText } from "./Storable.ts"
import { domainOf, type HaContext, type HaEvent, type HaState, type StateChanged } from "./Wire.ts"

type JsonRecord = Record<string, Json>

/** One state that became another, or came, or went. */
export interface Change {
  readonly entity_id: string
  /** `undefined` where nobody knows. */
  readonly before: HaState | null | undefined
  readonly now: HaState | null
  readonly context: HaContext
  /** Of an entity that went: of the rest, the state says when. */
  readonly fired: string
}

export const changeOf = (event: HaEvent): Change => {
  const { entity_id, new_state, old_state } = event.data as unknown as StateChanged
  return { entity_id, before: old_state, now: new_state, context: event.context, fired: event.time_fired }
}

/** A state that was found, with what was known of it. */
export const foundChange = (state: HaState, before: HaState | undefined): Change => ({
  entity_id: state.entity_id,
  before,
  now: state,
  context: state.context,
  fired: state.last_updated
})

export const whenOf = ({ fired, now }: Change): number => microsOf(now?.last_updated ?? fired)

/** Of the entity, the context and the moment: the state itself has all three, whoever brings it. */
export const messageId = ({ context, entity_id, fired, now }: Change): string =>
  idOf(now === null ? [entity_id, "gone", context.id, fired] : [entity_id, now.context.id, now.last_updated])

/** No longer than an id may be, whatever it is made of. */
const idOf = (parts: ReadonlyArray<string>): string => {
  const id = storableText(parts.join(" "))
  return id.length <= longestId
    ? id
    : `${id.slice(0, 400).toWellFormed()} ${createHash("sha256").update(id).digest("hex")}`
}
const longestId = 1_000

const mostAttributes = 30
const longestValue = 500

const isSame = (one: unknown, other: unknown): boolean =>
  one === other ||
  (typeof one === "object" && typeof other === "object" && JSON.stringify(one) === JSON.stringify(other))

/** Those that are not as they were, with `null` for one that went; what is too long is left out. */
const changedAttributes = (before: HaState | null | undefined, now: HaState | null): JsonRecord => {
  const [old, made] = [before?.attributes ?? {}, now?.attributes ?? {}]
  const found: JsonRecord = Object.create(null) as JsonRecord
  let count = 0
  const put = (name: string, value: unknown): void => {
    if (count >= mostAttributes || name.length > 100) return
    if (typeof value === "string" ? value.length > longestValue : typeof value === "object" && value !== null) {
      if (JSON.stringify(value).length > longestValue) return
    }
    found[name] = value as Json
    count++
  }
  for (const name of Object.keys(made)) if (!isSame(old[name], made[name])) put(name, made[name])
  for (const name of Object.keys(old)) if (!(name in made)) put(name, null)
  return found
}

const textOf = (value: unknown, most = 200): string | undefined =>
  typeof value === "string" && value.trim() !== "" ? value.slice(0, most) : undefined

const storedRecord = (record: JsonRecord): JsonRecord => storable(record) as JsonRecord

const contextOf = ({ id, parent_id, user_id }: HaContext): JsonRecord => ({
  id,
  ...(parent_id == null ? {} : { parent_id }),
  ...(user_id == null ? {} : { user_id })
})

export interface Source {
  readonly connectorId: string
  readonly areaOf: (entityId: string) => Place | undefined
  readonly now: () => number
}

export const stateEvent = (change: Change, { areaOf, connectorId, now }: Source): RawEvent => {
  const { before, entity_id, fired, now: state } = change
  const subject = state ?? before
  const area = areaOf(entity_id)
  const at = occurredAt(state?.last_updated ?? fired, now())
  const known = subject?.attributes ?? {}
  const device_class = textOf(known["device_class"])
  const unit = textOf(known["unit_of_measurement"])
  return {
    channel: "ha_event",
    connector_id: connectorId,
    message_id: messageId(change),
    actor_type: "integration",
    actor_id: storableText(entity_id.slice(0, 200)),
    ...(at === undefined ? {} : { occurred_at: at }),
    structured: storedRecord({
      event_type: "state_changed",
      entity_id,
      domain: domainOf(entity_id),
      name: textOf(known["friendly_name"]) ?? entity_id,
      ...(area === undefined ? {} : { area: area.name, area_id: area.id }),
      from: before?.state ?? null,
      to: state?.state ?? null,
      state: state?.state ?? null,
      ...(device_class === undefined ? {} : { device_class }),
      ...(unit === undefined ? {} : { unit }),
      attributes: changedAttributes(before, state),
      changed_at: state?.last_changed ?? fired,
      updated_at: state?.last_updated ?? fired,
      context: contextOf(state?.context ?? change.context)
    })
  }
}

/** Words of the house: an automation, or a voice assistant, fires it with `{ text }`. */
export const messageEvent = "syris_message"
const longestText = 65_536
const longestData = 16_384

const bounded = (data: Readonly<Record<string, unknown>>): JsonRecord => {
  const found: JsonRecord = Object.create(null) as JsonRecord
  let left = longestData
  for (const [name, value] of Object.entries(data)) {
    const size = name.length + (JSON.stringify(value)?.length ?? 0)
    if (size > left) continue
    left -= size
    found[name] = value as Json
  }
  return found
}

/** An event of any other type. */
export const otherEvent = (
  { context, data, event_type, time_fired }: HaEvent,
  { connectorId, now }: Source
): RawEvent => {
  const at = occurredAt(time_fired, now())
  const text = event_type === messageEvent ? textOf(data["text"], longestText)?.trim() : undefined
  const thread = event_type === messageEvent ? textOf(data["thread"]) : undefined
  const { text: _, ...rest } = data
  return {
    channel: "ha_event",
    connector_id: connectorId,
    message_id: idOf([event_type.slice(0, 200), context.id, time_fired]),
    actor_type: text === undefined ? "integration" : "user",
    actor_id: storableText(textOf(data["user"]) ?? textOf(context.user_id) ?? event_type.slice(0, 200)),
    ...(at === undefined ? {} : { occurred_at: at }),
    ...(text === undefined ? {} : { text: storableText(text) }),
    ...(thread === undefined ? {} : { thread_id: storableText(thread) }),
    structured: storedRecord({
      event_type,
      data: bounded(text === undefined ? data : rest),
      context: contextOf(context),
      // Where the answer goes: to a notification that says what it answers.
      ...(text === undefined ? {} : { reply: { title: textOf(data["title"], 100) ?? `SYRIS: ${text}`.slice(0, 80) } })
    })
  }
}
