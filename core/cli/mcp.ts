/**
 * `syris mcp diff` and `syris mcp trust`: what a server has changed about its tools, and trusting it.
 *
 * What is trusted is what was shown: the pin of the diff goes along, and the host refuses another one.
 */
import { Console, Effect, Option } from "effect"
import { Argument, Command, Flag, Prompt, TerminalCapabilities } from "effect/cli"
import type { Integration, QuarantinedTool } from "../contract/Integration.ts"
import { visible, visibleJson, visibleLines } from "../contract/Visible.ts"
import { Client } from "./client.ts"
import { failed, misused } from "./CommandFailed.ts"
import { json, spell } from "./flags.ts"
import { readIntegrations } from "./integrations.ts"
import { type Paints, paints } from "./layout.ts"

const server = Argument.String("server").pipe(
  Argument.withDescription("A server, by its key under `mcp` in the configuration")
)
const tool = Argument.String("tool").pipe(Argument.withDescription("A tool, by the server's own name for it"))

interface Changed {
  readonly server: string
  readonly changed: QuarantinedTool
}

const changedOf = ({ integration_id, quarantined }: Integration): ReadonlyArray<Changed> =>
  quarantined.map((changed) => ({ server: integration_id, changed }))

const inColour = (line: string, paint: Paints): string =>
  line.startsWith("+") ? paint.green(line) : line.startsWith("-") ? paint.red(line) : line

const shown = ({ changed, server }: Changed, paint: Paints): ReadonlyArray<string> => [
  paint.bold(`${visible(server)} ${visible(changed.tool)}`),
  visible(changed.reason),
  ...visibleLines(changed.diff).map((line) => inColour(line, paint)),
  paint.dim(`pin ${visible(changed.pin)}`)
]

const painter = Effect.map(TerminalCapabilities.TerminalCapabilities, ({ canColor }) => paints(canColor))

const diff = Command.make(
  "diff",
  { server: server.pipe(Argument.optional), tool: tool.pipe(Argument.optional), json },
  Effect.fn(function*({ json, server, tool }) {
    const integrations = yield* readIntegrations(Option.getOrUndefined(server))
    const all = integrations.flatMap(changedOf).filter(({ changed }) =>
      Option.isNone(tool) || changed.tool === tool.value
    )
    if (json) {
      return yield* Effect.forEach(
        all,
        ({ changed, server }) => Console.log(visibleJson({ server, ...changed })),
        { discard: true }
      )
    }
    if (all.length === 0) {
      return yield* Console.log(
        Option.isNone(tool)
          ? "No tool is in quarantine."
          : `The tool ${visible(tool.value)} is not in quarantine.`
      )
    }
    const paint = yield* painter
    const say = yield* spell
    for (const one of all) {
      for (const line of [...shown(one, paint), ""]) yield* Console.log(line)
    }
    yield* Console.log(paint.dim(`It is used again after: ${say("mcp", "trust", "SERVER", "TOOL")}`))
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Show what servers have changed about tools that were trusted, line by line; with --json one object a line"
  ),
  Command.withShortDescription("Show what servers have changed about their tools"),
  Command.withExamples([{ command: "syris mcp diff" }, { command: "syris mcp diff files write_file" }])
)

const trust = Command.make(
  "trust",
  {
    server,
    tool,
    yes: Flag.Boolean("yes").pipe(
      Flag.withDescription("Do not ask: trust what is shown"),
      Flag.withDefault(false),
      Flag.withoutNegation
    ),
    json
  },
  Effect.fn(function*({ json, server, tool, yes }) {
    const [integration] = yield* readIntegrations(server)
    const found = (integration === undefined ? [] : changedOf(integration)).find(({ changed }) => changed.tool === tool)
    const say = yield* spell
    if (found === undefined) {
      return yield* failed(
        `The server ${visible(server)} has no tool ${visible(tool)} in quarantine: see ${
          say("integrations", visible(server))
        }`
      )
    }
    const paint = yield* painter
    if (!json) { for (const line of shown(found, paint)) yield* Console.log(line) }
    if (!yes) {
      if (process.stdin.isTTY !== true) {
        return yield* misused("Nobody is here to say yes: look at the diff, then give --yes.")
      }
      const agreed = yield* Prompt.run(Prompt.Confirm({ message: "Trust the tool as it is now?", initial: false }))
      if (!agreed) return yield* Console.log("It stays in quarantine.")
    }
    const client = yield* Client
    const { body } = yield* client.request(
      `/integrations/${encodeURIComponent(server)}/tools/${encodeURIComponent(tool)}/trust`,
      { method: "POST", body: { pin: found.changed.pin } }
    )
    yield* Console.log(
      json ? visibleJson(body, 2) : `The tool ${visible(tool)} of ${visible(server)} is trusted as it is now.`
    )
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Trust a tool in quarantine as its server describes it now: shows the diff, and asks for a yes"
  ),
  Command.withShortDescription("Trust a changed tool as it is now"),
  Command.withExamples([{ command: "syris mcp trust files write_file" }])
)

export const mcpSubcommands = [diff, trust] as const
