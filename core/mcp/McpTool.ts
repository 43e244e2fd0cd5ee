/**
 * A server's tool as one of the registry: gated, written down and bounded like any other.
 *
 * - What it may be is the operator's word; nothing that the server says of itself counts. Its pin is of both, so an approval
 *   ends with a change of either.
 * - What it takes is checked by the server's own schema, and nothing is filled in: what was shown is what runs.
 * - A server that answers `isError` has run it and says that it did not go well. That is an answer and no silence, so the call
 *   is failed with the server's words (`ToolRefused`), for a write too: nobody knows more than the server, and it is
 *   not repeated. A server that says so of what it has half done would lie about that in an answer without the mark, too.
 */
import type { CallToolResult } from "@modelcontextprotocol/client"
import canonicalize from "canonicalize"
import { Effect, Schema } from "effect"
import { createHash } from "node:crypto"
import type { Risk } from "../contract/Enums.ts"
import { inputReader, outputEncoder } from "../plugin/InputOutput.ts"
import type { McpServerSettings, McpToolTrust } from "../plugin/McpSettings.ts"
import type { BoundLog } from "../plugin/PluginLog.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import { type ToolContext, type ToolDefinition, ToolRefused, ToolUnknown } from "../plugin/Tool.ts"
import type { ToolOverride } from "../plugin/ToolRegistration.ts"
import { definitionProblem, type PinnedTool } from "./Definition.ts"
import { describe, shownSchema } from "./Description.ts"
import { type Check, makeCheck } from "./InputSchema.ts"
import type { CallContext, McpFailed } from "./McpConnection.ts"
import { errorWords, readResult } from "./Results.ts"

/** Sends one call of the tool to its server. */
export type Use = (
  input: Readonly<Record<string, unknown>>,
  context: CallContext
) => Effect.Effect<CallToolResult, McpFailed>

/** The name of a server's tool in the registry. */
export const registeredName = (server: string, tool: string): string => `mcp.${server}.${tool}`

const defaultConcurrency = 10

const pinOf = (pin: string, { effect, guarantee, risk, scopes }: McpToolTrust): string =>
  createHash("sha256").update(canonicalize({ pin, effect, guarantee, risk, scopes: [...scopes].sort() }) ?? "")
    .digest("hex")

/** The tool, or why it can't be used: one sentence. */
export const makeTool = (
  settings: McpServerSettings,
  { definition: said, pin, tool, vouched = false }: PinnedTool,
  use: Use,
  { log, override = {} }: { readonly log: BoundLog; readonly override?: ToolOverride | undefined }
): RegisteredTool | string => {
  if (!settings.allows(tool)) return "Your configuration does not allow it."
  const problem = definitionProblem(said)
  if (problem !== undefined) return problem
  const { server } = settings
  const trust = settings.trustOf(tool)
  const name = registeredName(server, tool)
  const timeoutMs = override.timeoutMs ?? settings.timeoutMs
  const checkInput = once(said.inputSchema as object)
  const checkOutput = said.outputSchema === undefined ? undefined : once(said.outputSchema as object)
  const risk: Risk = trust.risk
  const definition: ToolDefinition = {
    name,
    description: describe(server, said),
    input: Schema.Any,
    effect: trust.effect,
    risk,
    scopes: trust.scopes,
    guarantee: trust.guarantee,
    trust: "untrusted",
    run: (input: Readonly<Record<string, unknown>>, ctx: ToolContext) =>
      runOf(
        server,
        name,
        Effect.mapError(use(input, contextOf(ctx, timeoutMs)), endingOf(trust)),
        ctx,
        checkOutput
      )
  }
  return {
    plugin: `mcp.${server}`,
    definition,
    pin: pinOf(pin, trust),
    inputSchema: shownSchema(said.inputSchema),
    outputSchema: outputSchemaOf(said.outputSchema),
    timeoutMs,
    concurrency: override.concurrency ?? defaultConcurrency,
    decodeInput: decoder(name, checkInput),
    encodeOutput: outputEncoder(name, undefined),
    riskOf: () => risk,
    operatorOnly: false,
    steering: undefined,
    actsLater: undefined,
    notifies: false,
    strange: !vouched && !settings.vouchesFor(tool),
    log: log.with({ tool: name })
  }
}

const contextOf = (ctx: ToolContext, timeoutMs: number): CallContext => ({
  trace_id: ctx.traceId,
  task_id: ctx.taskId,
  step_id: ctx.stepId,
  idempotency_key: ctx.idempotencyKey,
  signal: ctx.signal,
  timeoutMs,
  progress: ctx.progress
})

/** Made when it is needed first. */
const once = (schema: object): () => Promise<Check | string> => {
  let made: Promise<Check | string> | undefined
  return () => made ??= makeCheck(schema)
}

/**
 * The ending in the words of the ledger: what was never sent was not done, and what was sent and lost is not known. A read
 * that was not answered counts as not done either way, and may be tried again.
 */
const endingOf = ({ effect }: McpToolTrust) => ({ detail, refused, sent }: McpFailed): ToolRefused | ToolUnknown =>
  refused !== true && (sent || effect === "read") ? new ToolUnknown(detail) : new ToolRefused(detail)

const runOf = Effect.fnUntraced(function*(
  server: string,
  name: string,
  answer: Effect.Effect<CallToolResult, ToolRefused | ToolUnknown>,
  ctx: ToolContext,
  checkOutput: (() => Promise<Check | string>) | undefined
) {
  const result = yield* answer
  if (result.isError === true) {
    return yield* Effect.fail(new ToolRefused(`The server ${server} says that it failed: ${errorWords(result)}`))
  }
  return yield* Effect.tryPromise({
    try: async () => {
      const check = await checkOutput?.()
      return readResult(
        result,
        ctx.artifact,
        typeof check === "function" ? (value) => check(value)?.replace("the input", "it") : undefined
      )
    },
    catch: (error) => new ToolUnknown(`${name} was answered, but its answer can't be kept: ${String(error)}`)
  })
})

const decoder = (name: string, check: () => Promise<Check | string>): RegisteredTool["decodeInput"] =>
  inputReader(name, (json) =>
    Effect.flatMap(Effect.promise(check), (made) => {
      if (typeof made === "string") return Effect.fail(`its schema can't be used, so nothing is: ${made}`)
      const mistake = made(json)
      return mistake === undefined ? Effect.succeed(json) : Effect.fail(mistake)
    }))

const text = { type: "string" } as const

/** What `Results.ts` makes of an answer; what is structured is as the server says. */
const outputSchemaOf = (structured: unknown): object => ({
  type: "object",
  properties: {
    message: text,
    content: {
      type: "array",
      items: {
        type: "object",
        properties: {
          type: { enum: ["text", "image", "audio", "resource", "link"] },
          text,
          artifact_id: text,
          media_type: text,
          bytes: { type: "integer" },
          name: text,
          uri: text
        },
        required: ["type"]
      }
    },
    ...(structured === undefined ? {} : { structured: shownSchema(structured) }),
    left_out: { type: "array", items: text }
  },
  required: ["message", "content"]
})
