/**
 * `/mcp`: SYRIS as a server of the Model Context Protocol over streamable HTTP, behind the front door like all of the API.
 * Both eras of the protocol, without sessions. The SDK is loaded when somebody first asks.
 *
 * A stop lets calls that wait answer where they stand, then ends what listens.
 */
import type { McpHttpHandler } from "@modelcontextprotocol/server"
import { Deferred, Effect } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Readable } from "node:stream"
import { pipeline as pipe } from "node:stream/promises"
import { makeRegistryBus } from "../mcp/serve/RegistryBus.ts"
import { makeSyrisServer, serverFactory } from "../mcp/serve/SyrisServer.ts"
import { Registry } from "../plugin/Registry.ts"
import { writeJson, writeProblem } from "./Answer.ts"
import { maximumBody, serverFailed, tooLarge } from "./Checked.ts"
import type { NodeHandler } from "./EventIntake.ts"
import { maximumStreams } from "./EventStreams.ts"
import { checkContentType, parseJson } from "./JsonBody.ts"
import { problem } from "./Problem.ts"
import { readBody } from "./RequestBody.ts"

const methods = ["DELETE", "GET", "OPTIONS", "POST"]

/** What a stop leaves the answers that are under way, milliseconds. */
const answerWithin = 1_000

/** Headers that are the connection's or the front door's. */
const kept = new Set(["authorization", "connection", "content-length", "cookie", "keep-alive", "transfer-encoding"])

const toWeb = (request: IncomingMessage, signal: AbortSignal): Request => {
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    if (!kept.has(name) && value !== undefined) headers.set(name, typeof value === "string" ? value : value.join(", "))
  }
  // The body is handed over beside it, parsed and bounded.
  return new Request(new URL("/mcp", `http://${request.headers.host}`), {
    method: request.method ?? "GET",
    headers,
    signal
  })
}

const write = async (web: Response, response: ServerResponse): Promise<void> => {
  response.statusCode = web.status
  for (const [name, value] of web.headers) response.setHeader(name, value)
  if (web.body === null) response.end()
  else await pipe(Readable.fromWeb(web.body as import("node:stream/web").ReadableStream), response)
}

const listens = (body: unknown): boolean =>
  typeof body === "object" && body !== null && "method" in body && body.method === "subscriptions/listen"

/** `stopping` ends the waits of calls. */
export const makeMcpRoute = (stopping: Deferred.Deferred<void>) =>
  Effect.gen(function*() {
    const registry = yield* Registry
    const syris = yield* makeSyrisServer(Deferred.await(stopping))
    const log = Effect.runForkWith(yield* Effect.context<never>())
    /** What is under way, as it can be broken off, and the answers in it that a stop waits for. */
    const open = new Set<AbortController>()
    const answers = new Set<Promise<void>>()
    let loaded: Promise<McpHttpHandler> | undefined
    let stopped = false

    const load = async (): Promise<McpHttpHandler> => {
      const sdk = await import("@modelcontextprotocol/server")
      const factory = serverFactory(sdk, syris, (cause) => log(Effect.logError("A request to /mcp failed", cause)))
      return sdk.createMcpHandler(factory, {
        bus: makeRegistryBus(registry),
        maxSubscriptions: maximumStreams,
        onerror: (error) => log(Effect.logDebug("A request to /mcp was refused or broke off", error))
      })
    }

    const exchange = async (request: IncomingMessage, response: ServerResponse, body: unknown): Promise<void> => {
      const ending = new AbortController()
      open.add(ending)
      response.on("close", () => ending.abort())
      try {
        const handler = await (loaded ??= load())
        await write(await handler.fetch(toWeb(request, ending.signal), { parsedBody: body }), response)
      } catch (error) {
        if (ending.signal.aborted) return void response.destroy()
        log(Effect.logError("A request to /mcp failed", error))
        if (response.headersSent) response.destroy()
        else writeProblem(response, serverFailed)
      } finally {
        open.delete(ending)
        // Its client would keep the connection, and the stop would wait for it.
        if (stopped) request.socket.destroySoon()
      }
    }

    const serve = (request: IncomingMessage, response: ServerResponse, body: unknown): void => {
      const done = exchange(request, response, body)
      if (listens(body)) return
      answers.add(done)
      void done.finally(() => answers.delete(done))
    }

    const handle: NodeHandler = (request, response) => {
      const { headers, method = "" } = request
      if (stopped) {
        return writeProblem(response, problem("server.stopping", "The host stops. Try again when it is back."))
      }
      const allow = methods.join(", ")
      if (method === "OPTIONS") return void response.writeHead(204, { allow }).end()
      if (!methods.includes(method)) {
        return writeProblem(response, problem("request.method", `This address answers ${allow}.`, { allow }))
      }
      if (method !== "POST") return serve(request, response, undefined)
      const type = checkContentType(headers["content-type"], headers["content-encoding"])
      if (type !== undefined) return writeProblem(response, type)
      readBody(request, maximumBody, (bytes) => {
        if (bytes === undefined) return writeProblem(response, tooLarge(maximumBody))
        const parsed = parseJson(bytes)
        if (parsed.problem === undefined) return serve(request, response, parsed.value)
        // In the protocol's own words: its clients read no other.
        writeJson(response, 400, { jsonrpc: "2.0", id: null, error: { code: -32_700, message: parsed.problem.detail } })
      })
    }

    const stop = Effect.promise(async () => {
      stopped = true
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(late.resolve, answerWithin)
      await Promise.race([Promise.allSettled(answers), late.promise])
      clearTimeout(timer)
      await loaded?.then((handler) => handler.close(), () => {})
      for (const ending of open) ending.abort()
    })

    return { handle, stop }
  })
