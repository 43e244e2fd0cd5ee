/**
 * The tools of servers of the Model Context Protocol for a replay: as they were trusted last, by what the database has of
 * them, and as the configuration at hand lets them be. No server is asked, and none can be called.
 */
import { Effect, Layer } from "effect"
import { makeMatch } from "../mcp/FastPath.ts"
import { McpFailed } from "../mcp/McpConnection.ts"
import { makeTool, registeredName } from "../mcp/McpTool.ts"
import { everTrusted } from "../mcp/ToolPins.ts"
import { LiveTools } from "../plugin/LiveTools.ts"
import { makePluginLog } from "../plugin/PluginLog.ts"
import { Settings } from "../plugin/Settings.ts"

const never = () => Effect.fail(new McpFailed({ detail: "A replay calls no tool.", sent: false }))

export const layerRecordedServerTools = Layer.effectDiscard(Effect.gen(function*() {
  const { mcp, tools: overrides } = yield* Settings
  const live = yield* LiveTools
  const log = yield* makePluginLog
  for (const settings of mcp) {
    const { server } = settings
    const tools = (yield* everTrusted(server)).flatMap((pinned) => {
      const made = makeTool(settings, pinned, never, {
        log: log({ plugin: `mcp.${server}` }),
        override: overrides.get(registeredName(server, pinned.tool))
      })
      return typeof made === "string" ? [] : [made]
    })
    live.set(server, { tools, match: makeMatch(tools) })
  }
}))
