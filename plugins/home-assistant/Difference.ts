/**
 * What is, what is wanted, and whether it has come about: for previews, probes and answers. Nothing here asks anybody.
 */
import { type Action, type Deed, deedOf, type Wish } from "./Actions.ts"
import { type Bound, participleOf } from "./Binding.ts"
import type { Directory } from "./Directory.ts"
import { microsOf } from "./Instant.ts"
import { kindWord, listed } from "./Words.ts"
import { domainOf, type HaState } from "./Wire.ts"

export type Reached = "yes" | "no" | "unknown"

export const deedFor = (entityId: string, action: Action): Deed | undefined => deedOf(domainOf(entityId), action)

/** Whether a thing is as it is wanted. */
export const reachedBy = (entityId: string, state: HaState | undefined, wish: Wish): Reached => {
  const reached = deedFor(entityId, wish.action)?.reached
  if (reached === undefined || state === undefined) return "unknown"
  if (state.state === "unavailable" || state.state === "unknown") return "unknown"
  return reached(state, wish) ? "yes" : "no"
}

const colored = /^(hs|rgb|rgbw|rgbww|xy)$/

const lightWords = ({ brightness, color_mode, color_temp_kelvin, rgb_color }: HaState["attributes"]): string =>
  [
    ...(typeof brightness === "number" ? [`${Math.round(brightness / 2.55)} %`] : []),
    ...(colored.test(String(color_mode)) && Array.isArray(rgb_color)
      ? [`#${rgb_color.map((part) => Number(part).toString(16).padStart(2, "0")).join("")}`]
      : []),
    ...(color_mode === "color_temp" && typeof color_temp_kelvin === "number" ? [`${color_temp_kelvin} K`] : [])
  ].join(", ")

/** The state in a word: `on (40 %)`. */
export const stateWord = (state: HaState | undefined): string => {
  if (state === undefined) return "gone"
  const { attributes: { current_position, percentage, temperature }, entity_id } = state
  const domain = domainOf(entity_id)
  const more = domain === "light" && state.state === "on"
    ? lightWords(state.attributes)
    : domain === "climate" && typeof temperature === "number"
    ? `${temperature} degrees`
    : domain === "cover" && state.state === "open" && typeof current_position === "number" && current_position < 100
    ? `${current_position} %`
    : domain === "fan" && state.state === "on" && typeof percentage === "number"
    ? `${percentage} %`
    : ""
  return more === "" ? state.state : `${state.state} (${more})`
}

const ends: Partial<Record<Action, string>> = {
  on: "on",
  off: "off",
  lock: "locked",
  unlock: "unlocked",
  open: "open",
  close: "closed",
  stop: "stopped",
  arm_home: "armed at home",
  arm_away: "armed",
  arm_night: "armed for the night",
  disarm: "disarmed",
  play: "playing",
  pause: "paused",
  start: "cleaning",
  dock: "on its way home",
  run: "run"
}

/** What is wanted, in a word: `on (30 %)`. */
export const wishWord = ({ action, brightness_pct, color, kelvin, temperature }: Wish): string => {
  const details = [
    ...(brightness_pct === undefined ? [] : [`${brightness_pct} %`]),
    ...(color === undefined ? [] : [color]),
    ...(kelvin === undefined ? [] : [`${kelvin} K`]),
    ...(temperature === undefined ? [] : [`${temperature} degrees`])
  ].join(", ")
  const end = ends[action]
  return end === undefined ? details : details === "" ? end : `${end} (${details})`
}

const nameOf = (directory: Directory, entityId: string): string => directory.byId(entityId)?.name ?? entityId

