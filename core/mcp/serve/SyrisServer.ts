/**
 * SYRIS as a server of the Model Context Protocol: what is listed, what a call does, what can be read. One factory for every
 * era of the protocol; it makes a server for each exchange, so making one costs next to nothing.
 *
 * The SDK is loaded by whoever serves: a host that nobody asks for `/mcp` does without it.
 */
import type {
  CallToolResult,
  ListResourcesResult,
  McpServerFactory,
  ReadResourceResult,
  ServerContext,
  Tool
} from "@modelcontextprotocol/server"
import { Effect, Exit, type Cause } from "effect"
import { clipped, visibleJson } from "../../contract/Visible.ts"
import { SystemState } from "../../health/SystemState.ts"
import { version } from "../../health/Version.ts"
import { EventLog } from "../../pipeline/EventLog.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import { makeActingTools } from "./ActingTools.ts"
import { bounded, refusedWith, ServeRefused } from "./Answers.ts"
import { actorOf } from "./AskedCalls.ts"
import type { ServedCall } from "./OwnTool.ts"
import { looked, makeReadingTools, makeStories } from "./ReadingTools.ts"

type Sdk = typeof import("@modelcontextprotocol/server")

/** Tools in one page of a list. */
const pageSize = 500

/** Traces that are listed as resources. */
const listedTraces = 50

/** Where a client names its call, so that a repeated request is done once. */
export const keyField = "syris/idempotency-key"

const longestKey = 200

const instructions = `SYRIS runs the automations of one operator. Look with the syris_ tools, tell it something with ` +
  "submit_event, or call a tool of it by its name. Every action passes the operator's gates; where one waits for an " +
  "approval, only the operator can give it, outside of this connection. Give each call that acts its own " +
  `_meta "${keyField}" and use it again when you repeat the call, so that it is done once.`

/** What is answered, whatever brings the questions. `stopping` ends the waits of calls, so that a stop is not held up. */
export const makeSyrisServer = Effect.fnUntraced(function*(stopping: Effect.Effect<void>) {
  const stories = yield* makeStories
  const reading = yield* makeReadingTools(stories)
  const acting = yield* makeActingTools(stories, stopping)
  const events = yield* EventLog
  const redactor = yield* Redactor
  const state = yield* SystemState
  const run = Effect.runPromiseExitWith(yield* Effect.context<never>())
  const own = new Map([...reading, acting.submit].map((tool) => [tool.listed.name, tool]))

  const tools = (): ReadonlyArray<Tool> => [...Array.from(own.values(), ({ listed }) => listed), ...acting.served()]

  const resources = looked(Effect.map(events.page({}, { limit: 500 }), ({ items }): ListResourcesResult => {
    const newest = new Map<string, string>()
    for (const { content, correlation: { trace_id }, source } of items) {
      if (newest.size >= listedTraces && !newest.has(trace_id)) break
      newest.set(trace_id, content.text === undefined ? source.channel : `${source.channel}: ${content.text}`)
    }
    const traces = Array.from(
      redactor.redactJson([...newest]),
      ([trace_id, words]) => ({ trace_id, words: clipped(words, 100) })
    )
    return {
      resources: [
        {
          uri: "syris://state",
          name: "state",
          description: "What SYRIS is doing, in numbers.",
          mimeType: "application/json"
        },
        ...traces.flatMap(({ trace_id, words }) => [
          {
            uri: `syris://traces/${trace_id}`,
            name: trace_id,
            description: `The whole story of a trace, as data (${words}).`,
            mimeType: "application/json"
          },
          {
            uri: `syris://traces/${trace_id}/why`,
            name: `${trace_id}/why`,
            description: `Why it went as it did, as data (${words}).`,
            mimeType: "text/plain"
          }
        ])
      ]
    }
  }))

  /** What lies at an address; `undefined` for an address of nothing. */
  const read = (uri: string): Effect.Effect<ReadResourceResult, ServeRefused> | undefined => {
    const shown = (mimeType: string, text: string): Effect.Effect<ReadResourceResult, ServeRefused> =>
      Effect.map(bounded(text), (text) => ({ contents: [{ uri, mimeType, text }] }))
    const json = (value: object) => shown("application/json", visibleJson(redactor.redactJson(value), 2))
    if (uri === "syris://state") return looked(Effect.flatMap(state.current, json))
    const [, trace_id, why] = /^syris:\/\/traces\/([0-9a-f-]{36})(\/why)?$/.exec(uri) ?? []
    if (trace_id === undefined) return undefined
    if (why === undefined) return Effect.flatMap(stories.trace(trace_id), json)
    return Effect.flatMap(
      stories.why(trace_id),
      ({ lines }) => shown("text/plain", redactor.redactText(lines.join("\n")))
    )
  }

  const call = (name: string, input: unknown, given: ServedCall) => {
    const mine = own.get(name)
    if (mine !== undefined) return mine.call(input, given)
    const tool = acting.callable(name)
    return tool === undefined ? undefined : acting.callOf(tool, input, given)
  }

  return { tools, resources, read, call, run }
})

