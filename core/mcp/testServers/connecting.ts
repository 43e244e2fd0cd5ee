/**
 * Connects to a server as the host does, without a host: everything is a Promise.
 */
import type { CallToolResult } from "@modelcontextprotocol/client"
import { Effect, Exit, Layer, Scope } from "effect"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { Environment } from "../../database/Environment.ts"
import type { Configuration } from "../../plugin/Configuration.ts"
import { type McpServerSettings, readMcp } from "../../plugin/McpSettings.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import { openStore, SecretsStore } from "../../secrets/SecretsStore.ts"
import { connect, type ConnectOptions } from "../Connect.ts"
import type { CallContext, McpConnection, McpFailed } from "../McpConnection.ts"
import type { ServerRequests } from "../ServerRequests.ts"

export type ServerOption = NonNullable<Configuration["mcp"]>[string]

export const settingsOf = (option: ServerOption, name = "theirs"): McpServerSettings => {
  const read = readMcp({ [name]: option } as Parameters<typeof readMcp>[0])
  if (typeof read === "string") throw new Error(read)
  return read[0]!
}

const home = fs.mkdtempSync(path.join(os.tmpdir(), "syris-mcp-"))
process.once("exit", () => fs.rmSync(home, { recursive: true, force: true }))
export const secrets = openStore(home)
const services = Layer.provideMerge(
  Redactor.layer,
  Layer.mergeAll(
    Layer.succeed(SecretsStore, SecretsStore.of(secrets)),
    Layer.succeed(Environment, {
      home,
      host: "127.0.0.1",
      port: 0,
      config: path.join(home, "syris.config.ts"),
      databaseUrl: undefined
    })
  )
)

const nothingAllowed: ServerRequests = { capabilities: {}, register: () => {} }

export interface Connected {
  readonly connection: McpConnection
  readonly tools: () => Promise<{ readonly tools: ReadonlyArray<string>; readonly more: boolean }>
  readonly call: (
    tool: string,
    input?: Readonly<Record<string, unknown>>,
    context?: Partial<CallContext>
  ) => Promise<CallToolResult>
  /** The failure of a call that must not succeed. */
  readonly failure: (
    tool: string,
    input?: Readonly<Record<string, unknown>>,
    context?: Partial<CallContext>
  ) => Promise<McpFailed>
  readonly ping: () => Promise<number>
  readonly closed: () => Promise<string>
  readonly toolsChanged: () => Promise<void>
  readonly close: () => Promise<void>
}

let calls = 0
const contextOf = (given: Partial<CallContext> = {}): CallContext => ({
  trace_id: "trace",
  idempotency_key: `key-${++calls}`,
  signal: new AbortController().signal,
  timeoutMs: 10_000,
  progress: () => {},
  ...given
})

/** Fails with `McpFailed`. */
export const connectTo = async (
  server: ServerOption | McpServerSettings,
  options: ConnectOptions = {},
  requests: ServerRequests = nothingAllowed
): Promise<Connected> => {
  const settings = "place" in server ? server : settingsOf(server)
  const scope = Scope.makeUnsafe()
  const close = (): Promise<void> => Effect.runPromise(Scope.close(scope, Exit.void))
  const connecting = connect(settings, requests, options).pipe(
    Scope.provide(scope),
    Effect.provide(services)
  )
  const exit = await Effect.runPromiseExit(connecting)
  if (Exit.isFailure(exit)) {
    await close()
    return Effect.runPromise(Effect.failCause(exit.cause))
  }
  const connection = exit.value
  return {
    connection,
    tools: async () => {
      const { more, tools } = await Effect.runPromise(connection.tools)
      return { tools: tools.map(({ name }) => name), more }
    },
    call: (tool, input = {}, context = {}) => Effect.runPromise(connection.call(tool, input, contextOf(context))),
    failure: (tool, input = {}, context = {}) =>
      Effect.runPromise(Effect.flip(connection.call(tool, input, contextOf(context)))),
    ping: () => Effect.runPromise(connection.ping),
    closed: () => Effect.runPromise(connection.closed),
    toolsChanged: () => Effect.runPromise(connection.toolsChanged),
    close
  }
}
