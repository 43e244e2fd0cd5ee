/**
 * What a light makes of `turn_on`: brightness, colour, temperature, as far as the light can.
 */
import { type Fields, anything, colour, number, text } from "./Fields.ts"
import type { Attributes, State } from "./Types.ts"

const names: Readonly<Record<string, readonly [number, number, number]>> = {
  red: [255, 0, 0],
  green: [0, 128, 0],
  blue: [0, 0, 255],
  yellow: [255, 255, 0],
  orange: [255, 165, 0],
  purple: [128, 0, 128],
  violet: [238, 130, 238],
  pink: [255, 192, 203],
  magenta: [255, 0, 255],
  cyan: [0, 255, 255],
  turquoise: [64, 224, 208],
  lime: [0, 255, 0],
  gold: [255, 215, 0],
  beige: [245, 245, 220],
  brown: [165, 42, 42],
  indigo: [75, 0, 130],
  white: [255, 255, 255]
}

export const lightFields: Fields = {
  brightness: number(0, 255),
  brightness_pct: number(0, 100),
  brightness_step: number(-255, 255),
  brightness_step_pct: number(-100, 100),
  rgb_color: colour,
  hs_color: anything,
  color_name: text,
  color_temp_kelvin: number(1, 100_000),
  transition: number(0, 6_553),
  flash: text,
  effect: text
}

const hsOf = ([red, green, blue]: ReadonlyArray<number>): readonly [number, number] => {
  const [r, g, b] = [(red ?? 0) / 255, (green ?? 0) / 255, (blue ?? 0) / 255]
  const most = Math.max(r, g, b)
  const range = most - Math.min(r, g, b)
  if (range === 0) return [0, 0]
  const sixth = most === r ? ((g - b) / range + 6) % 6 : most === g ? (b - r) / range + 2 : (r - g) / range + 4
  return [Number((sixth * 60).toFixed(3)), Number((range / most * 100).toFixed(3))]
}

const rgbOf = ([hue, saturation]: ReadonlyArray<number>): ReadonlyArray<number> => {
  const part = (n: number): number => {
    const k = (n + (hue ?? 0) / 60) % 6
    return Math.round(255 * (1 - (saturation ?? 0) / 100 * Math.max(0, Math.min(k, 4 - k, 1))))
  }
  return [part(5), part(3), part(1)]
}

const lit = (state: State, data: Attributes): number => {
  const now = state.state === "on" ? Number(state.attributes["brightness"] ?? 255) : 0
  const bounded = (value: number): number => Math.round(Math.min(255, Math.max(0, value)))
  if (data["brightness"] !== undefined) return bounded(Number(data["brightness"]))
  if (data["brightness_pct"] !== undefined) return bounded(Number(data["brightness_pct"]) * 2.55)
  if (data["brightness_step"] !== undefined) return bounded(now + Number(data["brightness_step"]))
  if (data["brightness_step_pct"] !== undefined) return bounded(now + Number(data["brightness_step_pct"]) * 2.55)
  return now === 0 ? 255 : now
}

const known = (name: unknown) => typeof name === "string" ? names[name.replaceAll(" ", "")] : undefined

const shade = (state: State, data: Attributes): Attributes => {
  const modes = state.attributes["supported_color_modes"]
  const can = (mode: string): boolean => Array.isArray(modes) && modes.includes(mode)
  const kelvin = data["color_temp_kelvin"]
  if (kelvin !== undefined && can("color_temp")) {
    const [min, max] = [state.attributes["min_color_temp_kelvin"], state.attributes["max_color_temp_kelvin"]]
    const color_temp_kelvin = Math.min(Number(max), Math.max(Number(min), Number(kelvin)))
    return { color_mode: "color_temp", color_temp_kelvin, hs_color: null, rgb_color: null }
  }
  const name = data["color_name"]
  const given = name === undefined ? data["rgb_color"] : known(name) ?? names["white"]
  const hs = data["hs_color"] as ReadonlyArray<number> | undefined
  const rgb = given as ReadonlyArray<number> | undefined ?? (hs === undefined ? undefined : rgbOf(hs))
  if (rgb !== undefined && can("hs")) {
    return { color_mode: "hs", color_temp_kelvin: null, hs_color: hs ?? hsOf(rgb), rgb_color: rgb }
  }
  return { color_mode: state.attributes["color_mode"] ?? (can("hs") ? "hs" : "brightness") }
}

export const darkness = (state: State): Attributes => {
  const lost = ["brightness", "color_mode", "color_temp_kelvin", "hs_color", "rgb_color"]
  return Object.fromEntries(lost.filter((name) => name in state.attributes).map((name) => [name, null]))
}

/** Brightness 0 is off, as in HA. What a light can't do is left out. */
export const turnedOn = (state: State, data: Attributes): readonly ["on" | "off", Attributes] => {
  const brightness = lit(state, data)
  return brightness === 0 ? ["off", darkness(state)] : ["on", { brightness, ...shade(state, data) }]
}
