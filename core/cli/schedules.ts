/**
 * `syris schedules`: what is scheduled, newest first; or what became of the slots of one, with the reasons.
 */
import { Clock, Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import type { Occurrence, Schedule } from "../contract/Schedule.ts"
import { Client } from "./client.ts"
import { misused } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { duration, localTime, type Paints, paints, table } from "./layout.ts"
import { isWholeId, listed, meantId, shortId } from "./list.ts"
import { whenInWords } from "./scheduleInWords.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

export const schedules = Command.make(
  "schedules",
  {
    which: Argument.String("schedule").pipe(
      Argument.withDescription("One of them, by its name or the beginning or end of its id (default: list them)"),
      Argument.optional
    ),
    all: Flag.Boolean("all").pipe(
      Flag.withDescription("Also timers and other one-shots that are over"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    limit: Flag.Int("limit").pipe(Flag.withDescription("At most this many (default: 50)"), Flag.withDefault(50)),
    json
  },
  Effect.fn(function*({ all, json, limit, which }) {
    if (limit < 1 || limit > 10_000) return yield* misused("--limit takes 1 to 10000.")
    if (Option.isSome(which)) return yield* show(yield* meant(which.value), limit, json)
    const found = yield* listed<Schedule>("/schedules", all ? { all: "true" } : {}, limit)
    if (json) return yield* Effect.forEach(found.items, (one) => Console.log(visibleJson(one)), { discard: true })
    const say = yield* spell
    if (found.items.length === 0) {
      return yield* Console.log(
        all ? "There is no schedule." : `Nothing is scheduled. See what is over: ${say("schedules", "--all")}`
      )
    }
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const paint = paints(canColor)
    const now = yield* Clock.currentTimeMillis
    const head = ["SCHEDULE", "NAME", "WHEN", "NEXT", "LAST", "ENABLED"].map(paint.dim)
    for (const line of table([head, ...found.items.map((one) => row(one, now, paint))])) yield* Console.log(line)
    if (found.more) {
      yield* Console.log(paint.dim(`There are more: ${say("schedules", "--limit", String(limit * 4))}`))
    }
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "List what is scheduled, newest first, or show what became of the slots of one; with --json one object a line"
  ),
  Command.withShortDescription("List what is scheduled, or show one"),
  Command.withExamples([
    { command: "syris schedules" },
    { command: "syris schedules backup", description: "Its slots: fired, skipped or missed, and why" },
    { command: "syris schedules --all" }
  ])
)

/** The schedule that is meant by its name, or the beginning or end of its id. */
const meant = Effect.fnUntraced(function*(part: string) {
  const client = yield* Client
  if (isWholeId(part)) return (yield* client.request(`/schedules/${part}`)).body as Schedule
  // By name what is still to come is meant before what is over; by an id, either.
  for (const all of [{}, { all: "true" }]) {
    const { items: named } = yield* listed<Schedule>("/schedules", { ...all, name: part }, 100)
    const [only] = named
    if (only === undefined) continue
    if (named.length === 1) return only
    const ids = named.slice(0, 5).map((one) => shortId(one.schedule_id))
    return yield* misused(
      `${named.length} schedules are called ${visible(part)}: give the end of an id (${ids.join(", ")}).`
    )
  }
  const { items } = yield* listed<Schedule>("/schedules", { all: "true" }, 1_000)
  const ids = items.map((one) => one.schedule_id)
  const id = yield* meantId(part, ids, "schedules")
  return (yield* client.request(`/schedules/${id}`)).body as Schedule
})

const row = (schedule: Schedule, now: number, paint: Paints): ReadonlyArray<string> => [
  shortId(schedule.schedule_id),
  clipped(schedule.name, 40),
  clipped(whenInWords(schedule), 60),
  schedule.next_run_at === undefined ? "-" : moment(schedule.next_run_at, now),
  schedule.last_run_at === undefined ? "-" : moment(schedule.last_run_at, now),
  schedule.enabled ? paint.green("yes") : paint.yellow("no")
]

/** `2026-11-22 14:03:22, in 5 min`. */
const moment = (iso: string, now: number): string => {
  const left = Date.parse(iso) - now
  return `${localTime(iso).slice(0, 19)}, ${left >= 0 ? `in ${duration(left)}` : `${duration(-left)} ago`}`
}

const show = Effect.fnUntraced(function*(schedule: Schedule, limit: number, json: boolean) {
  const found = yield* listed<Occurrence>(`/schedules/${schedule.schedule_id}/occurrences`, {}, limit)
  if (json) {
    yield* Console.log(visibleJson(schedule))
    return yield* Effect.forEach(found.items, (one) => Console.log(visibleJson(one)), { discard: true })
  }
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const paint = paints(canColor)
  const now = yield* Clock.currentTimeMillis
  const facts = [
    ["id", visible(schedule.schedule_id)],
    ["when", visible(whenInWords(schedule))],
    ["next", schedule.next_run_at === undefined ? "no slot to come" : moment(schedule.next_run_at, now)],
    ["enabled", schedule.enabled ? "yes" : "no"],
    [
      "catch-up",
      schedule.catch_up === "run_all_capped" ? `run_all_capped, ${schedule.catch_up_cap}` : schedule.catch_up
    ],
    ["overrun", schedule.overrun],
    ...(schedule.quiet_hours === undefined
      ? []
      : [["quiet hours", clipped(JSON.stringify(schedule.quiet_hours), 100)]]),
    ...(schedule.notify === undefined ? [] : [["tells you", clipped(schedule.notify, 100)]]),
    ["event", clipped(JSON.stringify(schedule.payload), 100)]
  ]
  yield* Console.log(paint.bold(visible(schedule.name)))
  for (const line of table(facts)) yield* Console.log(line)
  if (found.items.length === 0) return yield* Console.log("None of its slots has come yet.")
  const head = ["SLOT", "WHAT", "TRACE", "WHY"].map(paint.dim)
  const rows = found.items.map((one) => [
    localTime(one.slot),
    one.status === "fired"
      ? paint.green("fired")
      : one.status === "missed"
      ? paint.red("missed")
      : paint.yellow("skipped"),
    shortId(one.trace_id),
    clipped(one.reason ?? "", 100)
  ])
  for (const line of table([head, ...rows])) yield* Console.log(line)
  const say = yield* spell
  if (found.more) {
    yield* Console.log(
      paint.dim(`There are more: ${say("schedules", shortId(schedule.schedule_id), "--limit", String(limit * 4))}`)
    )
  }
})
