/**
 * Calls of one server's tools over the connection that it has now.
 *
 * A call waits for the connection while the host starts, for the half of its time at the most: what is left is for the call
 * itself. What was not sent was not done, and says so.
 */
import { Effect } from "effect"
import type { McpServerSettings } from "../plugin/McpSettings.ts"
import type { PinnedTool } from "./Definition.ts"
import { McpFailed } from "./McpConnection.ts"
import type { Use } from "./McpTool.ts"
import type { Time } from "./RealTime.ts"
import type { ServerState } from "./ServerState.ts"

const longestWaitMs = 10_000

export interface ServerCalls {
  /** Calls a tool as it was pinned; `isUsable` is asked when there is a connection: what was compared meanwhile counts. */
  readonly use: (pinned: PinnedTool, isUsable: (pinned: PinnedTool) => boolean) => Use
  /** Calls are under way, and none has run into its time-out since the server last answered. */
  readonly isBusy: () => boolean
  readonly answered: () => void
}

export const serverCalls = ({ server }: McpServerSettings, state: ServerState, time: Time): ServerCalls => {
  let underWay = 0
  let overdue = false

  const use: ServerCalls["use"] = (pinned, isUsable) =>
    Effect.fnUntraced(function*(input, context) {
      const { timeoutMs } = context
      const began = time.now()
      const connection = yield* state.usable(time.sleep(Math.min(longestWaitMs, timeoutMs / 2)))
      if (!isUsable(pinned)) {
        return yield* new McpFailed({
          detail: `The MCP server ${server} has changed its tool ${pinned.tool}: see \`syris mcp diff ${server}\`.`,
          sent: false
        })
      }
      underWay++
      return yield* connection.call(pinned.tool, input, {
        ...context,
        timeoutMs: Math.max(1, timeoutMs - (time.now() - began))
      }).pipe(
        Effect.tap(() => Effect.sync(() => void (overdue = false))),
        Effect.tapError(({ refused, sent }) =>
          Effect.sync(() => void (overdue = refused === true ? false : overdue || sent))
        ),
        // The host gives a call up that has run into its time-out.
        Effect.onInterrupt(() => Effect.sync(() => void (overdue = true))),
        Effect.ensuring(Effect.sync(() => void underWay--))
      )
    })

  return {
    use,
    isBusy: () => underWay > 0 && !overdue,
    answered: () => void (overdue = false)
  }
}
