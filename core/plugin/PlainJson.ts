/**
 * What may cross the boundary of a tool: plain JSON, bounded, copied into fresh objects.
 */

/** Longest JSON text of an input or output, in bytes. */
const maximumJsonBytes = 1_048_576
/** Deepest nesting of an input or output. */
const maximumJsonDepth = 64

/** Keys that reach a prototype in careless code, wherever the value goes later. */
export const forbiddenKeys: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"])

/** What is not plain JSON, as a sentence without its subject: `has a Date at "when"`. */
export class NotPlainJson extends Error {}

/**
 * Copies a value as JSON would have it: keys with `undefined` are left out, anything else that JSON can't carry, a
 * cycle, too much depth and keys that reach an object's prototype throw `NotPlainJson`.
 */
export const toPlainJson = (value: unknown): unknown => copy(value, 1, "", { left: maximumJsonBytes / 2 })

/** The JSON text is longer than a boundary takes. */
export const isTooLong = (json: unknown): boolean => {
  const text = JSON.stringify(json)
  return text.length > maximumJsonBytes ||
    (text.length * 3 > maximumJsonBytes && Buffer.byteLength(text) > maximumJsonBytes)
}

/** `budget` ends a copy that could only become too long, such as one of parts that are shared many times. */
const copy = (value: unknown, depth: number, path: string, budget: { left: number }): unknown => {
  if (budget.left-- < 0) throw new NotPlainJson("is longer than 1 MiB")
  switch (typeof value) {
    case "string":
      if (isText(value)) return value
      throw new NotPlainJson(`has a NUL or half a character${at(path)}, which can't be kept`)
    case "boolean":
      return value
    case "number":
      if (Number.isFinite(value)) return value
      throw new NotPlainJson(`has the number ${value}${at(path)}, which JSON can't carry`)
    case "object":
      break
    default:
      throw new NotPlainJson(`has a ${typeof value}${at(path)}, which JSON can't carry`)
  }
  if (value === null) return null
  if (depth > maximumJsonDepth) {
    throw new NotPlainJson(`is nested deeper than ${maximumJsonDepth} levels, or in a circle`)
  }
  if (Array.isArray(value)) {
    return value.map((item, i) => item === undefined ? null : copy(item, depth + 1, `${path}[${i}]`, budget))
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw new NotPlainJson(`has a ${value.constructor?.name ?? "class instance"}${at(path)}, which is not plain JSON`)
  }
  const result: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue
    if (!isText(key)) throw new NotPlainJson(`has a NUL or half a character in a key${at(path)}, which can't be kept`)
    if (forbiddenKeys.has(key)) {
      throw new NotPlainJson(`has the key ${JSON.stringify(key)}${at(path)}, which is not allowed`)
    }
    result[key] = copy(item, depth + 1, path === "" ? key : `${path}.${key}`, budget)
  }
  return result
}

/** PostgreSQL keeps neither U+0000 nor a surrogate alone. */
export const isText = (text: string): boolean => text.isWellFormed() && !text.includes("\0")

const at = (path: string): string => path === "" ? "" : ` at ${JSON.stringify(path)}`
