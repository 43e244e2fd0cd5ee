/**
 * A value of an event on its way into a template: plain JSON, copied, no longer than the template may become. It is data:
 * braces in it mean nothing.
 */
import { forbiddenKeys } from "../plugin/PlainJson.ts"

/** Longest JSON text of a template, empty or filled, in bytes. */
export const maximumJson = 65_536
const maximumDepth = 64

/** A value in its two forms, each with no less than the bytes that it takes in a JSON text. */
export interface Insertable {
  /** In place of a whole string; `undefined` where nothing is there. */
  readonly whole: unknown
  readonly wholeBytes: number
  /** Among other text. */
  readonly text: string
  readonly textBytes: number
}

const missing: Insertable = { whole: undefined, wholeBytes: 0, text: "", textBytes: 0 }

/** Bounds the bytes of a text without looking at it: a code unit takes six at most, as in `\u0000`. */
const roughBytes = (text: string): number => 6 * text.length

export const insertableOf = (value: unknown): Insertable => {
  if (typeof value === "string") return ofText(value)
  if (typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value))) {
    const text = String(value)
    return { whole: value, wholeBytes: text.length, text, textBytes: text.length }
  }
  if (value === null) return { whole: null, wholeBytes: 4, text: "", textBytes: 0 }
  if (typeof value !== "object") return missing
  try {
    if (value instanceof Date) return ofText(value.toISOString())
    const budget = { left: maximumJson }
    const whole = copy(value, 1, budget)
    const text = JSON.stringify(whole)
    return { whole, wholeBytes: maximumJson - budget.left, text, textBytes: roughBytes(text) }
  } catch {
    return missing
  }
}

const ofText = (text: string): Insertable => {
  const bytes = roughBytes(text)
  return { whole: text, wholeBytes: bytes, text, textBytes: bytes }
}

const tooLong = new Error("too long or too deep")

/** Throws where it would be too long or too deep; keys that reach a prototype and what is not JSON are left out. */
const copy = (value: unknown, depth: number, budget: { left: number }): unknown => {
  const spend = (bytes: number) => {
    budget.left -= bytes
    if (budget.left < 0) throw tooLong
  }
  switch (typeof value) {
    case "string":
      spend(value.length + 2)
      spend(textBytes(value) - value.length)
      return value
    case "number":
      spend(Number.isFinite(value) ? String(value).length : 4)
      return Number.isFinite(value) ? value : null
    case "boolean":
      spend(5)
      return value
    case "object":
      break
    default:
      return undefined
  }
  spend(value === null ? 4 : 2)
  if (value === null) return null
  if (depth > maximumDepth) throw tooLong
  if (value instanceof Date) return copy(value.toISOString(), depth, budget)
  if (Array.isArray(value)) {
    return value.map((item) => {
      spend(1)
      const copied = copy(item, depth + 1, budget)
      if (copied === undefined) spend(4)
      return copied ?? null
    })
  }
  const out: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined || forbiddenKeys.has(key)) continue
    spend(textBytes(key) + 4)
    const copied = copy(item, depth + 1, budget)
    if (copied !== undefined) out[key] = copied
  }
  return out
}

/** What a text takes in a JSON text, without its quotes. */
const textBytes = (text: string): number => Buffer.byteLength(JSON.stringify(text)) - 2

/** The value with its exact bytes; a text of which the length alone is too much is not looked at. */
export const measured = (value: Insertable): Insertable => {
  const bytes = value.text.length > maximumJson ? value.text.length : textBytes(value.text)
  return {
    ...value,
    textBytes: bytes,
    wholeBytes: typeof value.whole === "string" ? bytes : value.wholeBytes
  }
}

/** The value in no more than `cap` bytes: a text is cut, and ends in `…`; anything else is missing. */
export const cut = (value: Insertable, cap: number): Insertable => {
  const text = value.textBytes <= cap ? value.text : cutText(value.text, cap)
  return {
    ...value,
    text,
    whole: typeof value.whole === "string" ? text : value.wholeBytes <= cap ? value.whole : undefined
  }
}

const mark = "…"
const markBytes = Buffer.byteLength(mark)

const cutText = (text: string, cap: number): string => {
  let left = cap - markBytes
  if (left < 0) return ""
  let end = 0
  while (end < text.length) {
    const character = text.codePointAt(end) ?? 0
    left -= bytesOf(character)
    if (left < 0) break
    end += character > 0xffff ? 2 : 1
  }
  return text.slice(0, end) + mark
}

/** Of one character in a JSON text. */
const bytesOf = (character: number): number => {
  if (character === 0x22 || character === 0x5c) return 2
  if (character < 0x20) return "\b\t\n\f\r".includes(String.fromCharCode(character)) ? 2 : 6
  if (character >= 0xd800 && character <= 0xdfff) return 6
  return character < 0x80 ? 1 : character < 0x800 ? 2 : character <= 0xffff ? 3 : 4
}
