/**
 * For tests: a server of the Model Context Protocol that asks in the midst of its calls, and a connection to it over which the
 * host may be asked, on a real database.
 */
import { Client, InMemoryTransport, type Transport } from "@modelcontextprotocol/client"
import { inputRequired, Server } from "@modelcontextprotocol/server"
import { serveStdio } from "@modelcontextprotocol/server/stdio"
import { Context, Effect, Layer, Queue, Redacted, type Scope } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import { AuditWake } from "../audit/AuditWake.ts"
import type { Question } from "../contract/Question.ts"
import { newId } from "../database/Ids.ts"
import type { Completion, CompletionFailed, CompletionRequest } from "../llm/CompletionProvider.ts"
import { hostOf } from "../llm/TestCompletions.ts"
import type { LlmConfiguration } from "../plugin/Configuration.ts"
import { readConfiguration, Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { Questions } from "./Questions.ts"
import { type CurrentCall, layerServerRequests, makeServerRequests } from "./ServerRequests.ts"

export type Era = "legacy" | "modern"

/** What a server asks for, by tool; each is asked once and its answer is what the tool gives back. */
export interface Asks {
  readonly [tool: string]: (input: Record<string, unknown>) => Parameters<typeof inputRequired>[0]["inputRequests"]
}

/** A server whose tools ask first. It serves both revisions; in the older one what it needs becomes requests of its own. */
export const serverOf = (asks: Asks, runs: Array<string> = []) => () => {
  const server = new Server({ name: "asker", version: "1.0.0" }, { capabilities: { tools: {} } })
  server.setRequestHandler("tools/list", () => ({
    tools: Object.keys(asks).map((name) => ({ name, inputSchema: { type: "object" as const } }))
  }))
  server.setRequestHandler("tools/call", ({ params }, { mcpReq }) => {
    runs.push(params.name)
    const { inputResponses } = mcpReq
    if (inputResponses === undefined) {
      return inputRequired({
        inputRequests: asks[params.name]?.(params.arguments ?? {}) ?? {},
        requestState: "at the door"
      })
    }
    return { content: [{ type: "text" as const, text: JSON.stringify(inputResponses) }] }
  })
  return server
}

export interface Asked {
  /** Calls a tool as the host does it, and answers the text that it gives back. */
  readonly call: (tool: string, call?: Partial<CurrentCall>, input?: Record<string, unknown>) => Promise<string>
  readonly client: Client
}

/** A connection on which a server with these settings may ask. */
export const connected = Effect.fnUntraced(function*(
  given: { readonly sampling?: boolean; readonly elicitation?: boolean; readonly roots?: ReadonlyArray<string> },
  to: Transport | (() => Server),
  era: Era = "legacy"
): Effect.fn.Return<Asked, never, Scope.Scope | Effect.Services<ReturnType<typeof makeServerRequests>>> {
  const { mcp } = yield* Effect.orDie(readConfiguration({ mcp: { asker: { command: "node", ...given } } }, "test"))
  const [settings] = mcp
  if (settings === undefined) return yield* Effect.die("no settings")
  const requests = yield* makeServerRequests(settings)
  const client = new Client({ name: "syris", version: "0" }, {
    capabilities: requests.capabilities,
    versionNegotiation: { mode: era === "legacy" ? "legacy" : { pin: "2026-07-28" } }
  })
  const calls = new Set<CurrentCall>()
  requests.register(client, () => calls.size === 1 ? [...calls][0] : undefined)
  let transport: Transport
  if (typeof to === "function") {
    const [ours, theirs] = InMemoryTransport.createLinkedPair()
    transport = ours
    const served = serveStdio(to, { transport: theirs })
    yield* Effect.addFinalizer(() => Effect.promise(() => served.close()))
  } else transport = to
  yield* Effect.acquireRelease(
    Effect.promise(() => client.connect(transport)),
    () => Effect.promise(() => client.close())
  )
  return {
    client,
    call: async (tool, call = {}, input = {}) => {
      const over = new AbortController()
      const current: CurrentCall = {
        tool,
        trace_id: newId(),
        idempotency_key: newId(),
        signal: new AbortController().signal,
        timeoutMs: 30_000,
        progress: () => {},
        over: over.signal,
        ...call
      }
      calls.add(current)
      try {
        const { content } = await client.callTool({ name: tool, arguments: input }, { signal: current.signal })
        return (content as ReadonlyArray<{ readonly text?: string }>).map(({ text = "" }) => text).join("\n")
      } finally {
        calls.delete(current)
        over.abort()
      }
    }
  }
})

/** The questions that were opened, in order. */
export class Heard extends Context.Service<Heard, Queue.Queue<Question>>()("syris/mcp/test/Heard") {}

/** The next one of a trace, as soon as it can be answered. */
export const openQuestion = Effect.fnUntraced(function*(trace_id: string) {
  const heard = yield* Heard
  for (;;) {
    const question = yield* Queue.take(heard)
    if (question.trace_id === trace_id) return question
  }
})

/** The next one of a trace, once it is told. */
export const nextQuestion = Effect.fnUntraced(function*(trace_id: string) {
  const sql = yield* SqlClient.SqlClient
  const question = yield* openQuestion(trace_id)
  for (;;) {
    const told = yield* sql`
      select 1 from audit_events where type = 'mcp.question_asked' and data ->> 'question_id' = ${question.question_id}`
    if (told.length === 1) return question
  }
})

const layerHeard = Layer.effect(
  Questions,
  Effect.gen(function*() {
    const heard = yield* Heard
    const questions = yield* Questions
    return Questions.of({
      ...questions,
      add: (question, settle) => {
        const takeAway = questions.add(question, settle)
        Queue.offerUnsafe(heard, question)
        return takeAway
      }
    })
  })
).pipe(Layer.provide(Questions.layer), Layer.provideMerge(Layer.effect(Heard, Queue.unbounded<Question>())))

/** What the host is asked through; it knows the secret `hunter22`. The model answers as the test says. */
export const layerAsking = (
  answer: (request: CompletionRequest, count: number) => Effect.Effect<Completion, CompletionFailed> = () =>
    Effect.die("no model is asked"),
  llm: Partial<LlmConfiguration> = {}
) => {
  const host = hostOf(llm, answer)
  host.redaction.add("bank.pin", Redacted.make("hunter22"))
  const settings = Layer.effect(
    Settings,
    Effect.orDie(
      readConfiguration({ llm: { provider: "openai", baseURL: "http://127.0.0.1:1/v1", model: "m", ...llm } }, "test")
    )
  )
  return {
    host,
    layer: layerServerRequests.pipe(
      Layer.provideMerge([Audit.layer.pipe(Layer.provide(AuditWake.layer)), host.layer, settings, layerHeard]),
      Layer.provideMerge(Layer.succeed(Redactor, host.redaction))
    )
  }
}
