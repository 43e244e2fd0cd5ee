/**
 * The logger that a plugin has in an isolate: each line is a message to the host, which knows the secrets and the place.
 * Never throws, whatever it is given.
 */
import type { Log } from "../../core/plugin/Tool.ts"

type Level = "debug" | "info" | "warn" | "error"

const longest = 8_192

export const makeGuestLog = (
  tell: (line: { readonly level: Level; readonly message: string; readonly fields?: unknown }) => void
): Log => {
  const write = (level: Level) => (message: string, fields?: Record<string, unknown>): void => {
    const line = { level, message: cut(textOf(message)) }
    try {
      tell(fields === undefined ? line : { ...line, fields: printable(fields, 0) })
    } catch {
      try {
        tell(line)
      } catch {
        // There is nobody left to tell it.
      }
    }
  }
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") }
}

const textOf = (value: unknown): string => {
  try {
    return String(value)
  } catch {
    return "[unreadable]"
  }
}

const cut = (text: string): string => {
  const short = text.length > longest ? `${text.slice(0, longest)}…` : text
  return short.replaceAll("\0", "␀").toWellFormed()
}

/** A bounded copy, plain JSON. */
const printable = (value: unknown, depth: number): unknown => {
  if (typeof value === "string") return cut(value)
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value)
  if (typeof value === "bigint" || typeof value === "symbol") return String(value)
  if (typeof value === "function") return "[function]"
  if (typeof value !== "object" || value === null) return value ?? null
  if (depth >= 8) return "[…]"
  try {
    if (value instanceof Error) return { name: cut(value.name), message: cut(value.message) }
    if ("toJSON" in value && typeof value.toJSON === "function") return printable(value.toJSON(), depth + 1)
    if (Array.isArray(value)) return value.slice(0, 100).map((item) => printable(item, depth + 1))
    return Object.fromEntries(
      Object.entries(value).filter(([key]) => !["__proto__", "constructor", "prototype"].includes(key)).slice(0, 100)
        .map(([key, item]) => [cut(key), printable(item, depth + 1)])
    )
  } catch {
    return "[unreadable]"
  }
}
