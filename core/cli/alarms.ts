/**
 * `syris alarms`: what the operator should look at, and saying that one was seen or is over. The id of an alarm may be its
 * beginning or end.
 */
import { Clock, Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import type { Alarm } from "../contract/Alarm.ts"
import { Client } from "./client.ts"
import { json, spell } from "./flags.ts"
import { duration, type Paints, paints, table } from "./layout.ts"
import { isWholeId, listed, meantId, shortId } from "./list.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

const maximum = 500

const all = Flag.Boolean("all").pipe(
  Flag.withDescription("Also those that are over"),
  Flag.withDefault(false),
  Flag.withoutNegation
)

/** Newest first; without `all` those that are not over. */
const find = Effect.fn("alarms.find")(function*(all: boolean) {
  if (all) return yield* listed<Alarm>("/alarms", {}, maximum)
  const open = yield* listed<Alarm>("/alarms", { status: "open" }, maximum)
  const acked = yield* listed<Alarm>("/alarms", { status: "acked" }, maximum)
  const items = [...open.items, ...acked.items].toSorted((a, b) => a.alarm_id < b.alarm_id ? 1 : -1)
  return { items, more: open.more || acked.more }
})

const show = Effect.fn("alarms.show")(function*(all: boolean, json: boolean) {
  const { items, more } = yield* find(all)
  if (json) return yield* Effect.forEach(items, (one) => Console.log(visibleJson(one)), { discard: true })
  const say = yield* spell
  if (items.length === 0) {
    return yield* Console.log(all ? "There was no alarm yet." : `All is well. See what was: ${say("alarms", "--all")}`)
  }
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const paint = paints(canColor)
  const now = yield* Clock.currentTimeMillis
  const head = ["ALARM", "STATUS", "SEVERITY", "AGE", "TYPE", "MESSAGE"].map(paint.dim)
  const rows = items.map((one) => [
    shortId(one.alarm_id),
    statusOf(one, paint),
    severityOf(one, paint),
    duration(Math.max(0, now - Date.parse(one.opened_at))),
    visible(one.type),
    clipped(one.message, 300)
  ])
  for (const line of table([head, ...rows])) yield* Console.log(line)
  if (more) yield* Console.log(paint.dim("There are more."))
  if (!all) {
    yield* Console.log(paint.dim(`Seen: ${say("alarms", "ack", "ALARM")}; over: ${say("alarms", "resolve", "ALARM")}`))
  }
})

const statusOf = ({ status }: Alarm, paint: Paints): string =>
  status === "resolved" ? paint.green("over") : paint.yellow(status === "acked" ? "seen" : visible(status))

const severityOf = ({ severity }: Alarm, paint: Paints): string =>
  severity === "warning" ? paint.yellow(severity) : paint.red(visible(severity))

const list = Command.make("list", { all, json }, ({ all, json }) => show(all, json)).pipe(
  Command.provide(Client.layer),
  Command.withDescription("List the alarms that are not over, newest first; with --json one object a line"),
  Command.withShortDescription("List the alarms")
)

const move = (name: "ack" | "resolve", done: string, described: string) =>
  Command.make(
    name,
    {
      id: Argument.String("alarm").pipe(Argument.withDescription("An alarm, or the beginning or end of its id")),
      note: Flag.String("note").pipe(Flag.withDescription("What is to be remembered; kept with it"), Flag.optional),
      json
    },
    Effect.fn(function*({ id, json, note }) {
      const client = yield* Client
      const known = isWholeId(id) ? [] : (yield* find(true)).items.map((one) => one.alarm_id)
      const alarm_id = isWholeId(id) ? id : yield* meantId(id, known, "alarms")
      const { body } = yield* client.request(`/alarms/${alarm_id}/${name}`, {
        method: "POST",
        body: Option.match(note, { onNone: () => ({}), onSome: (note) => ({ note }) })
      })
      const one = body as Alarm
      yield* Console.log(json ? visibleJson(one, 2) : `The alarm ${visible(one.type)} ${done}.`)
    })
  ).pipe(Command.provide(Client.layer), Command.withDescription(described))

export const alarms = Command.make(
  "alarms",
  { all, json },
  ({ all, json }) => Effect.provide(show(all, json), Client.layer)
).pipe(
  Command.withDescription(
    "List what you should look at, newest first; with --json one object a line. Say that one was seen, or is over"
  ),
  Command.withShortDescription("List the alarms, say that one is over"),
  Command.withExamples([
    { command: "syris alarms" },
    { command: "syris alarms ack 0c5b6f1d2e40 --note \"on my way\"" }
  ]),
  Command.withSubcommands([
    list,
    move("ack", "was seen", "Say that you have seen an alarm"),
    move("resolve", "is over", "Say that an alarm is over")
  ])
)
