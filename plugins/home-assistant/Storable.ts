/**
 * What an event can hold of what a house says: whatever somebody called a thing, or wrote into an attribute, the event of it is
 * one that the host takes.
 */
import type { RawEvent } from "syris"

export type Json = NonNullable<RawEvent["structured"]>[string]

/** Deeper than anything that a house means. */
const mostLevels = 16
const notNames = new Set(["__proto__", "constructor", "prototype"])

/** Without NUL and halves of characters, which a database does not keep. */
export const storableText = (text: string): string => text.replaceAll("\0", "").toWellFormed()

export const isStorableName = (name: string): boolean => !notNames.has(name)

/** The same, as JSON that can be kept: what is nested deeper than that becomes `null`. */
export const storable = (value: unknown, level = 0): Json => {
  if (typeof value === "string") return storableText(value)
  if (typeof value === "number") return Number.isFinite(value) ? value : null
  if (typeof value === "boolean") return value
  if (typeof value !== "object" || value === null || level >= mostLevels) return null
  if (Array.isArray(value)) return value.map((item) => storable(item, level + 1))
  const kept = Object.entries(value).filter(([name]) => isStorableName(storableText(name)))
  return Object.fromEntries(kept.map(([name, item]) => [storableText(name), storable(item, level + 1)]))
}
