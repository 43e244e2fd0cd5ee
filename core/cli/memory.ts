/**
 * `syris memory`: what the host was told to remember, all of it or what fits some words, and the end of one for good. The id
 * of a memory may be its beginning or end.
 */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag, TerminalCapabilities } from "effect/cli"
import type { Memory } from "../contract/Memory.ts"
import { Client } from "./client.ts"
import { misused } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { localTime, paints, table } from "./layout.ts"
import { isWholeId, listed, meantId, shortId } from "./list.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

/** All that can be remembered. */
const maximum = 10_000

const show = Effect.fn("memory.show")(
  function*(given: {
    readonly query: Option.Option<string>
    readonly trust: Option.Option<string>
    readonly limit: number
    readonly json: boolean
  }) {
    if (given.limit < 1 || given.limit > maximum) return yield* misused(`--limit takes 1 to ${maximum}.`)
    const query = Option.getOrUndefined(given.query)
    const trust = Option.getOrUndefined(given.trust)
    const { items, more } = yield* listed<Memory>("/memory", { query, trust }, given.limit)
    if (given.json) return yield* Effect.forEach(items, (one) => Console.log(visibleJson(one)), { discard: true })
    const say = yield* spell
    if (items.length === 0) {
      return yield* Console.log(
        query === undefined && trust === undefined
          ? `Nothing is remembered yet. Tell it something: ${say("send", "\"remember that …\"")}`
          : "Nothing that is remembered fits."
      )
    }
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const paint = paints(canColor)
    const head = ["MEMORY", "SINCE", "TRUST", "FROM", "TEXT"].map(paint.dim)
    const rows = items.map(({ created_at, labels, memory_id, source, tags, text }) => [
      shortId(memory_id),
      localTime(visible(created_at)).slice(0, 16),
      labels.trust === "untrusted" ? paint.yellow(labels.trust) : visible(labels.trust),
      clipped(source.channel, 20),
      `${clipped(text, 120)}${tags.length === 0 ? "" : ` [${clipped(tags.join(", "), 60)}]`}`
    ])
    for (const line of table([head, ...rows])) yield* Console.log(line)
    if (more) yield* Console.log(paint.dim(`There are more: ${say("memory", "--limit", String(given.limit * 4))}`))
    yield* Console.log(paint.dim(`Forget one: ${say("memory", "forget", "MEMORY")}`))
  }
)

const forget = Command.make(
  "forget",
  { id: Argument.String("id").pipe(Argument.withDescription("A memory, or the beginning or end of its id")) },
  Effect.fn(function*({ id }) {
    const client = yield* Client
    const memory_id = isWholeId(id) ? id : yield* find(id)
    yield* client.request(`/memory/${memory_id}`, { method: "DELETE" })
    yield* Console.log(`The memory ${shortId(memory_id)} is forgotten for good.`)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription("Forget one for good"),
  Command.withExamples([{ command: "syris memory forget 0c5b6f1d2e40", description: "The end of an id is enough" }])
)

const find = Effect.fn("memory.find")(function*(part: string) {
  const { items } = yield* listed<Memory>("/memory", {}, maximum)
  return yield* meantId(part, items.map((one) => one.memory_id), "memories")
})

export const memory = Command.make(
  "memory",
  {
    query: Argument.String("query").pipe(
      Argument.withDescription("Words that it may have (default: all, the newest first)"),
      Argument.optional
    ),
    trust: Flag.String("trust").pipe(
      Flag.withDescription("Only of words that are operator, trusted or untrusted"),
      Flag.optional
    ),
    limit: Flag.Int("limit").pipe(Flag.withDescription("At most this many (default: 50)"), Flag.withDefault(50)),
    json
  },
  (given) => Effect.provide(show(given), Client.layer)
).pipe(
  Command.withDescription("Show what is remembered, with --json one object a line; forget one"),
  Command.withShortDescription("Show what is remembered, forget one"),
  Command.withExamples([
    { command: "syris memory" },
    { command: "syris memory \"the cat\"", description: "What fits these words, the best first" },
    { command: "syris memory --trust untrusted", description: "What strangers said" }
  ]),
  Command.withSubcommands([forget])
)
