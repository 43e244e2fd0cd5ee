/**
 * What a payload says: JSON where it is JSON within bounds that are checked on the text before any object is built; else its
 * text; else base64. Never refuses.
 */

/** Longest payload that becomes an event. */
export const maximumPayload = 262_144
/** Longest text that an event takes. */
const maximumText = 65_536
const maximumDepth = 32
const maximumKeys = 10_000
const forbidden = new Set(["__proto__", "constructor", "prototype"])

type Json = null | number | boolean | string | ReadonlyArray<Json> | { readonly [key: string]: Json }

export interface Payload {
  readonly format: "json" | "text" | "base64"
  readonly payload: Json
}

export const readPayload = (bytes: Buffer): Payload => {
  const text = textOf(bytes)
  if (text === undefined) return { format: "base64", payload: bytes.toString("base64") }
  const json = jsonOf(text)
  return json === undefined ? { format: "text", payload: text } : { format: "json", payload: json.value }
}

/** The words in it, where a person wrote it: all of it, a JSON string, or the field `text` of an object. */
export const wordsOf = ({ payload }: Payload): string | undefined => {
  const words = typeof payload === "object" && payload !== null && "text" in payload ? payload.text : payload
  return typeof words !== "string" || words.trim() === "" || words.length > maximumText ? undefined : words
}

const textOf = (bytes: Buffer): string | undefined => {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
    return text.includes("\0") ? undefined : text
  } catch {
    return undefined
  }
}

const jsonOf = (text: string): { readonly value: Json } | undefined => {
  let [depth, deepest, keys] = [0, 0, 0]
  for (let i = 0; i < text.length; i++) {
    const char = text[i]
    if (char === "\"") { for (i++; i < text.length && text[i] !== "\""; i++) if (text[i] === "\\") i++ }
    else if (char === "{" || char === "[") deepest = Math.max(deepest, ++depth)
    else if (char === "}" || char === "]") depth--
    else if (char === ":" || char === ",") keys++
  }
  if (deepest > maximumDepth || keys > maximumKeys) return undefined
  try {
    return {
      value: JSON.parse(text, (key, value: unknown) => {
        if (forbidden.has(key) || !storable(key) || (typeof value === "string" && !storable(value))) {
          throw new Error(key)
        }
        // 1e999 is Infinity, which JSON can't carry on.
        if (typeof value === "number" && !Number.isFinite(value)) throw new Error(key)
        return value
      }) as Json
    }
  } catch {
    return undefined
  }
}

/** The database keeps neither NUL nor half a character. */
const storable = (text: string): boolean => text.isWellFormed() && !text.includes("\0")
