/**
 * What the host is connected to, as the operator sees it and switches it: servers of the Model Context Protocol, and channels.
 */
import { Context, Effect, Layer, Schema } from "effect"
import type { SqlError } from "effect/sql"
import type { Integration } from "../contract/Integration.ts"
import { visible } from "../contract/Visible.ts"
import { IntegrationSwitches } from "../safety/IntegrationSwitches.ts"
import { ChannelRecords } from "./ChannelRecords.ts"
import { McpServers } from "./McpServers.ts"
import type { McpToolNotFound, McpTrustRefused } from "./ToolPins.ts"

export class IntegrationNotFound
  extends Schema.TaggedError<IntegrationNotFound>()("IntegrationNotFound", { integration_id: Schema.String })
{
  override get message() {
    return `There is no integration ${visible(this.integration_id)}; GET /integrations lists them.`
  }
}

type Answer = Effect.Effect<Integration, IntegrationNotFound | SqlError.SqlError>

export class Integrations extends Context.Service<Integrations, {
  /** Servers in the order of the configuration, then channels. */
  readonly all: Effect.Effect<ReadonlyArray<Integration>, SqlError.SqlError>
  readonly byId: (integration_id: string) => Answer
  readonly setEnabled: (integration_id: string, enabled: boolean) => Answer
  /** Trusts a tool as it is now; `pin` is that of what was shown. Answers its server. */
  readonly trust: (
    integration_id: string,
    tool: string,
    pin?: string
  ) => Effect.Effect<Integration, IntegrationNotFound | McpToolNotFound | McpTrustRefused | SqlError.SqlError>
}>()("syris/mcp/Integrations") {
  static readonly layer = Layer.effect(
    Integrations,
    Effect.gen(function*() {
      const channels = yield* ChannelRecords
      const servers = yield* McpServers
      const switches = yield* IntegrationSwitches

      const all = Effect.map(
        Effect.all([servers.all, channels.all]),
        ([ofServers, ofChannels]) => [...ofServers, ...ofChannels]
      )
      const byId = Effect.fnUntraced(function*(integration_id: string) {
        const found = (yield* servers.byId(integration_id)) ??
          (yield* channels.all).find((one) => one.integration_id === integration_id)
        return found ?? (yield* new IntegrationNotFound({ integration_id }))
      })
      const setEnabled = Effect.fnUntraced(function*(integration_id: string, enabled: boolean) {
        const what = servers.has(integration_id)
          ? "the MCP server"
          : channels.has(integration_id)
          ? "the channel"
          : yield* new IntegrationNotFound({ integration_id })
        yield* switches.set(integration_id, enabled, `${what} ${integration_id}`)
        // One that was on all the time, and waits for its next attempt.
        if (enabled) servers.nudge(integration_id)
        return yield* byId(integration_id)
      })
      const trust = Effect.fnUntraced(function*(integration_id: string, tool: string, pin?: string) {
        if (!servers.has(integration_id)) return yield* new IntegrationNotFound({ integration_id })
        yield* servers.trust(integration_id, tool, pin)
        return yield* byId(integration_id)
      })
      return Integrations.of({ all, byId, setEnabled, trust })
    })
  )
}
