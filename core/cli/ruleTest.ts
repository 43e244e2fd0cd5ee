/**
 * `syris rules test`: on which stored events a rule would have fired, and on which it would have been held back. Nothing is
 * done. The rule is one that is there, or a file with the JSON of `POST /rules`.
 */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import * as fs from "node:fs"
import type { MessageEvent } from "../contract/Event.ts"
import { instant } from "./auditRows.ts"
import { Client } from "./client.ts"
import { failed, misused } from "./CommandFailed.ts"
import { json } from "./flags.ts"
import { localTime, type Paints, paints, table } from "./layout.ts"
import { shortId } from "./list.ts"
import { theRule } from "./theRule.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

interface Tried {
  readonly event_id: string
  readonly matched: boolean
  readonly fires: boolean
  readonly reason?: string
  readonly leaves: ReadonlyArray<unknown>
}

export const test = Command.make(
  "test",
  {
    rule: Argument.String("rule").pipe(
      Argument.withDescription("A rule that is there, or a JSON file with one as in POST /rules")
    ),
    since: Flag.String("since").pipe(
      Flag.withDescription("On events from then on: a time (2026-11-22T08:00:00Z) or an age (90s, 15m, 1h, 2d)"),
      Flag.optional
    ),
    limit: Flag.Int("limit").pipe(
      Flag.withDescription("On at most this many events (default and most: 500)"),
      Flag.withDefault(500)
    ),
    json
  },
  Effect.fn(function*(given) {
    if (given.limit < 1 || given.limit > 500) return yield* misused("--limit takes 1 to 500.")
    const since = Option.isSome(given.since) ? yield* instant(given.since.value) : undefined
    const rule = fs.existsSync(given.rule) ? yield* ruleIn(given.rule) : (yield* theRule(given.rule)).rule_id
    const client = yield* Client
    const { body } = yield* client.request("/rules/test", {
      method: "POST",
      body: { rule, limit: given.limit, ...(since === undefined ? {} : { since }) }
    })
    const { items } = body as { readonly items: ReadonlyArray<Tried> }
    if (given.json) return yield* Effect.forEach(items, (one) => Console.log(visibleJson(one)), { discard: true })
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const paint = paints(canColor)
    const told = items.filter(({ fires, reason }) => fires || reason !== undefined)
    const events = yield* Effect.forEach(told, ({ event_id }) => eventOf(event_id), { concurrency: 8 })
    const rows = told.map((one, i) => row(one, events[i], paint))
    for (const line of table(rows)) yield* Console.log(line)
    yield* Console.log(summary(items))
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Say on which events of the past a rule would have fired, and on which it would have been held back; nothing is done. " +
      "What it remembers begins with the first of them"
  ),
  Command.withShortDescription("Try a rule on events of the past"),
  Command.withExamples([
    { command: "syris rules test porch --since 1d" },
    { command: "syris rules test new-rule.json", description: "Before it is made" }
  ])
)

const ruleIn = Effect.fn("rules.read")(function*(file: string) {
  return yield* Effect.try({
    try: () => JSON.parse(fs.readFileSync(file, "utf8")) as unknown,
    catch: (error) =>
      failed(`${file} is no JSON file: ${visible(error instanceof Error ? error.message : String(error))}`)
  })
})

const eventOf = Effect.fn("rules.event")(function*(event_id: string) {
  const client = yield* Client
  const { body } = yield* client.request(`/events/${encodeURIComponent(event_id)}`)
  return body as MessageEvent
})

const row = (
  { event_id, fires, reason }: Tried,
  event: MessageEvent | undefined,
  paint: Paints
): ReadonlyArray<string> => [
  event === undefined ? "" : paint.dim(localTime(event.ingested_at)),
  paint.dim(shortId(event_id)),
  fires ? paint.green("fires") : paint.yellow("held back"),
  event === undefined ? "" : visible(event.source.channel),
  [
    ...(event?.content.text === undefined ? [] : [clipped(JSON.stringify(event.content.text), 80)]),
    ...(reason === undefined ? [] : [`(${visible(reason)})`])
  ].join(" ")
]

const summary = (items: ReadonlyArray<Tried>): string => {
  if (items.length === 0) return "There is no event to try it on."
  const fired = items.filter(({ fires }) => fires).length
  const held = items.filter(({ fires, reason }) => !fires && reason !== undefined).length
  return `On ${fired} of ${items.length} events it would have fired, on ${held} it would have been held back.`
}
