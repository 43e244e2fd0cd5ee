/**
 * The servers of the Model Context Protocol that the configuration names: one fiber each, all at once, and nobody waits for
 * them.
 *
 * - Tools that were trusted before are registered when the layer is built, before a server is connected and before the
 *   pipeline takes work: what was planned with them finds them. A server's tools stay while it is away; its calls are told so.
 * - One that is switched off loses its tools and its connection at once, in every host (`IntegrationSwitches`).
 */
import { Clock, Context, Effect, Layer } from "effect"
import type { Integration } from "../contract/Integration.ts"
import type { SqlError } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import type { AuditType } from "../contract/AuditEvent.ts"
import { newId } from "../database/Ids.ts"
import { Health } from "../health/Health.ts"
import { LiveTools } from "../plugin/LiveTools.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import { makePluginLog } from "../plugin/PluginLog.ts"
import { Settings } from "../plugin/Settings.ts"
import { IntegrationSwitches } from "../safety/IntegrationSwitches.ts"
import { Connecting } from "./Connecting.ts"
import type { McpConnection } from "./McpConnection.ts"
import { RealTime } from "./RealTime.ts"
import { serverCalls } from "./ServerCalls.ts"
import { makeServerLife } from "./ServerLife.ts"
import { serverRecord } from "./ServerRecord.ts"
import { makeServerState } from "./ServerState.ts"
import { makeServerTools } from "./ServerTools.ts"
import type { SignIn } from "./SignIn.ts"
import { type McpToolNotFound, type McpTrustRefused, ToolPins } from "./ToolPins.ts"

export class McpServers extends Context.Service<McpServers, {
  /** In the order of the configuration. */
  readonly all: Effect.Effect<ReadonlyArray<Integration>, SqlError.SqlError>
  readonly byId: (server: string) => Effect.Effect<Integration | undefined, SqlError.SqlError>
  readonly has: (server: string) => boolean
  /** Trusts a tool in quarantine as it is now, in every host. */
  readonly trust: (
    server: string,
    tool: string,
    pin?: string
  ) => Effect.Effect<void, McpToolNotFound | McpTrustRefused | SqlError.SqlError>
  /** Tries a server again now, where it waits for its next attempt. */
  readonly nudge: (server: string) => void
}>()("syris/mcp/McpServers") {
  static readonly layer = Layer.effect(McpServers, Effect.suspend(() => make))
}

/** What was trusted is read for so many servers at once, at the start. */
const readAtOnce = 4
/** After a fault of ours. */
const againAfterMs = 5_000

const make = Effect.gen(function*() {
  const pins = yield* ToolPins
  const settings = yield* Settings
  const switches = yield* IntegrationSwitches
  const one = yield* makeServer
  const servers = new Map(settings.mcp.map((server) => [server.server, one(server)]))
  const all = [...servers.values()]

  // In this order from now on, whoever is read first.
  for (const { tools } of all) tools.withdraw()
  yield* Effect.forEach(all, ({ tools }) => tools.register, { discard: true, concurrency: readAtOnce })
  yield* switches.onLook(Effect.forEach(
    all,
    ({ life, tools }) =>
      Effect.suspend(() => {
        life.look()
        return tools.refresh
      }),
    { discard: true }
  ))
  // One fiber above all of them: they end at once, too, and not one after the other.
  yield* Effect.forkScoped(
    Effect.forEach(all, ({ keep }) => keep, { discard: true, concurrency: "unbounded" })
  )

  return McpServers.of({
    all: Effect.forEach(all, ({ record }) => record),
    byId: (server) => servers.get(server)?.record ?? Effect.succeed(undefined),
    has: (server) => servers.has(server),
    trust: Effect.fnUntraced(function*(server, tool, pin) {
      yield* pins.trust(server, tool, pin)
      yield* servers.get(server)?.tools.refresh ?? Effect.void
    }),
    nudge: (server) => servers.get(server)?.life.nudge()
  })
})

/** One server, of all that it stands on. */
const makeServer = Effect.gen(function*() {
  const audit = yield* Audit
  const { connect, signIn } = yield* Connecting
  const health = yield* Health
  const live = yield* LiveTools
  const logOf = yield* makePluginLog
  const pins = yield* ToolPins
  const { tools: overrides } = yield* Settings
  const switches = yield* IntegrationSwitches
  const time = yield* RealTime

  const tell = (type: AuditType, server: string, summary: string, data: Record<string, unknown>, latency_ms?: number) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      audit.append({
        type,
        trace_id: newId(),
        at: new Date(now),
        summary,
        actor: `mcp.${server}`,
        latency_ms,
        data: { server, ...data }
      })).pipe(
        Effect.catchCause((cause) =>
          Effect.logWarning(`What became of the MCP server ${server} was not written down.`, cause)
        )
      )

  return (settings: McpServerSettings) => {
    const { server } = settings
    let signing: SignIn | undefined
    const isOff = () => switches.isOff(server)
    const state = makeServerState(server)
    const calls = serverCalls(settings, state, time)
    const tools = makeServerTools({
      settings,
      overrides,
      pins,
      live,
      log: logOf({ plugin: `mcp.${server}` }),
      isOff,
      use: calls.use,
      time
    })
    const life = makeServerLife({
      server,
      state,
      time,
      connect: Effect.gen(function*() {
        signing ??= yield* signIn(settings)
        const connection = yield* connect(settings, signing)
        return { ...connection, toolsChanged: tools.changed(connection.toolsChanged) }
      }),
      sync: tools.sync,
      isBusy: calls.isBusy,
      answered: calls.answered,
      isOff,
      register: Effect.ignoreCause(tools.register),
      withdraw: tools.withdraw,
      signedIn: Effect.suspend(() => signing?.settled ?? Effect.never),
      degrade: (sentence) => health.degrade(server, sentence),
      recover: health.recover(server),
      told: {
        connected: ({ server: is }: McpConnection, latency_ms) =>
          tell(
            "mcp.connected",
            server,
            `The MCP server ${server} is connected: ${is.name} ${is.version}, protocol ${is.protocol}.`.slice(0, 300),
            { name: is.name, version: is.version, protocol: is.protocol, latency_ms },
            latency_ms
          ),
        disconnected: (reason) =>
          tell(
            "mcp.disconnected",
            server,
            `The MCP server ${server} is not connected: ${reason}`.slice(0, 300),
            { reason: reason.slice(0, 2_000) }
          )
      }
    })
    // A fault of ours with one server leaves the others alone.
    const keep = life.run.pipe(
      Effect.catchCause((cause) => Effect.logError(`The MCP server ${server} was not looked after.`, cause)),
      Effect.andThen(time.sleep(againAfterMs)),
      Effect.forever
    )
    const record = Effect.suspend(() => {
      const now = tools.known()
      const here = new Map(now.quarantined.map(({ pin, tool }) => [tool, pin]))
      const shown = here.size === 0
        ? Effect.succeed([])
        : Effect.map(pins.quarantined(server), (all) => all.filter(({ pin, tool }) => here.get(tool) === pin))
      return Effect.map(
        shown,
        (quarantined) => serverRecord(settings, state.known(), { ...now, quarantined }, isOff(), signing?.url())
      )
    })
    return { life, keep, tools, record }
  }
})
