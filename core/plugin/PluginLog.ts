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
      const leak = () => ({
        where: `the log${typeof bound["plugin"] === "string" ? ` of the plugin ${bound["plugin"]}` : ""}`,
        trace_id: typeof bound["trace_id"] === "string" ? bound["trace_id"] : undefined
      })
      const hidden = (given: string): string => redactor.watched(given, redactor.redactText(given), leak)
      const text = hidden(String(message))
      // Before it is cut: what is left of a secret would not be known as one.
      const rest = fields === undefined ? [] : [redactor.redactJson(printable(fields, 0, hidden))]
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
const printable = (value: unknown, depth: number, hidden: (text: string) => string): unknown => {
  if (typeof value === "string") {
    const shown = hidden(value)
    return shown.length > 8_192 ? `${shown.slice(0, 8_192)}…` : shown
  }
  if (typeof value === "bigint" || typeof value === "symbol") return String(value)
  if (typeof value === "function") return "[function]"
  if (typeof value !== "object" || value === null) return value
  if (depth >= 8) return "[…]"
  try {
    if (value instanceof Error) return { name: value.name, message: printable(value.message, depth + 1, hidden) }
    if ("toJSON" in value && typeof value.toJSON === "function") return printable(value.toJSON(), depth + 1, hidden)
    if (Array.isArray(value)) return value.slice(0, 100).map((item) => printable(item, depth + 1, hidden))
    return Object.fromEntries(
      Object.entries(value).slice(0, 100).map(([key, item]) => [key, printable(item, depth + 1, hidden)])
    )
  } catch {
    return "[unreadable]"
  }
}
