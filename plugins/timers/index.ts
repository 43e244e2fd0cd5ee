/**
 * Timers and reminders from a sentence: a one-shot schedule whose event says what was to be remembered.
 * It acts only in the host's own database, in the transaction of its outcome: a timer is set once or not at all.
 */
import { definePlugin, defineTool, Effect, type Intent, Schema, ToolRefused } from "syris"
import { durationPattern, format, parse } from "./DurationText.ts"

const longestMs = 366 * 86_400_000

/** How long from now, in milliseconds; anything that can't be a timer is refused. */
export const durationOf = (duration: string | number): number => {
  const ms = typeof duration === "number" ? Math.round(duration * 1000) : parse(duration)
  if (ms === undefined || Number.isNaN(ms)) {
    throw new ToolRefused(`"${duration}" is not a duration: write it as in "5 minutes", "1h30m" or "PT90S".`)
  }
  if (ms < 1000) throw new ToolRefused("A timer takes at least one second.")
  if (ms > longestMs) throw new ToolRefused("A timer takes at most 366 days.")
  return ms
}

const currentTime = Effect.clockWith((clock) => Effect.sync(() => new Date(clock.currentTimeMillisUnsafe())))

/** `14:05`, with the day in front where it is not today. */
export const clockTime = (due: Date, now: Date, timeZone: string): string => {
  const day = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    weekday: "short",
    day: "numeric",
    month: "short",
    year: "numeric"
  })
  const seconds = due.getTime() - now.getTime() < 120_000
  const time = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    hour: "2-digit",
    minute: "2-digit",
    ...(seconds ? { second: "2-digit" } : {}),
    hourCycle: "h23"
  }).format(due)
  return day.format(due) === day.format(now) ? time : `${time} on ${day.format(due)}`
}

const D = `(?<duration>${durationPattern})`
const sentence = (body: string): RegExp => new RegExp(`(?:please )?(?:${body})(?:,? please)?[.!]?`)
const input = ({ duration, message }: Record<string, string | undefined>) => ({
  duration,
  ...(message === undefined ? {} : { message })
})

const set = "(?:set|start|make|create)(?: me)? (?:a |an |the )?(?:new )?"
const called = "(?: (?:called|named|for|to) (?<message>.+?))?"

export const intents: ReadonlyArray<Intent> = [
  {
    name: "timer.set",
    tool: "timer.set",
    input,
    patterns: [
      sentence(`(?:${set})?timer (?:for |of |in )?${D}${called}`),
      sentence(`(?:${set})?${D}[ -]timer${called}`),
      sentence(`(?:${set})?timer (?:called|named) (?<message>.+?) for ${D}`)
    ]
  },
  {
    name: "timer.remind",
    tool: "timer.set",
    input: (groups) => ({ ...input(groups), kind: "reminder" }),
    patterns: [
      sentence(`remind me in ${D}(?: (?:to|about|that|of) (?<message>.+?))?`),
      sentence(`in ${D},? remind me(?: (?:to|about|that|of) (?<message>.+?))?`),
      sentence(`remind me (?:to|about|that|of) (?<message>.+?) in ${D}`)
    ]
  }
]

export default definePlugin({
  name: "timers",
  version: "0.1.0",
  setup: ({ timezone }) => ({
    tools: [
      defineTool({
        name: "timer.set",
        description: "Set a timer or a reminder that is due after a duration.",
        input: Schema.Struct({
          /** Words (`5 minutes`), ISO 8601 (`PT5M`) or a number of seconds. */
          duration: Schema.Union([Schema.String.check(Schema.isMaxLength(200)), Schema.Finite]),
          message: Schema.optionalKey(Schema.String.check(Schema.isMaxLength(1000))),
          kind: Schema.optionalKey(Schema.Literals(["timer", "reminder"]))
        }),
        output: Schema.Struct({ schedule_id: Schema.String, due_at: Schema.String, message: Schema.String }),
        effect: "write",
        risk: "low",
        scopes: ["timers"],
        guarantee: "transactional",
        preview: ({ duration }) => `would set a timer for ${format(durationOf(duration))}`,
        run: ({ duration, kind = "timer", message }, ctx) => {
          const ms = durationOf(duration)
          return Effect.map(currentTime, (now) => {
            const due = new Date(now.getTime() + ms)
            const long = format(ms)
            const what = kind === "timer" ? "Timer" : "Reminder"
            const schedule_id = ctx.schedules.create({
              name: message ?? `${what} ${long}`,
              at: due,
              notify: `${what}: ${message ?? long}`,
              payload: {
                channel: "scheduler",
                connector_id: "timers",
                text: `${what}: ${message ?? long}`,
                structured: { kind, duration_ms: ms, ...(message === undefined ? {} : { message }) }
              }
            })
            const about = message === undefined ? "" : kind === "timer" ? ` (${message})` : `: ${message}`
            return {
              schedule_id,
              due_at: due.toISOString(),
              message: kind === "timer"
                ? `Timer set for ${long}${about}, due at ${clockTime(due, now, timezone)}.`
                : `Reminder set for ${long} from now, due at ${clockTime(due, now, timezone)}${about}.`
            }
          })
        }
      })
    ],
    intents
  })
})
