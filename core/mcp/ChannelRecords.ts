/**
 * The channels of the plugins as integrations: what is known of how they receive and send.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import type { Integration } from "../contract/Integration.ts"
import { Health } from "../health/Health.ts"
import { ailmentOf } from "../pipeline/Channels.ts"
import { type RegisteredChannel, Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { IntegrationSwitches } from "../safety/IntegrationSwitches.ts"

/** How old the last call of a channel's `send` may be to say something of now. */
const sendsWithin = "1 day"

export class ChannelRecords extends Context.Service<ChannelRecords, {
  readonly all: Effect.Effect<ReadonlyArray<Integration>, SqlError.SqlError>
  readonly has: (integration_id: string) => boolean
  /** The id of a connector as an integration; nothing where no plugin has such a connector. */
  readonly idOf: (connector_id: string) => string | undefined
}>()("syris/mcp/ChannelRecords") {
  static readonly layer = Layer.effect(ChannelRecords, Effect.suspend(() => make))
}

interface LastSend {
  readonly tool: string
  readonly status: "succeeded" | "failed" | "unknown"
  readonly message: string | null
}

const make = Effect.gen(function*() {
  const health = yield* Health
  const registry = yield* Registry
  const { mcp } = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const switches = yield* IntegrationSwitches

  const servers = new Set(mcp.map(({ server }) => server))
  // A server of the same name has the plain id.
  const idOf = (connector_id: string): string => servers.has(connector_id) ? `channel.${connector_id}` : connector_id
  const sendOf = ({ channel, connector_id }: RegisteredChannel): string | undefined =>
    channel.send === undefined
      ? undefined
      : registry.sendOf({ channel: channel.name, connector_id })?.definition.name

  const lastSends = (tools: ReadonlyArray<string>) =>
    sql<LastSend>`
      select distinct on (tool) tool, status, error ->> 'message' as message
      from tool_calls
      where tool = any(${[...tools]}) and status in ('succeeded', 'failed', 'unknown')
        and tool_call_id >= uuid_floor(now() - ${sendsWithin}::interval)
      order by tool, resolved_at desc nulls first`

  const all = Effect.gen(function*() {
    const channels = registry.channels()
    const tools = channels.map(sendOf).filter((tool) => tool !== undefined)
    const sends = new Map((tools.length === 0 ? [] : yield* lastSends(tools)).map((one) => [one.tool, one]))
    const ailments = yield* health.ailments
    return channels.map((registered): Integration => {
      const { connector_id } = registered
      const integration_id = idOf(connector_id)
      const off = switches.isOff(integration_id)
      const tool = sendOf(registered)
      const sent = tool === undefined ? undefined : sends.get(tool)
      const deaf = ailments.find(({ name }) => name === ailmentOf(connector_id))
      const failed = sent === undefined || sent.status === "succeeded"
        ? undefined
        : `The last message that it was to send ${sent.status === "failed" ? "failed" : "may not have gone out"}: ${
          sent.message ?? "no reason is known"
        }`
      const error = off ? undefined : deaf?.reason ?? failed
      return {
        integration_id,
        kind: "channel",
        health: off ? "healthy" : deaf?.status ?? (failed === undefined ? "healthy" : "degraded"),
        enabled: !off,
        state: off ? "off" : deaf === undefined ? "connected" : "reconnecting",
        ...(error === undefined ? {} : { last_error: error }),
        tools: tool === undefined ? [] : [tool],
        quarantined: [],
        refused: []
      }
    })
  })

  return ChannelRecords.of({
    all,
    has: (integration_id) => registry.channels().some((one) => idOf(one.connector_id) === integration_id),
    idOf: (connector_id) => registry.connector(connector_id) === undefined ? undefined : idOf(connector_id)
  })
})