export type SyrisServer = Effect.Success<ReturnType<typeof makeSyrisServer>>

/** The factory of servers, for each exchange of HTTP and each connection of stdio. */
export const serverFactory =
  (sdk: Sdk, syris: SyrisServer, broken: (cause: Cause.Cause<unknown>) => void): McpServerFactory => ({ era }) => {
    const invalid = (message: string) => new sdk.ProtocolError(sdk.ProtocolErrorCode.InvalidParams, message)

    const answer = async <A>(
      self: Effect.Effect<A, ServeRefused>,
      signal: AbortSignal,
      refused: (sentence: string) => A
    ) => {
      const exit = await syris.run(self, { signal })
      if (Exit.isSuccess(exit)) return exit.value
      const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error
      if (failure instanceof ServeRefused) return refused(failure.sentence)
      if (!signal.aborted) broken(exit.cause)
      throw new sdk.ProtocolError(
        sdk.ProtocolErrorCode.InternalError,
        "Something went wrong here; the log of the host has it."
      )
    }

    const keyOf = ({ mcpReq: { _meta } }: ServerContext): string | undefined => {
      const key = _meta?.[keyField]
      if (key === undefined) return undefined
      if (
        typeof key === "string" && key.length > 0 && key.length <= longestKey && key.isWellFormed() &&
        !key.includes("\0")
      ) {
        return key
      }
      throw invalid(`_meta "${keyField}" is a text of 1 to ${longestKey} characters.`)
    }

    // The low-level server: the registry is the list, and nothing is registered a second time for each exchange.
    const server = new sdk.Server({ name: "syris", version }, {
      instructions,
      // Only the newer era has a way to be told, on a connection that outlives the exchange.
      capabilities: { tools: era === "modern" ? { listChanged: true } : {}, resources: {} }
    })

    server.setRequestHandler("tools/list", ({ params }) => {
      const from = params?.cursor === undefined ? 0 : Number(params.cursor)
      if (!Number.isInteger(from) || from < 0) {
        throw invalid("This cursor is not one of this list. Start again without it.")
      }
      const all = syris.tools()
      const tools = all.slice(from, from + pageSize)
      const next = from + pageSize
      return { tools, ...(next < all.length ? { nextCursor: String(next) } : {}) }
    })

    server.setRequestHandler("tools/call", ({ params }, ctx): Promise<CallToolResult> => {
      const actor_id = actorOf(server.getClientVersion()?.name)
      const called = syris.call(params.name, params.arguments, { key: keyOf(ctx), actor_id })
      if (called === undefined) {
        throw invalid(`There is no tool ${clipped(params.name, 128)} here: tools/list has them all.`)
      }
      return answer(called, ctx.mcpReq.signal, refusedWith)
    })

    const failing = (sentence: string): never => {
      throw invalid(sentence)
    }

    server.setRequestHandler("resources/list", (_, ctx) => answer(syris.resources, ctx.mcpReq.signal, failing))

    server.setRequestHandler("resources/templates/list", () => ({
      resourceTemplates: [
        {
          uriTemplate: "syris://traces/{trace_id}",
          name: "trace",
          description: "The whole story of one trace, as data.",
          mimeType: "application/json"
        },
        {
          uriTemplate: "syris://traces/{trace_id}/why",
          name: "why",
          description: "Why a trace went as it did, in sentences, as data.",
          mimeType: "text/plain"
        }
      ]
    }))

    server.setRequestHandler("resources/read", ({ params: { uri } }, ctx) => {
      const found = syris.read(uri)
      if (found === undefined) throw new sdk.ResourceNotFoundError(uri)
      return answer(found, ctx.mcpReq.signal, failing)
    })

    return server
  }
