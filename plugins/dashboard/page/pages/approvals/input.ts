/** What an input says by itself: at what it is aimed, and whether it is flat enough for a list of names and values. Pure. */
import { type Fields, isRecord, type ReadJson, readObject } from "../../parts/readJson.ts"

/** Fields that name what a call acts on, the plainest first. */
const named = [
  "to",
  "target",
  "entity_id",
  "recipient",
  "recipients",
  "url",
  "path",
  "file",
  "topic",
  "door",
  "device",
  "host",
  "address",
  "channel",
  "name"
]

const textOf = (value: unknown): string | undefined => {
  if (typeof value === "string") return value.trim() === "" ? undefined : value
  if (typeof value === "number") return String(value)
  if (!Array.isArray(value) || value.length === 0) return undefined
  return value.every((one) => typeof one === "string") ? value.join(", ") : undefined
}

/** At what it is aimed, where a well-known field says so. */
export const targetOf = (what: unknown): string | undefined => {
  if (!isRecord(what)) return undefined
  for (const name of named) {
    const text = Object.hasOwn(what, name) ? textOf(what[name]) : undefined
    if (text !== undefined) return text
  }
  return undefined
}

/** Lines of a list; with more it is easier read as JSON. */
const mostFields = 12

/** Names and values where all values are texts, numbers or yes and no; else nothing, and it is shown as JSON. */
export const flatOf = (
  what: unknown
): ReadonlyArray<readonly [string, string | number | boolean | null]> | undefined => {
  if (!isRecord(what)) return undefined
  const fields = Object.entries(what)
  if (fields.length === 0 || fields.length > mostFields) return undefined
  const flat: Array<readonly [string, string | number | boolean | null]> = []
  for (const [name, value] of fields) {
    if (value !== null && typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") {
      return undefined
    }
    flat.push([name, value])
  }
  return flat
}

/** Whether a secret stands in it by its name: what is edited then would be the name. */
export const namesSecret = (what: unknown): boolean => /\[secret [^\]]+\]/.test(JSON.stringify(what) ?? "")

/** What was typed as a whole input. */
export const readInput = (text: string): ReadJson<Fields> => readObject(text, "The input")
