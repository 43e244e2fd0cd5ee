/**
 * What can be done to which kind of thing: the service that does it, and the state that it leads to.
 */
import { rgbOf } from "./Colors.ts"
import type { HaState } from "./Wire.ts"
import { domainOf } from "./Wire.ts"

export const actions = [
  "on",
  "off",
  "toggle",
  "dim",
  "color",
  "kelvin",
  "temperature",
  "lock",
  "unlock",
  "open",
  "close",
  "stop",
  "arm",
  "arm_home",
  "arm_away",
  "arm_night",
  "disarm",
  "play",
  "pause",
  "start",
  "dock",
  "run"
] as const
export type Action = (typeof actions)[number]

/** What is wanted, whichever things it is wanted of. */
export interface Wish {
  readonly action: Action
  readonly brightness_pct?: number
  readonly color?: string
  readonly kelvin?: number
  readonly temperature?: number
}

export interface Deed {
  readonly service: string
  readonly data?: (wish: Wish) => Readonly<Record<string, unknown>>
  /** Whether a state is what was wanted; nobody can tell where it is not given. */
  readonly reached?: (state: HaState, wish: Wish) => boolean
  /** By what a change of it is known: default its state. */
  readonly by?: "attributes"
}

const to = (...states: ReadonlyArray<string>) => ({ state }: HaState): boolean => states.includes(state)
const notTo = (...states: ReadonlyArray<string>) => ({ state }: HaState): boolean =>
  !states.includes(state) && state !== "unavailable" && state !== "unknown"
const near = (value: unknown, wanted: number | undefined, by: number): boolean =>
  typeof value === "number" && wanted !== undefined && Math.abs(value - wanted) <= by

const on: Deed = { service: "turn_on", reached: to("on") }
const off: Deed = { service: "turn_off", reached: to("off") }
const onOff = { on, off }

const lightData = ({ brightness_pct, color, kelvin }: Wish): Readonly<Record<string, unknown>> => ({
  ...(brightness_pct === undefined ? {} : { brightness_pct }),
  ...(color === undefined ? {} : { rgb_color: rgbOf(color) }),
  ...(kelvin === undefined ? {} : { color_temp_kelvin: kelvin })
})

/** As near as what lamps make of a colour: the hue counts, and how much of it. */
const sameColor = (shown: unknown, wanted: ReadonlyArray<number> | undefined): boolean => {
  if (!Array.isArray(shown) || shown.length !== 3 || wanted === undefined) return false
  const strongest = (rgb: ReadonlyArray<unknown>) => Math.max(1, ...rgb.map(Number))
  return wanted.every((part, i) => Math.abs(part / strongest(wanted) - Number(shown[i]) / strongest(shown)) < 0.2)
}

const lit: NonNullable<Deed["reached"]> = ({ attributes, state }, { brightness_pct, color, kelvin }) =>
  state === "on" &&
  (brightness_pct === undefined || near(attributes["brightness"], brightness_pct * 2.55, 5)) &&
  (color === undefined || sameColor(attributes["rgb_color"], rgbOf(color))) &&
  (kelvin === undefined || near(attributes["color_temp_kelvin"], kelvin, kelvin * 0.03))

const light: Deed = { service: "turn_on", data: lightData, reached: lit, by: "attributes" }
const warmth: Deed = {
  service: "set_temperature",
  data: ({ temperature }) => ({ temperature }),
  reached: ({ attributes }, { temperature }) => near(attributes["temperature"], temperature, 0.25),
  by: "attributes"
}
const percent = (service: string, field: string, shown: string): Deed => ({
  service,
  data: ({ brightness_pct }) => ({ [field]: brightness_pct }),
  reached: ({ attributes }, { brightness_pct }) => near(attributes[shown], brightness_pct, 3),
  by: "attributes"
})
const opening: Deed["reached"] = to("open", "opening")
const closing: Deed["reached"] = to("closed", "closing")
const arming = (mode: string): Deed => ({ service: `alarm_arm_${mode}`, reached: to(`armed_${mode}`, "arming") })

