/**
 * `syris mcp`: SYRIS as a server of the Model Context Protocol on the standard input and output, for programs that start
 * their servers themselves. A bridge: each request goes to `/mcp` of the running host with its token, and its answer comes
 * back as it is. Nothing but the protocol is written to the standard output.
 */
import type { Client as McpClient } from "@modelcontextprotocol/client"
import type { McpServerFactory, Request, RequestMethod, ServerContext } from "@modelcontextprotocol/server"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { version } from "../health/Version.ts"
import { Client, RequestFailed } from "./client.ts"
import { mcpSubcommands } from "./mcp.ts"

type ClientSdk = typeof import("@modelcontextprotocol/client")
type ServerSdk = typeof import("@modelcontextprotocol/server")

const serve = Effect.gen(function*() {
  const client = yield* Client
  // Says in a sentence that no host runs, or that it does not know the token, before anybody is kept waiting.
  yield* client.request("/state")
  yield* Effect.callback<void>((resume) => {
    const serving = Promise.all([
      import("@modelcontextprotocol/client"),
      import("@modelcontextprotocol/server"),
      import("@modelcontextprotocol/server/stdio")
    ]).then(([clients, servers, { serveStdio }]) => serveStdio(bridge(clients, servers, client)))
    const end = () => void serving.then((handle) => handle.close()).finally(() => resume(Effect.void))
    // Whoever started this closes its end when it is done.
    process.stdin.once("end", end).once("close", end)
    serving.catch((cause) => resume(Effect.die(cause)))
    return Effect.promise(() => serving.then((handle) => handle.close()))
  })
})

/** What is asked of the host in the name of the client. */
const forwarded = [
  "tools/list",
  "tools/call",
  "resources/list",
  "resources/templates/list",
  "resources/read"
] as const satisfies ReadonlyArray<RequestMethod>

/** A call waits for its end at the host, half a minute at the most. */
const longestAnswer = 60_000

const bridge = (
  clients: ClientSdk,
  servers: ServerSdk,
  { fetch, url }: Pick<Client["Service"], "fetch" | "url">
): McpServerFactory =>
() => {
  const server = new servers.Server({ name: "syris", version }, {
    capabilities: { tools: { listChanged: true }, resources: {} }
  })
  let connected: Promise<McpClient> | undefined

  /** To the host, in the name of whoever is at the other end, and newly after a connection that failed. */
  const upstream = (ctx: ServerContext): Promise<McpClient> => {
    connected ??= connect(whoOf(ctx)).catch((cause) => {
      connected = undefined
      throw cause
    })
    return connected
  }
  /** The older era says it once, the newer one with each request. */
  const whoOf = ({ mcpReq: { envelope } }: ServerContext) => {
    const said = (envelope as Readonly<Record<string, unknown>> | undefined)?.[servers.CLIENT_INFO_META_KEY]
    const named = typeof said === "object" && said !== null && "name" in said && typeof said.name === "string"
    return named ? { name: said.name as string, version } : server.getClientVersion() ?? { name: "stdio", version }
  }
  const connect = async (who: { readonly name: string; readonly version: string }): Promise<McpClient> => {
    const client = new clients.Client(who, {
      versionNegotiation: { mode: "auto" },
      listChanged: {
        tools: { autoRefresh: false, onChanged: () => void server.sendToolListChanged().catch(() => {}) }
      }
    })
    await client.connect(
      new clients.StreamableHTTPClientTransport(new URL("/mcp", url), { fetch: (_, init) => fetch("/mcp", init) })
    )
    return client
  }

  const forward = async ({ method, params }: Request, ctx: ServerContext) => {
    const { _meta, signal } = ctx.mcpReq
    const { progressToken: _, ...meta } = _meta ?? {}
    try {
      return await (await upstream(ctx)).request({ method, params: { ...params, _meta: meta } } as never, {
        signal,
        timeout: longestAnswer
      })
    } catch (cause) {
      throw cause instanceof RequestFailed ? new Error(cause.sentence) : cause
    }
  }
  for (const method of forwarded) server.setRequestHandler(method, forward as never)
  server.onclose = () => void connected?.then((client) => client.close()).catch(() => {})
  return server
}

export const mcp = Command.make("mcp", {}, () => serve).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Serve SYRIS over the Model Context Protocol on the standard input and output, for a program that starts its servers " +
      "itself: its tools to look, submit_event, and gated calls. Needs a running host; approvals stay with you"
  ),
  Command.withShortDescription("Serve SYRIS over the Model Context Protocol; what servers changed about their tools"),
  Command.withSubcommands([...mcpSubcommands]),
  Command.withExamples([
    { command: "syris mcp", description: "As the command of a server in the settings of an MCP client" },
    { command: "syris mcp diff", description: "What servers have changed about tools that were trusted" }
  ])
)
