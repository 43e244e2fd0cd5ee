/**
 * From what was said to what will be done: entity ids in place of names, and one action that says what comes of it.
 * Of what it gave back it makes the same again.
 */
import { ToolRefused } from "syris"
import { type Action, deedOf, inability, meantBy, toggled, type Wish } from "./Actions.ts"
import { colorNames, colorOf, whiteOf } from "./Colors.ts"
import type { Directory, Thing } from "./Directory.ts"
import { findThings } from "./Targets.ts"
import { listed } from "./Words.ts"
import type { HaState } from "./Wire.ts"

/** What is said: names and all. */
export interface Said extends Wish {
  readonly target: string | ReadonlyArray<string>
}

/** What will be done, and to what. */
export interface Bound extends Wish {
  readonly target: ReadonlyArray<string>
}

/** What the binding looks at. */
export interface View {
  readonly directory: () => Directory
  readonly states: ReadonlyMap<string, HaState>
}

const participles: Readonly<Record<Action, string>> = {
  on: "turned on",
  off: "turned off",
  toggle: "toggled",
  dim: "dimmed",
  color: "coloured",
  kelvin: "made warmer or colder white",
  temperature: "set to a temperature",
  lock: "locked",
  unlock: "unlocked",
  open: "opened",
  close: "closed",
  stop: "stopped",
  arm: "armed",
  arm_home: "armed",
  arm_away: "armed",
  arm_night: "armed",
  disarm: "disarmed",
  play: "played",
  pause: "paused",
  start: "started",
  dock: "sent home",
  run: "run"
}
export const participleOf = (action: Action): string => participles[action]

/** `LockEntityFeature.OPEN`, in Home Assistant. */
const unlatches = (state: HaState | undefined): boolean =>
  (Number(state?.attributes["supported_features"] ?? 0) & 1) === 1

const canDo = (action: Action, thing: Thing, state: HaState | undefined): boolean => {
  if (action === "toggle") {
    return state !== undefined && ["on", "lock", "open"].some((one) => deedOf(thing.domain, one as Action))
  }
  if (action === "open" && thing.domain === "lock") return unlatches(state)
  return deedOf(thing.domain, action) !== undefined
}

/** The wish in one way of saying it, where there are several; and complete. */
const plainWish = ({ action, brightness_pct, color, kelvin, temperature }: Wish): Wish => {
  const white = color === undefined ? undefined : whiteOf(color)
  const known = color === undefined || white !== undefined ? undefined : colorOf(color)
  if (color !== undefined && white === undefined && known === undefined) {
    throw new ToolRefused(
      `"${color.slice(0, 40)}" is no colour that is known here: say one of ${
        listed(colorNames, "or", 30)
      }, or as in #ff8800.`
    )
  }
  const warm = white ?? kelvin
  const dimmed = brightness_pct === undefined ? {} : { brightness_pct }
  const tinted = warm !== undefined ? { kelvin: warm } : known !== undefined ? { color: known } : {}
  switch (action) {
    case "arm":
      return { action: "arm_away" }
    case "dim":
      if (brightness_pct === undefined) throw new ToolRefused("Dim it to how much? Give brightness_pct, 0 to 100.")
      return { action, brightness_pct, ...tinted }
    case "color":
    case "kelvin":
      if (known === undefined && warm === undefined) {
        throw new ToolRefused("Which colour? Give color, or kelvin for a white.")
      }
      return { action: warm === undefined ? "color" : "kelvin", ...tinted, ...dimmed }
    case "temperature":
      if (temperature === undefined) throw new ToolRefused("To how many degrees? Give temperature.")
      return { action, temperature }
    case "on":
      return { action, ...dimmed, ...tinted }
    default:
      return { action }
  }
}

/** One action for all: what a toggle makes of them, where they agree. */
const untoggled = (things: ReadonlyArray<Thing>, states: ReadonlyMap<string, HaState>): Action => {
  const made = Map.groupBy(things, ({ entity_id }) => toggled(states.get(entity_id)!))
  const [[action] = [undefined]] = made
  if (made.size === 1 && action !== undefined) return action
  const names = (of: Action | undefined) => listed((made.get(of) ?? []).map(({ name }) => name))
  if (made.has(undefined)) {
    throw new ToolRefused(`It can't be told what ${names(undefined)} would be toggled to: say on or off.`)
  }
  throw new ToolRefused(
    `They are not all in the same state (${
      [...made.keys()].map((one) => `${names(one)} would be ${participleOf(one!)}`).join("; ")
    }): say on or off.`
  )
}

export const bindControl = (said: Said, { directory, states }: View): Bound => {
  const stateOf = (id: string): HaState | undefined => states.get(id)
  const wish = plainWish(said)
  const things = findThings(said.target, {
    directory: directory(),
    stateOf,
    can: (thing) => canDo(wish.action, thing, stateOf(thing.entity_id)),
    meant: meantBy(wish.action),
    done: participleOf(wish.action)
  })
  if (things.length === 0) throw new ToolRefused("Say what is meant: a name, an area, or an entity id.")
  const away = things.filter(({ entity_id }) => stateOf(entity_id)?.state === "unavailable")
  if (away.length > 0) {
    const [one] = away
    throw new ToolRefused(
      away.length === 1
        ? `${one!.name} (${one!.entity_id}) is not available in Home Assistant: is it without power or out of reach?`
        : `${listed(away.map(({ name }) => name))} are not available in Home Assistant.`
    )
  }
  for (const { domain, entity_id, name } of things) {
    const why = inability(stateOf(entity_id)!, wish, domain)
    if (why !== undefined) throw new ToolRefused(`${name} (${entity_id}) ${why}.`)
  }
  const dark = wish.action === "dim" && wish.brightness_pct === 0 && things.every(({ domain }) => domain !== "cover")
  if (dark) return { target: things.map(({ entity_id }) => entity_id), action: "off" }
  const action = wish.action === "toggle" ? untoggled(things, states) : wish.action
  return { target: things.map(({ entity_id }) => entity_id), ...wish, action }
}
