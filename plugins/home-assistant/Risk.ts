/**
 * How bad it can be, by the kind of thing: a lamp is not a lock.
 */
import type { Risk } from "syris"
import { domainOf, type HaState, isEntityId } from "./Wire.ts"

const byDomain: Readonly<Record<string, Risk>> = {
  light: "low",
  fan: "low",
  media_player: "low",
  switch: "medium",
  input_boolean: "medium",
  climate: "medium",
  humidifier: "medium",
  vacuum: "medium",
  siren: "medium",
  // They can do anything that the house can.
  scene: "medium",
  script: "medium",
  lock: "high",
  alarm_control_panel: "high",
  valve: "high",
  water_heater: "high",
  cover: "high"
}

/** Covers that keep out light, and nobody. */
const shading = new Set(["awning", "blind", "curtain", "shade", "shutter"])

const order: ReadonlyArray<Risk> = ["low", "medium", "high", "critical"]
const worse = (one: Risk, other: Risk): Risk => order.indexOf(one) >= order.indexOf(other) ? one : other

export type StateOf = (entityId: string) => HaState | undefined

/** What a group or a scene is made of, as far as it says. */
export const membersOf = (state: HaState | undefined): ReadonlyArray<string> => {
  const members = state?.attributes["entity_id"]
  return Array.isArray(members) ? members.filter((id) => typeof id === "string" && isEntityId(id)) : []
}

/** So many things it is: a group counts with all that is in it. */
export const countOf = (ids: ReadonlyArray<string>, stateOf: StateOf): number =>
  ids.reduce((count, id) => count + Math.max(1, membersOf(stateOf(id)).length), 0)

/** Of one thing; what is not known, or is only a name, is `high`. */
export const riskOfThing = (
  entityId: string,
  state: HaState | undefined,
  overrides: Readonly<Record<string, Risk>> = {}
): Risk => {
  const domain = domainOf(entityId)
  // Whatever it may turn out to be.
  if (!isEntityId(entityId)) return Object.values(overrides).reduce(worse, "high")
  if (Object.hasOwn(overrides, entityId)) return overrides[entityId]!
  if (Object.hasOwn(overrides, domain)) return overrides[domain]!
  if (domain === "cover" && shading.has(String(state?.attributes["device_class"]))) return "medium"
  return Object.hasOwn(byDomain, domain) ? byDomain[domain]! : "high"
}

/** Of all of them, and of what is in them: the worst. What the operator said of one by its id stands for all that is in it. */
export const riskOf = (
  target: string | ReadonlyArray<string>,
  stateOf: StateOf,
  overrides: Readonly<Record<string, Risk>> = {}
): Risk => {
  // A scene that opens a lock is as bad as the lock. Groups may be in groups, and in one another.
  const ids = new Set(typeof target === "string" ? [target] : target)
  let worst: Risk | undefined
  for (const id of ids) {
    const state = stateOf(id)
    const risk = riskOfThing(id, state, overrides)
    worst = worst === undefined ? risk : worse(worst, risk)
    if (!Object.hasOwn(overrides, id)) { for (const member of membersOf(state)) ids.add(member) }
  }
  return worst ?? "high"
}
