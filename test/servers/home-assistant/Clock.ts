/**
 * Times and identifiers as Home Assistant writes them: ISO 8601 with microseconds, ULIDs for contexts.
 */
import { randomBytes } from "node:crypto"
import type { Context } from "./Types.ts"

let last = 0

/** Microseconds since 1970; no two are the same. */
export const micros = (): number => {
  last = Math.max(last + 1, Math.round((performance.timeOrigin + performance.now()) * 1_000))
  return last
}

/** As Python has it: without a fraction where it is 0. */
export const isoOf = (at: number): string => {
  const fraction = at % 1_000_000
  const seconds = new Date(Math.floor(at / 1_000_000) * 1_000).toISOString().slice(0, 19)
  return `${seconds}${fraction === 0 ? "" : `.${String(fraction).padStart(6, "0")}`}+00:00`
}

export const now = (): string => isoOf(micros())

/** Seconds since 1970 with a fraction, as the compressed states have them. */
export const secondsOf = (iso: string): number => {
  const [whole = "", fraction = ""] = iso.replace("+00:00", "").split(".")
  return Date.parse(`${whole}Z`) / 1_000 + Number(`0.${fraction || "0"}`)
}

const letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

const ulid = (): string => {
  let time = Date.now()
  let text = ""
  for (let place = 0; place < 10; place++) {
    text = letters[time % 32] + text
    time = Math.floor(time / 32)
  }
  for (const byte of randomBytes(16)) text += letters[byte % 32]
  return text
}

export const newContext = (user_id: string | null = null, parent_id: string | null = null): Context => ({
  id: ulid(),
  parent_id,
  user_id
})
