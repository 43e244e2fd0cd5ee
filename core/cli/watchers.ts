/**
 * `syris watchers`: what looks at things from time to time, how the last look went, and switching one off or on.
 */
import { Clock, Console, Effect } from "effect"
import { Argument, Command, TerminalCapabilities } from "effect/cli"
import type { WatcherState } from "../contract/Watcher.ts"
import { Client } from "./client.ts"
import { json, spell } from "./flags.ts"
import { duration, type Paints, paints, table } from "./layout.ts"
import { listed } from "./list.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

const maximum = 1_000

const show = Effect.fn("watchers.show")(function*(json: boolean) {
  const { items, more } = yield* listed<WatcherState>("/watchers", {}, maximum)
  if (json) return yield* Effect.forEach(items, (one) => Console.log(visibleJson(one)), { discard: true })
  if (items.length === 0) return yield* Console.log("There is no watcher.")
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const paint = paints(canColor)
  const now = yield* Clock.currentTimeMillis
  const head = ["WATCHER", "STATUS", "EVERY", "LAST", "NEXT", "ERROR"].map(paint.dim)
  for (const line of table([head, ...items.map((one) => row(one, now, paint))])) yield* Console.log(line)
  if (more) yield* Console.log(paint.dim("There are more."))
  const say = yield* spell
  yield* Console.log(
    paint.dim(`Switch one off or on: ${say("watchers", "disable", "WATCHER")}, ${say("watchers", "enable", "WATCHER")}`)
  )
})

const row = (one: WatcherState, now: number, paint: Paints): ReadonlyArray<string> => [
  visible(one.watcher_id),
  statusOf(one, paint),
  duration(one.interval_ms),
  one.last_tick_at === undefined ? "never" : `${duration(Math.max(0, now - Date.parse(one.last_tick_at)))} ago`,
  one.next_tick_at === undefined ? "" : nextIn(Date.parse(one.next_tick_at) - now),
  clipped(one.last_error ?? "", 120)
]

const statusOf = ({ consecutive_errors, enabled, last_outcome }: WatcherState, paint: Paints): string => {
  if (!enabled) return paint.yellow("off")
  if (last_outcome === "failure") return paint.red(`failed ${consecutive_errors}×`)
  return last_outcome === undefined ? paint.yellow("new") : paint.green("well")
}

const nextIn = (ms: number): string => ms > 0 ? `in ${duration(ms)}` : "due"

const list = Command.make("list", { json }, ({ json }) => show(json)).pipe(
  Command.provide(Client.layer),
  Command.withDescription("List the watchers; with --json one object a line"),
  Command.withShortDescription("List the watchers")
)

const change = (name: "enable" | "disable", enabled: boolean, described: string) =>
  Command.make(
    name,
    { id: Argument.String("watcher").pipe(Argument.withDescription("Its id, as the list has it")), json },
    Effect.fn(function*({ id, json }) {
      const client = yield* Client
      const { body } = yield* client.request(`/watchers/${encodeURIComponent(id)}`, {
        method: "PATCH",
        body: { enabled }
      })
      const one = body as WatcherState
      yield* Console.log(
        json
          ? visibleJson(one, 2)
          : enabled
          ? `The watcher ${visible(one.watcher_id)} is on; it looks now.`
          : `The watcher ${visible(one.watcher_id)} is off: it looks no more.`
      )
    })
  ).pipe(Command.provide(Client.layer), Command.withDescription(described))

export const watchers = Command.make("watchers", { json }, ({ json }) => Effect.provide(show(json), Client.layer)).pipe(
  Command.withDescription(
    "List what looks at things from time to time, and how it went; with --json one object a line. Switch one off or on"
  ),
  Command.withShortDescription("List the watchers, switch one off or on"),
  Command.withExamples([
    { command: "syris watchers" },
    { command: "syris watchers disable weather.storm" }
  ]),
  Command.withSubcommands([
    list,
    change("enable", true, "Switch a watcher on; it looks at once"),
    change("disable", false, "Switch a watcher off; a look that is under way still counts")
  ])
)