const deeds: Readonly<Record<string, Partial<Record<Action, Deed>>>> = {
  light: { on: light, off, dim: light, color: light, kelvin: light },
  switch: onOff,
  input_boolean: onOff,
  siren: onOff,
  humidifier: onOff,
  fan: { ...onOff, dim: percent("set_percentage", "percentage", "percentage") },
  lock: {
    lock: { service: "lock", reached: to("locked", "locking") },
    unlock: { service: "unlock", reached: to("unlocked", "unlocking", "open", "opening") },
    open: { service: "open", reached: opening }
  },
  cover: {
    open: { service: "open_cover", reached: opening },
    close: { service: "close_cover", reached: closing },
    stop: { service: "stop_cover", reached: notTo("opening", "closing") },
    dim: percent("set_cover_position", "position", "current_position")
  },
  valve: {
    open: { service: "open_valve", reached: opening },
    close: { service: "close_valve", reached: closing }
  },
  climate: { on: { service: "turn_on", reached: notTo("off") }, off, temperature: warmth },
  water_heater: { on: { service: "turn_on", reached: notTo("off") }, off, temperature: warmth },
  media_player: {
    on: { service: "turn_on", reached: notTo("off", "standby") },
    off: { service: "turn_off", reached: to("off", "standby") },
    play: { service: "media_play", reached: to("playing", "buffering") },
    pause: { service: "media_pause", reached: to("paused", "idle", "off", "standby") },
    stop: { service: "media_stop", reached: to("idle", "off", "standby") }
  },
  scene: { on: { service: "turn_on" }, run: { service: "turn_on" } },
  script: { on: { service: "turn_on" }, run: { service: "turn_on" }, off },
  vacuum: {
    on: { service: "start", reached: to("cleaning") },
    start: { service: "start", reached: to("cleaning") },
    pause: { service: "pause", reached: to("paused", "idle") },
    stop: { service: "stop", reached: to("idle", "docked", "paused") },
    off: { service: "return_to_base", reached: to("returning", "docked") },
    dock: { service: "return_to_base", reached: to("returning", "docked") }
  },
  alarm_control_panel: {
    arm: arming("away"),
    arm_home: arming("home"),
    arm_away: arming("away"),
    arm_night: arming("night"),
    disarm: { service: "alarm_disarm", reached: to("disarmed") }
  }
}

/** How a domain does it; nothing where it can't. A `toggle` is one of on, off, lock, unlock, open and close by the time. */
export const deedOf = (domain: string, action: Action): Deed | undefined =>
  Object.hasOwn(deeds, domain) ? deeds[domain]![action] : undefined

export const isControlled = (domain: string): boolean => Object.hasOwn(deeds, domain)

/** What a toggle makes of a state, by the domain; nothing where it can't be told. */
export const toggled = ({ entity_id, state }: HaState): Action | undefined => {
  switch (domainOf(entity_id)) {
    case "lock":
      return state === "locked" ? "unlock" : state === "unlocked" ? "lock" : undefined
    case "cover":
    case "valve":
      return state === "closed" ? "open" : state === "open" ? "close" : undefined
    case "light":
    case "switch":
    case "fan":
    case "input_boolean":
    case "siren":
    case "humidifier":
      return state === "on" ? "off" : state === "off" ? "on" : undefined
    case "media_player":
      return state === "off" || state === "standby"
        ? "on"
        : notTo()({ entity_id, state } as HaState)
        ? "off"
        : undefined
    default:
      return undefined
  }
}

/** Domains that an action means where only a place is named: "turn off the kitchen" is about its lights. */
export const meantBy = (action: Action): ReadonlyArray<string> => {
  switch (action) {
    case "on":
    case "off":
    case "toggle":
    case "dim":
    case "color":
    case "kelvin":
      return ["light"]
    case "temperature":
      return ["climate"]
    case "lock":
    case "unlock":
      return ["lock"]
    case "open":
    case "close":
    case "stop":
      return ["cover"]
    case "play":
    case "pause":
      return ["media_player"]
    case "start":
    case "dock":
      return ["vacuum"]
    case "run":
      return ["scene", "script"]
    default:
      return ["alarm_control_panel"]
  }
}

/** Why a thing that is of the right kind can't do it all the same, as the end of a sentence. */
export const inability = (
  { attributes }: HaState,
  { action, brightness_pct, color, kelvin, temperature }: Wish,
  domain: string
) => {
  const modes = attributes["supported_color_modes"]
  if (domain === "light" && Array.isArray(modes)) {
    if (brightness_pct !== undefined && modes.every((mode) => mode === "onoff")) return "can't be dimmed"
    if (color !== undefined && !modes.some((mode) => /^(hs|rgb|rgbw|rgbww|xy)$/.test(String(mode)))) {
      return "has no colours"
    }
    if (kelvin !== undefined && !modes.some((mode) => /^(color_temp|rgbww)$/.test(String(mode)))) {
      return "has one white only"
    }
  }
  if (temperature !== undefined && action === "temperature") {
    const { max_temp, min_temp } = attributes
    if (typeof min_temp === "number" && temperature < min_temp) return `takes ${min_temp} degrees at least`
    if (typeof max_temp === "number" && temperature > max_temp) return `takes ${max_temp} degrees at most`
  }
  return undefined
}
