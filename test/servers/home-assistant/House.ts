/**
 * The state machine and the event bus of the stand-in: states, what is fired when one changes, and who listens. It knows
 * nothing of the network.
 */
import { newContext, now } from "./Clock.ts"
import { makeRegistries, type Registries } from "./Registries.ts"
import type { Attributes, Context, HaEvent, NewEntity, State } from "./Types.ts"

export interface House {
  readonly registries: Registries
  readonly states: ReadonlyMap<string, State>
  /** What it shows its people: one for each id. */
  readonly notifications: Map<string, { readonly title: string; readonly message: string }>
  /** Attributes go over those that it has. Says nothing where nothing is different, as HA does. */
  readonly set: (entity_id: string, state: string, attributes?: Attributes, context?: Context) => State
  readonly remove: (entity_id: string, context?: Context) => void
  readonly fire: (event_type: string, data: object, context?: Context) => HaEvent
  readonly listen: (listener: (event: HaEvent) => void) => () => void
  /** Into the registry and the states. */
  readonly add: (entity: NewEntity) => void
  /** A new `entity_id`: the old one goes, the new one comes. */
  readonly rename: (entity_id: string, to: string) => void
  /** Every state is written anew, as after a start: times and contexts are new ones, nothing is said of it. */
  readonly restamp: (as?: (state: State) => Partial<State>) => void
}

const same = (one: Attributes, other: Attributes): boolean => {
  const names = Object.keys(one)
  return names.length === Object.keys(other).length &&
    names.every((name) => one[name] === other[name] || JSON.stringify(one[name]) === JSON.stringify(other[name]))
}

const titled = (entity_id: string): string => {
  const words = entity_id.slice(entity_id.indexOf(".") + 1).replaceAll("_", " ")
  return words.slice(0, 1).toUpperCase() + words.slice(1)
}

/** `kept` is told of each state that was written, `null` where an entity went. */
export const makeHouse = (kept: (entity_id: string, state: State | null) => void = () => {}): House => {
  const states = new Map<string, State>()
  const listeners = new Set<(event: HaEvent) => void>()
  const registries = makeRegistries((registry, data) => void fire(`${registry}_registry_updated`, data))

  const fire: House["fire"] = (event_type, data, context = newContext()) => at(now(), event_type, data, context)
  const at = (time_fired: string, event_type: string, data: object, context: Context): HaEvent => {
    const event: HaEvent = { event_type, data: { ...data }, origin: "LOCAL", time_fired, context }
    for (const listener of listeners) listener(event)
    return event
  }

  const put = (state: State, before: State | null): State => {
    states.set(state.entity_id, state)
    kept(state.entity_id, state)
    const data = { entity_id: state.entity_id, old_state: before, new_state: state }
    at(state.last_updated, "state_changed", data, state.context)
    return state
  }

  const set: House["set"] = (entity_id, state, attributes = {}, context = newContext()) => {
    const before = states.get(entity_id)
    const next = before === undefined ? attributes : { ...before.attributes, ...attributes }
    const time = now()
    if (before !== undefined && before.state === state && same(before.attributes, next)) {
      const reported = { ...before, last_reported: time }
      states.set(entity_id, reported)
      return reported
    }
    const last_changed = before?.state === state ? before.last_changed : time
    return put(
      { entity_id, state, attributes: next, last_changed, last_reported: time, last_updated: time, context },
      before ?? null
    )
  }

  const remove: House["remove"] = (entity_id, context = newContext()) => {
    const old_state = states.get(entity_id)
    if (!states.delete(entity_id) || old_state === undefined) return
    kept(entity_id, null)
    fire("state_changed", { entity_id, old_state, new_state: null }, context)
  }

  return {
    registries,
    states,
    notifications: new Map(),
    set,
    remove,
    fire,
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    add: (entity) => {
      const name = entity.name ?? titled(entity.entity_id)
      registries.addEntity({ ...entity, name })
      set(entity.entity_id, entity.state ?? "off", { ...entity.attributes, friendly_name: name })
    },
    rename: (entity_id, to) => {
      const state = states.get(entity_id)
      registries.update(entity_id, { entity_id: to })
      remove(entity_id)
      if (state !== undefined) set(to, state.state, state.attributes)
    },
    restamp: (as = () => ({})) => {
      const time = now()
      for (const [entity_id, state] of states) {
        const stamps = { last_changed: time, last_reported: time, last_updated: time, context: newContext() }
        states.set(entity_id, { ...state, ...stamps, ...as(state) })
      }
    }
  }
}
