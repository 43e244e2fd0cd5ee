/**
 * A server as `GET /integrations` shows it. Whatever a server has said is shown with its invisible characters written out.
 */
import type { Integration, QuarantinedTool } from "../contract/Integration.ts"
import { visible, visibleLines } from "../contract/Visible.ts"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import type { Known } from "./ServerState.ts"
import type { ToolsKnown } from "./ServerTools.ts"

export const serverRecord = (
  { server }: McpServerSettings,
  known: Known,
  { quarantined, refused, tools }: Omit<ToolsKnown, "quarantined"> & {
    readonly quarantined: ReadonlyArray<QuarantinedTool>
  },
  off: boolean,
  sign_in_url: string | undefined
): Integration => {
  const stderr = visibleLines(known.connection?.stderr() ?? known.stderr).join("\n").trimEnd()
  const { connected_at, latency_ms, next_attempt_at, server: is } = known
  const last_error = known.last_error ?? known.connection?.noted?.()
  return {
    integration_id: server,
    kind: "mcp",
    health: last_error === undefined ? "healthy" : "degraded",
    enabled: !off,
    state: known.state,
    ...(last_error === undefined ? {} : { last_error: visible(last_error) }),
    ...(latency_ms === undefined ? {} : { latency_ms }),
    ...(connected_at === undefined || known.connection === undefined
      ? {}
      : { connected_at: connected_at.toISOString() }),
    ...(next_attempt_at === undefined ? {} : { next_attempt_at: next_attempt_at.toISOString() }),
    ...(is === undefined
      ? {}
      : { server: { name: visible(is.name), version: visible(is.version), protocol: visible(is.protocol) } }),
    ...(sign_in_url === undefined || known.state !== "sign_in" ? {} : { sign_in_url }),
    ...(stderr === "" ? {} : { stderr }),
    tools,
    quarantined: quarantined.map(({ diff, pin, reason, tool }) => ({
      tool: visible(tool),
      reason: visible(reason),
      diff: visibleLines(diff).join("\n"),
      pin
    })),
    refused: refused.map(({ reason, tool }) => ({ tool: visible(tool), reason: visible(reason) }))
  }
}
