/**
 * What comes over the websocket, believed only as far as it is what it should be: one state that is none, of ten thousand,
 * costs that state and not the house.
 */
import type { HaContext, HaEvent, HaState } from "./Wire.ts"

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isMoment = (value: unknown): value is string => typeof value === "string" && !Number.isNaN(Date.parse(value))

const isContext = (value: unknown): value is HaContext => isRecord(value) && typeof value["id"] === "string"

/** Home Assistant's own bound. */
const longestEntityId = 255
const isEntity = (value: unknown): value is string =>
  typeof value === "string" && value.length <= longestEntityId && value.includes(".")

export const isState = (value: unknown): value is HaState =>
  isRecord(value) && isEntity(value["entity_id"]) && typeof value["state"] === "string" &&
  isRecord(value["attributes"]) &&
  isMoment(value["last_changed"]) && isMoment(value["last_updated"]) && isContext(value["context"])

/** An event as it is told; nothing for what is none. */
export const readEvent = (value: unknown): HaEvent | undefined => {
  if (
    !isRecord(value) || typeof value["event_type"] !== "string" || !isRecord(value["data"]) ||
    !isMoment(value["time_fired"]) || !isContext(value["context"])
  ) return undefined
  const event = value as unknown as HaEvent
  if (event.event_type !== "state_changed") return event
  const { entity_id, new_state, old_state } = event.data
  if (!isEntity(entity_id) || !(new_state === null || isState(new_state))) return undefined
  return old_state === null || isState(old_state) ? event : { ...event, data: { ...event.data, old_state: null } }
}

/** Those of a list that are what they should be; none where it is no list. */
export const rowsOf = <A>(list: unknown, id: keyof A & string): ReadonlyArray<A> =>
  Array.isArray(list) ? list.filter((row): row is A => isRecord(row) && typeof row[id] === "string") : []
