/**
 * The logger that a plugin gets: the host's own, with the plugin's name on every line and known secrets removed.
 * Never throws, whatever it is given.
 */
import { Effect } from "effect"
import { Redactor } from "../secrets/Redactor.ts"
import type { Log } from "./Tool.ts"

export interface BoundLog extends Log {
  /** The same logger with more on every line: the trace, the tool. */
  readonly with: (fields: Readonly<Record<string, unknown>>) => BoundLog
}

export const makePluginLog: Effect.Effect<
  (fields: Readonly<Record<string, unknown>>) => BoundLog,
  never,
  Redactor
> = Effect.gen(function*() {
  const redactor = yield* Redactor
  const context = yield* Effect.context<never>()
  const run = Effect.runForkWith(context)

  const make = (bound: Readonly<Record<string, unknown>>): BoundLog => {
    const write = (say: typeof Effect.logInfo) => (message: string, fields?: Record<string, unknown>): void => {
      const text = redactor.redactText(String(message))
      const rest = fields === undefined ? [] : [redactor.redactJson(printable(fields, 0))]
      run(say(text, ...rest).pipe(Effect.annotateLogs(bound)))
    }
    return {
      debug: write(Effect.logDebug),
      info: write(Effect.logInfo),
      warn: write(Effect.logWarning),
      error: write(Effect.logError),
      with: (fields) => make({ ...bound, ...fields })
    }
  }
  return make
})

/** A bounded copy that any logger can print. */
const printable = (value: unknown, depth: number): unknown => {
  if (typeof value === "string") return value.length > 8_192 ? `${value.slice(0, 8_192)}…` : value
  if (typeof value === "bigint" || typeof value === "symbol") return String(value)
  if (typeof value === "function") return "[function]"
  if (typeof value !== "object" || value === null) return value
  if (depth >= 8) return "[…]"
  try {
    if (value instanceof Error) return { name: value.name, message: printable(value.message, depth + 1) }
    if ("toJSON" in value && typeof value.toJSON === "function") return printable(value.toJSON(), depth + 1)
    if (Array.isArray(value)) return value.slice(0, 100).map((item) => printable(item, depth + 1))
    return Object.fromEntries(
      Object.entries(value).slice(0, 100).map(([key, item]) => [key, printable(item, depth + 1)])
    )
  } catch {
    return "[unreadable]"
  }
}
