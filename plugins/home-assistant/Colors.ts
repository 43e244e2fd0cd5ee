/**
 * Colours by name, or as `#ff8800`.
 */

const named: Readonly<Record<string, string>> = {
  red: "#ff0000",
  green: "#00ff00",
  blue: "#0000ff",
  white: "#ffffff",
  yellow: "#ffff00",
  orange: "#ff8000",
  amber: "#ffbf00",
  gold: "#ffd700",
  purple: "#8000ff",
  violet: "#ee82ee",
  indigo: "#4b0082",
  pink: "#ff69b4",
  magenta: "#ff00ff",
  crimson: "#dc143c",
  cyan: "#00ffff",
  turquoise: "#40e0d0",
  teal: "#008080",
  lime: "#80ff00",
  lavender: "#b57edc",
  salmon: "#fa8072",
  coral: "#ff7f50"
}

/** Whites have a temperature and no colour. */
const whites: Readonly<Record<string, number>> = {
  "warm white": 2_700,
  "soft white": 3_000,
  "neutral white": 4_000,
  "cool white": 5_000,
  "cold white": 6_000,
  "daylight": 6_500
}

export const colorNames: ReadonlyArray<string> = Object.keys(named)
export const whiteNames: ReadonlyArray<string> = Object.keys(whites)

const plainly = (color: string): string => color.trim().toLowerCase().replace(/[\s_-]+/g, " ")

export const whiteOf = (color: string): number | undefined => {
  const text = plainly(color)
  return Object.hasOwn(whites, text) ? whites[text] : undefined
}

/** `#rrggbb` in lower case, or the name; nothing for what is no colour that is known here. */
export const colorOf = (color: string): string | undefined => {
  const text = plainly(color)
  if (Object.hasOwn(named, text)) return text
  if (/^#[0-9a-f]{6}$/.test(text)) return text
  return /^#[0-9a-f]{3}$/.test(text) ? `#${text.slice(1).replaceAll(/./g, "$&$&")}` : undefined
}

export const rgbOf = (color: string): readonly [number, number, number] | undefined => {
  const known = colorOf(color)
  if (known === undefined) return undefined
  const hex = Number.parseInt((named[known] ?? known).slice(1), 16)
  return [hex >> 16, (hex >> 8) & 255, hex & 255]
}
