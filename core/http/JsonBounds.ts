/**
 * Looks over JSON text before it is parsed: `JSON.parse` takes a depth of a million and builds every object.
 *
 * One pass, no allocation for ordinary text. What it counts is exact for valid JSON, and never less than what
 * `JSON.parse` would reach before it meets a mistake. Keys are compared after their escapes are read.
 */
import { forbiddenKeys, isText } from "../plugin/PlainJson.ts"

export const maximumDepth = 64
export const maximumKeys = 10_000

export type Bounds =
  | { readonly ok: true; /** NUL or a lone surrogate is in some string. */ readonly badText: boolean }
  | { readonly ok: false; readonly reason: "too_deep" | "too_many_keys" }
  | { readonly ok: false; readonly reason: "forbidden_key"; readonly key: string }

const fine: Bounds = { ok: true, badText: false }
const fineButText: Bounds = { ok: true, badText: true }

const quote = 34, backslash = 92, open = 123, close = 125, openList = 91, closeList = 93, colon = 58

const unit = (text: string, at: number): number => {
  const digits = text.slice(at, at + 4)
  return /^[0-9a-fA-F]{4}$/.test(digits) ? Number.parseInt(digits, 16) : -1
}

/** Whether the escapes of a string stand for NUL or a lone surrogate. Raw ones can't be: the text came from UTF-8. */
const hasBadText = (text: string, from: number, to: number): boolean => {
  for (let i = text.indexOf("\\", from); i !== -1 && i < to; i = text.indexOf("\\", i)) {
    if (text[i + 1] !== "u") {
      i += 2
      continue
    }
    const code = unit(text, i + 2)
    i += 6
    if (code === 0) return true
    if (code < 0xd800 || code > 0xdfff) continue
    if (code > 0xdbff || text[i] !== "\\" || text[i + 1] !== "u") return true
    const low = unit(text, i + 2)
    if (low < 0xdc00 || low > 0xdfff) return true
    i += 6
  }
  return false
}

const readKey = (text: string, from: number, to: number, escaped: boolean): string => {
  const raw = text.slice(from, to)
  if (!escaped) return raw
  try {
    return JSON.parse(`"${raw}"`) as string
  } catch {
    return raw
  }
}

/** The longest forbidden key if every character of it is written as an escape. */
const longestKey = 11 * 6

export const checkJson = (text: string): Bounds => {
  let depth = 0
  let keys = 0
  let badText = false
  // The last string that was read, which is a key if a colon follows.
  let from = 0
  let to = 0
  let escaped = false
  const length = text.length
  for (let i = 0; i < length; i++) {
    switch (text.charCodeAt(i)) {
      case quote: {
        from = ++i
        escaped = false
        for (; i < length; i++) {
          const code = text.charCodeAt(i)
          if (code === quote) break
          if (code === backslash) {
            escaped = true
            i++
          }
        }
        to = i
        if (escaped && !badText) badText = hasBadText(text, from, to)
        break
      }
      case open:
      case openList:
        if (++depth > maximumDepth) return { ok: false, reason: "too_deep" }
        break
      case close:
      case closeList:
        depth--
        break
      case colon:
        if (++keys > maximumKeys) return { ok: false, reason: "too_many_keys" }
        if (to - from >= 9 && to - from <= longestKey) {
          const key = readKey(text, from, to, escaped)
          if (forbiddenKeys.has(key)) return { ok: false, reason: "forbidden_key", key }
        }
        break
    }
  }
  return badText ? fineButText : fine
}

/** The path of the first string (value or key) that holds NUL or a lone surrogate. */
export const findBadText = (value: unknown, path = ""): string | undefined => {
  if (typeof value === "string") return isText(value) ? undefined : path || "body"
  if (typeof value !== "object" || value === null) return undefined
  for (const [key, member] of Object.entries(value)) {
    if (!isText(key)) return `a key of ${path || "the body"}`
    const at = Array.isArray(value) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`
    const found = findBadText(member, at)
    if (found !== undefined) return found
  }
  return undefined
}
