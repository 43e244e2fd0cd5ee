/**
 * States as `subscribe_entities` sends them: short keys, and of a change only what is different.
 */
import { secondsOf } from "./Clock.ts"
import type { Context, State } from "./Types.ts"

const contextOf = (context: Context): string | Context =>
  context.parent_id === null && context.user_id === null ? context.id : context

export const compressed = (state: State): object => ({
  s: state.state,
  a: state.attributes,
  c: contextOf(state.context),
  lc: secondsOf(state.last_changed),
  ...(state.last_updated === state.last_changed ? {} : { lu: secondsOf(state.last_updated) })
})

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other)

const contextChange = (before: Context, after: Context): string | object | undefined => {
  const parts = {
    ...(before.parent_id === after.parent_id ? {} : { parent_id: after.parent_id }),
    ...(before.user_id === after.user_id ? {} : { user_id: after.user_id })
  }
  if (before.id === after.id) return Object.keys(parts).length === 0 ? undefined : parts
  return Object.keys(parts).length === 0 ? after.id : { ...parts, id: after.id }
}

/** The event that says how one entity changed. */
export const difference = (entity_id: string, before: State | null, after: State | null): object => {
  if (after === null) return { r: [entity_id] }
  if (before === null) return { a: { [entity_id]: compressed(after) } }
  const context = contextChange(before.context, after.context)
  const added = Object.entries(after.attributes).filter(([name, value]) => !same(before.attributes[name], value))
  const removed = Object.keys(before.attributes).filter((name) => !(name in after.attributes))
  const plus = {
    ...(before.state === after.state ? {} : { s: after.state }),
    ...(before.last_changed !== after.last_changed
      ? { lc: secondsOf(after.last_changed) }
      : before.last_updated === after.last_updated
      ? {}
      : { lu: secondsOf(after.last_updated) }),
    ...(context === undefined ? {} : { c: context }),
    ...(added.length === 0 ? {} : { a: Object.fromEntries(added) })
  }
  return { c: { [entity_id]: { "+": plus, ...(removed.length === 0 ? {} : { "-": { a: removed } }) } } }
}
