/**
 * `syris trace`: the whole story of one trace. The id may be that of the trace or of an event of it, its beginning
 * or its end (among the last 500 events and audit rows), or nothing for the newest.
 */
import { Console, Effect, Option } from "effect"
import { Argument, Command, TerminalCapabilities } from "effect/cli"
import { Client } from "./client.ts"
import { failed } from "./CommandFailed.ts"
import { json } from "./flags.ts"
import { paints } from "./layout.ts"
import { isWholeId } from "./list.ts"
import { drawTrace, type Fields } from "./traceTree.ts"
import { visible, visibleJson } from "../contract/Visible.ts"

export const trace = Command.make(
  "trace",
  {
    id: Argument.String("id").pipe(
      Argument.withDescription("A trace or an event, or the beginning or end of its id (default: the newest)"),
      Argument.optional
    ),
    json
  },
  Effect.fn(function*({ id, json }) {
    const client = yield* Client
    const { body } = yield* Option.match(id, {
      onNone: () => Effect.flatMap(traceOf(undefined), read),
      onSome: (given) =>
        isWholeId(given)
          ? read(given).pipe(Effect.catchIf((error) => error.status === 404, (error) =>
            client.request(`/events/${given}`).pipe(
              Effect.mapError((other) => other.status === 404 ? error : other),
              Effect.flatMap((event) => read(traceIdOf(event.body as Fields)))
            )))
          : Effect.flatMap(traceOf(given), read)
    })
    if (json) return yield* Console.log(visibleJson(body, 2))
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    for (const line of drawTrace(body as Fields, paints(canColor))) yield* Console.log(line)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Show what an event led to: routing, tool calls, approvals, tasks and replies, with their times"
  ),
  Command.withShortDescription("Show what an event led to"),
  Command.withExamples([
    { command: "syris trace", description: "The newest event" },
    { command: "syris trace 0199b3f2-6c1e-7a51-9d3e-0c5b6f1d2e3f" },
    { command: "syris trace 6f1d2e3f", description: "The end of an id is enough" }
  ])
)

const read = Effect.fn("trace.read")(function*(id: string) {
  const client = yield* Client
  return yield* client.request(`/traces/${encodeURIComponent(id)}`)
})

const traceIdOf = (event: Fields): string => {
  const correlation = event.correlation as Fields | undefined
  return String(event.trace_id ?? correlation?.trace_id)
}

const traceOf = Effect.fn("trace.find")(function*(part: string | undefined) {
  const client = yield* Client
  const list = (path: string) =>
    client.request(path, { query: { limit: part === undefined ? 1 : 500 } }).pipe(
      Effect.map(({ body }) => (body as { readonly items: ReadonlyArray<Fields> }).items)
    )
  // A refused event has a trace and no event.
  const known = [...yield* list("/events"), ...(part === undefined ? [] : yield* list("/audit"))]
  const fits = (id: unknown) => part === undefined || String(id).startsWith(part) || String(id).endsWith(part)
  const found = new Set(known.filter((one) => fits(one.event_id) || fits(traceIdOf(one))).map(traceIdOf))
  const [only, ...others] = found
  if (only === undefined) {
    return yield* failed(
      part === undefined
        ? "There is no event yet. Try: syris send \"set a timer for 5 minutes\""
        : `None of the last 500 events and audit rows has an id that begins or ends with ${
          visible(part)
        }: give the whole id.`
    )
  }
  if (others.length > 0) {
    return yield* failed(
      `${visible(String(part))} is the beginning or end of ${found.size} traces: give more of it (${
        [...found].slice(0, 5).map(visible).join(", ")
      }).`
    )
  }
  return only
})
