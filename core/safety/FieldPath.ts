/**
 * The way to a field of a subject: keys joined by dots, an item of a list by its index. A dot in a key is `\.`, a
 * backslash before a dot `\\`. Only own properties are seen, whatever the subject is.
 */

/** Longest path, UTF-16 units. */
const maximumPath = 500

export interface Field {
  readonly path: string
  /** `undefined` where it is missing. */
  readonly read: (subject: unknown) => unknown
}

/** The field; nothing where the path is empty, too long or has an empty key. */
export const fieldOf = (path: string): Field | undefined => {
  const keys = keysOf(path)
  return keys === undefined ? undefined : { path, read: readerOf(keys) }
}

/** The keys of a path; nothing where it is none. */
export const keysOf = (path: string): ReadonlyArray<string> | undefined => {
  if (path.length > maximumPath) return undefined
  const keys = [""]
  for (let i = 0; i < path.length; i++) {
    const next = path[i + 1]
    if (path[i] === "\\" && (next === "." || next === "\\")) {
      keys.push(`${keys.pop() ?? ""}${next}`)
      i++
    } else if (path[i] === ".") keys.push("")
    else keys.push(`${keys.pop() ?? ""}${path[i] ?? ""}`)
  }
  return keys.includes("") ? undefined : keys
}

const isIndex = (key: string): boolean => /^(0|[1-9]\d*)$/.test(key)

/** A getter that throws hides what it stands for. */
const readerOf = (keys: ReadonlyArray<string>): Field["read"] => (subject) => {
  try {
    let at: unknown = subject
    for (const key of keys) {
      if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return undefined
      if (Array.isArray(at) && !isIndex(key)) return undefined
      at = (at as Record<string, unknown>)[key]
    }
    return at
  } catch {
    return undefined
  }
}
