/**
 * One connection to a server of the Model Context Protocol, as the rest of the host sees it: bounded in time and size, and
 * nothing in it is repeated by itself.
 */
import type { CallToolResult } from "@modelcontextprotocol/client"
import { type Effect, Schema } from "effect"

/** The server, or the way to it, has failed. `message` is a sentence for the operator. */
export class McpFailed extends Schema.TaggedError<McpFailed>()("McpFailed", {
  detail: Schema.String,
  /** A call: whether it can have reached the server. What was never sent was not done. */
  sent: Schema.Boolean,
  /** The server answered, and its answer is an error of the protocol (an unknown tool, wrong arguments): it was not done. */
  refused: Schema.optionalKey(Schema.Boolean),
  /** The operator has to sign in first. */
  sign_in: Schema.optionalKey(Schema.Boolean),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

/** A tool in the server's own words: hostile until it was looked at. */
export interface ListedTool {
  readonly name: string
  readonly description?: string | undefined
  readonly inputSchema: unknown
  readonly outputSchema?: unknown
}

/** Whose call it is, for what the server may ask in the midst of it. */
export interface CallContext {
  readonly trace_id: string
  readonly task_id?: string | undefined
  readonly step_id?: string | undefined
  /** The same for every attempt; the server gets it as `_meta["syris/idempotency-key"]`. */
  readonly idempotency_key: string
  readonly signal: AbortSignal
  readonly timeoutMs: number
  readonly progress: (progress: { readonly percent?: number; readonly message?: string }) => void
}

export interface McpConnection {
  readonly server: { readonly name: string; readonly version: string; readonly protocol: string }
  /** All pages, at most 1 000 tools and 4 MiB; `more` where the server has further ones, which are not read. */
  readonly tools: Effect.Effect<{ readonly tools: ReadonlyArray<ListedTool>; readonly more: boolean }, McpFailed>
  /** One call, sent at most once. Its answer is at most 8 MiB. */
  readonly call: (
    tool: string,
    input: Readonly<Record<string, unknown>>,
    context: CallContext
  ) => Effect.Effect<CallToolResult, McpFailed>
  /** Asks for a sign of life; milliseconds. */
  readonly ping: Effect.Effect<number, McpFailed>
  /** Waits until the server says that its tools have changed. */
  readonly toolsChanged: Effect.Effect<void>
  /** Waits until the connection is over; the sentence that says why. */
  readonly closed: Effect.Effect<string>
  /** What was wrong with what it sent in the last minute, though the connection stands: a sentence. */
  readonly noted?: () => string | undefined
  /** The last lines of its standard error, at most 16 KiB, invisible characters written out; empty for one over HTTP. */
  readonly stderr: () => string
  /** Of the process that the host has started. */
  readonly pid: number | undefined
}
