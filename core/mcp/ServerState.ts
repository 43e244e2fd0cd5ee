/**
 * What is known of one server now, and who waits for its connection.
 *
 *     connecting -> connected -> reconnecting -> connected …
 *     connecting, reconnecting -> sign_in -> connected …
 *     any -> off -> connecting
 */
import { Effect } from "effect"
import type { IntegrationState } from "../contract/Integration.ts"
import { type McpConnection, McpFailed } from "./McpConnection.ts"

export interface Known {
  readonly state: IntegrationState
  readonly connection: McpConnection | undefined
  /** What is wrong: a sentence. */
  readonly last_error: string | undefined
  readonly latency_ms: number | undefined
  readonly connected_at: Date | undefined
  readonly next_attempt_at: Date | undefined
  /** What it said it was, when it was last there. */
  readonly server: McpConnection["server"] | undefined
  /** The last lines of its standard error, of this connection or of the one that was lost. */
  readonly stderr: string
}

export interface ServerState {
  readonly known: () => Known
  readonly connecting: () => void
  readonly connected: (connection: McpConnection, at: Date) => void
  readonly lost: (error: string, next_attempt_at: Date | undefined) => void
  readonly signIn: (error: string) => void
  readonly off: () => void
  readonly alive: (latency_ms: number) => void
  /** It is connected again, and has been for a while. */
  readonly well: () => void
  /** A connection that may be used; waits for one while the state is `connecting`, at most so long. */
  readonly usable: (wait: Effect.Effect<void>) => Effect.Effect<McpConnection, McpFailed>
}

const asItIs: Known = {
  state: "connecting",
  connection: undefined,
  last_error: undefined,
  latency_ms: undefined,
  connected_at: undefined,
  next_attempt_at: undefined,
  server: undefined,
  stderr: ""
}

export const makeServerState = (server: string): ServerState => {
  let now: Known = asItIs
  const waiting = new Set<() => void>()
  const become = (next: Partial<Known>): void => {
    const stderr = now.connection?.stderr() ?? now.stderr
    now = { ...now, connection: undefined, next_attempt_at: undefined, stderr, ...next }
    for (const resume of waiting) resume()
  }

  /** Until the state is another one. */
  const change = Effect.callback<void>((resume) => {
    const told = (): void => {
      waiting.delete(told)
      resume(Effect.void)
    }
    waiting.add(told)
    return Effect.sync(() => waiting.delete(told))
  })

  const refused = (detail: string) =>
    new McpFailed({ detail, sent: false, ...(now.state === "sign_in" ? { sign_in: true } : {}) })

  const usable = (wait: Effect.Effect<void>) =>
    Effect.suspend((): Effect.Effect<McpConnection, McpFailed> => {
      if (now.connection !== undefined) return Effect.succeed(now.connection)
      if (now.state !== "connecting") return Effect.fail(refused(notThere(server, now)))
      const there: Effect.Effect<void> = Effect.suspend(() =>
        now.state === "connecting" ? Effect.andThen(change, there) : Effect.void
      )
      return Effect.andThen(
        Effect.raceFirst(there, wait),
        Effect.suspend(() =>
          now.connection === undefined ? Effect.fail(refused(notThere(server, now))) : Effect.succeed(now.connection)
        )
      )
    })

  return {
    known: () => now,
    connecting: () => become({ state: "connecting" }),
    connected: (connection, at) =>
      become({ state: "connected", connection, connected_at: at, server: connection.server, stderr: "" }),
    lost: (error, next_attempt_at) =>
      become({ state: "reconnecting", last_error: error, next_attempt_at, latency_ms: undefined }),
    signIn: (error) => become({ state: "sign_in", last_error: error, latency_ms: undefined }),
    off: () => become({ state: "off", last_error: undefined, latency_ms: undefined }),
    alive: (latency_ms) => void (now = { ...now, latency_ms }),
    well: () => void (now = { ...now, last_error: undefined }),
    usable
  }
}

/** Why a call can't be sent now, and what to do. */
const notThere = (server: string, { last_error, state }: Known): string => {
  const why = last_error === undefined ? "" : ` ${last_error}`
  switch (state) {
    case "off":
      return `The MCP server ${server} is switched off: switch it on with \`syris integrations enable ${server}\`.`
    case "sign_in":
      return `The MCP server ${server} asks you to sign in: \`syris integrations ${server}\` shows where.`
    case "connecting":
      return `The MCP server ${server} is not connected yet: try again, or see \`syris integrations ${server}\`.`
    default:
      return `The MCP server ${server} is not connected, and is tried again by itself: see \`syris integrations ${server}\`.${why}`
  }
}