/** `light.kitchen Kitchen: on → off (no change for light.hall Hall: off already)` */
export const previewOf = (
  bound: Bound,
  states: ReadonlyMap<string, HaState>,
  directory: Directory
): string => {
  const label = (id: string) => `${id} ${nameOf(directory, id)}`
  const same = bound.target.filter((id) => reachedBy(id, states.get(id), bound) === "yes")
  const other = bound.target.filter((id) => !same.includes(id))
  const lines = other.slice(0, 50).map((id) => `${label(id)}: ${stateWord(states.get(id))} → ${wishWord(bound)}`)
  const more = other.length > 50 ? [`and ${other.length - 50} more`] : []
  const already = same.length === 0
    ? ""
    : `no change for ${listed(same.map((id) => `${label(id)}: ${stateWord(states.get(id))} already`), "and", 20)}`
  if (lines.length === 0) return already
  return [...lines, ...more].join("\n") + (already === "" ? "" : ` (${already})`)
}

/**
 * Whether a call has happened, from what the house says now. `since` is when the call can have been made at the earliest, in
 * microseconds by the house's clock: what was not changed since then was not done; what was changed into something else
 * may have been done before, and nobody knows.
 */
export const verdictOf = (
  bound: Bound,
  stateOf: (entityId: string) => HaState | undefined,
  since: number | undefined
): "done" | "not_done" | "unknown" => {
  const found = bound.target.map((id) => reachedBy(id, stateOf(id), bound))
  if (found.includes("unknown")) return "unknown"
  if (found.every((one) => one === "yes")) return "done"
  if (since === undefined) return "unknown"
  const untouched = bound.target.every((id) => {
    const state = stateOf(id)!
    const by = deedFor(id, bound.action)?.by === "attributes" ? state.last_updated : state.last_changed
    return microsOf(by) < since
  })
  return untouched ? "not_done" : "unknown"
}

export interface Change {
  readonly entity_id: string
  readonly from: string
  readonly to: string
}

export const changesBetween = (
  ids: ReadonlyArray<string>,
  before: ReadonlyMap<string, HaState | undefined>,
  stateOf: (entityId: string) => HaState | undefined
): ReadonlyArray<Change> =>
  ids.flatMap((entity_id) => {
    const [from, to] = [stateWord(before.get(entity_id)), stateWord(stateOf(entity_id))]
    return from === to ? [] : [{ entity_id, from, to }]
  })

/** `Kitchen`, or `3 lights in Kitchen`. */
export const thingsIn = (ids: ReadonlyArray<string>, directory: Directory): string => {
  if (ids.length < 3) return listed(ids.map((id) => nameOf(directory, id)))
  const domains = [...new Set(ids.map(domainOf))]
  const areas = [...new Set(ids.map((id) => directory.byId(id)?.area?.name))]
  const what = domains.length === 1 ? kindWord(domains[0]!, ids.length) : "things"
  return `${ids.length} ${what}${areas.length === 1 && areas[0] !== undefined ? ` in ${areas[0]}` : ""}`
}

const capital = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1)

/** What was done, as a reply: `Turned off 3 lights in Kitchen.` */
export const doneWords = (
  bound: Bound,
  changes: ReadonlyArray<Change>,
  stateOf: (entityId: string) => HaState | undefined,
  directory: Directory
): string => {
  const late = bound.target.filter((id) => reachedBy(id, stateOf(id), bound) === "no")
  const detail = wishWord(bound)
  const past = ["dim", "color", "kelvin", "temperature"].includes(bound.action) || bound.brightness_pct !== undefined ||
      bound.color !== undefined || bound.kelvin !== undefined
    ? { verb: bound.action === "dim" ? "Dimmed" : "Set", tail: ` to ${detail}` }
    : { verb: capital(participleOf(bound.action)), tail: "" }
  if (late.length > 0) {
    const says = listed(late.map((id) => `${nameOf(directory, id)} is still ${stateWord(stateOf(id))}`), "and", 3)
    return `Home Assistant was asked and took it: ${
      thingsIn(bound.target, directory)
    } should be ${detail}; so far ${says}.`
  }
  const known = bound.target.every((id) => reachedBy(id, stateOf(id), bound) === "yes")
  if (known && changes.length === 0) {
    const were = bound.target.length === 1 ? "was" : "were"
    return `${capital(thingsIn(bound.target, directory))} ${were} ${detail} already.`
  }
  return `${past.verb} ${thingsIn(bound.target, directory)}${past.tail}.`
}
