/**
 * Reads JSON text from a model or its server: depth and keys are counted before anything is built.
 */
import { NotPlainJson, toPlainJson } from "../plugin/PlainJson.ts"

const maximumDepth = 64
const maximumKeys = 10_000

export type Parsed =
  | { readonly ok: true; readonly value: unknown }
  /** What is wrong, without its subject: `is not JSON`. */
  | { readonly ok: false; readonly problem: string }

/** What `JSON.parse` makes of a text, if it is neither deeper than 64 levels nor has more than 10 000 keys, or so many. */
export const parseJson = (text: string, most = maximumKeys): Parsed => {
  const excess = excessOf(text, most)
  if (excess !== undefined) return { ok: false, problem: excess }
  try {
    return { ok: true, value: JSON.parse(text) as unknown }
  } catch {
    return { ok: false, problem: "is not valid JSON" }
  }
}

/** The same as fresh objects; a key that reaches a prototype, and text that can't be kept, are refused. */
export const parsePlainJson = (text: string): Parsed => {
  const parsed = parseJson(text)
  if (!parsed.ok) return parsed
  try {
    return { ok: true, value: toPlainJson(parsed.value) }
  } catch (error) {
    if (error instanceof NotPlainJson) return { ok: false, problem: error.message }
    throw error
  }
}

const quote = 34, backslash = 92, open = 123, close = 125, openList = 91, closeList = 93, colon = 58

/** One pass; exact for valid JSON, and never less than what a parser reaches before it meets a mistake. */
const excessOf = (text: string, most: number): string | undefined => {
  let depth = 0
  let keys = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case quote:
        for (i++; i < text.length; i++) {
          const code = text.charCodeAt(i)
          if (code === quote) break
          if (code === backslash) i++
        }
        break
      case open:
      case openList:
        if (++depth > maximumDepth) return `is nested deeper than ${maximumDepth} levels`
        break
      case close:
      case closeList:
        depth--
        break
      case colon:
        if (++keys > most) return `has more than ${most} keys`
    }
  }
  return undefined
}

/** The value as an object with keys, or nothing. */
export const asRecord = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Readonly<Record<string, unknown>>
    : undefined
