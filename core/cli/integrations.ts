/**
 * `syris integrations`: what the host is connected to and how it is, one of them in full, and switching one off or on.
 */
import { Clock, Console, Effect, Option } from "effect"
import { Argument, Command, TerminalCapabilities } from "effect/cli"
import type { Integration } from "../contract/Integration.ts"
import { clipped, visible, visibleJson, visibleLines } from "../contract/Visible.ts"
import { Client } from "./client.ts"
import { json, spell } from "./flags.ts"
import { duration, type Paints, paints, table } from "./layout.ts"

/** All of them, or the one that is named. */
export const readIntegrations = Effect.fnUntraced(function*(id?: string) {
  const client = yield* Client
  if (id !== undefined) {
    return [(yield* client.request(`/integrations/${encodeURIComponent(id)}`)).body as Integration]
  }
  const { body } = yield* client.request("/integrations")
  return (body as { readonly items: ReadonlyArray<Integration> }).items
})

const show = Effect.fn("integrations.show")(function*(json: boolean) {
  const items = yield* readIntegrations()
  if (json) return yield* Effect.forEach(items, (one) => Console.log(visibleJson(one)), { discard: true })
  const say = yield* spell
  if (items.length === 0) {
    return yield* Console.log("SYRIS is connected to nothing: write servers under `mcp` in the configuration.")
  }
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const paint = paints(canColor)
  const head = ["INTEGRATION", "KIND", "STATE", "LATENCY", "TOOLS", "QUARANTINE", "ERROR"].map(paint.dim)
  for (const line of table([head, ...items.map((one) => row(one, paint))])) yield* Console.log(line)
  if (items.some(({ quarantined }) => quarantined.length > 0)) {
    yield* Console.log(paint.yellow(`Tools have changed and are not used: ${say("mcp", "diff")}`))
  }
  yield* Console.log(paint.dim(`One of them in full: ${say("integrations", "INTEGRATION")}`))
})

const row = (one: Integration, paint: Paints): ReadonlyArray<string> => [
  visible(one.integration_id),
  one.kind,
  stateOf(one, paint),
  one.latency_ms === undefined ? "" : duration(one.latency_ms),
  String(one.tools.length),
  one.quarantined.length === 0 ? "" : paint.yellow(String(one.quarantined.length)),
  clipped(one.last_error ?? "", 120)
]

const stateOf = ({ health, state }: Integration, paint: Paints): string => {
  const words = visible(state).replace("_", " ")
  if (state === "off" || state === "connecting") return paint.yellow(words)
  return health === "healthy" ? paint.green(words) : paint.red(words)
}

const full = Effect.fn("integrations.full")(function*(one: Integration) {
  const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
  const paint = paints(canColor)
  const say = yield* spell
  const now = yield* Clock.currentTimeMillis
  const name = visible(one.integration_id)
  const ago = (iso: string) => `${duration(Math.max(0, now - Date.parse(iso)))} ago`
  const list = (title: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
    lines.length === 0 ? [] : [paint.dim(title), ...lines.map((line) => `  ${line}`)]
  const { server } = one
  for (
    const line of [
      `${paint.bold(name)}  ${one.kind}  ${stateOf(one, paint)}`,
      ...(server === undefined
        ? []
        : [`${visible(server.name)} ${visible(server.version)}, protocol ${visible(server.protocol)}`]),
      ...(one.connected_at === undefined ? [] : [`connected ${ago(one.connected_at)}`]),
      ...(one.latency_ms === undefined ? [] : [`answers within ${duration(one.latency_ms)}`]),
      ...(one.last_error === undefined ? [] : [paint.red(visible(one.last_error))]),
      ...(one.next_attempt_at === undefined
        ? []
        : [`tried again in ${duration(Math.max(0, Date.parse(one.next_attempt_at) - now))}`]),
      ...(one.sign_in_url === undefined ? [] : [`sign in at ${visible(one.sign_in_url)}`]),
      ...list(
        one.quarantined.length === 0 ? "" : `in quarantine, not used (${say("mcp", "diff", name)}):`,
        one.quarantined.map(({ reason, tool }) => `${visible(tool)}: ${visible(reason)}`)
      ),
      ...list("refused:", one.refused.map(({ reason, tool }) => `${clipped(tool, 128)}: ${visible(reason)}`)),
      ...list("tools:", one.tools.map(visible)),
      ...list("the last it wrote to its standard error:", visibleLines((one.stderr ?? "").trimEnd()).filter(Boolean))
    ]
  ) yield* Console.log(line)
})

const change = (name: "enable" | "disable", enabled: boolean, described: string) =>
  Command.make(
    name,
    { id: Argument.String("integration").pipe(Argument.withDescription("Its id, as the list has it")), json },
    Effect.fn(function*({ id, json }) {
      const client = yield* Client
      const { body } = yield* client.request(`/integrations/${encodeURIComponent(id)}`, {
        method: "PATCH",
        body: { enabled }
      })
      if (json) return yield* Console.log(visibleJson(body, 2))
      const one = body as Integration
      const called = `The ${one.kind === "mcp" ? "MCP server" : "channel"} ${visible(one.integration_id)}`
      const what = enabled
        ? one.kind === "mcp" ? "is on; it is being connected." : "is on; its events are taken again."
        : one.kind === "mcp"
        ? "is off: its tools are gone until you switch it on."
        : "is off: its events are dropped until you switch it on."
      yield* Console.log(`${called} ${what}`)
    })
  ).pipe(Command.provide(Client.layer), Command.withDescription(described))

export const integrations = Command.make(
  "integrations",
  {
    id: Argument.String("integration").pipe(
      Argument.withDescription("One of them, in full: its id, as the list has it"),
      Argument.optional
    ),
    json
  },
  Effect.fn(function*({ id, json }) {
    if (Option.isNone(id)) return yield* show(json)
    const [one] = yield* readIntegrations(id.value)
    if (one === undefined) return
    yield* json ? Console.log(visibleJson(one, 2)) : full(one)
  }, Effect.provide(Client.layer))
).pipe(
  Command.withDescription(
    "List what the host is connected to (MCP servers and channels) and how it is; with --json one object a line. Show one in full, switch one off or on"
  ),
  Command.withShortDescription("List what it is connected to, switch one off or on"),
  Command.withExamples([
    { command: "syris integrations" },
    { command: "syris integrations files", description: "One in full: its tools, its last error, what it wrote" },
    { command: "syris integrations disable files" }
  ]),
  Command.withSubcommands([
    change("enable", true, "Switch an integration on, in every host"),
    change(
      "disable",
      false,
      "Switch an integration off, in every host: a server is disconnected, a channel's events are dropped"
    )
  ])
)
