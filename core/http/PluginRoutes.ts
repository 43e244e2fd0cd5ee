/**
 * `/plugins/<name>/…`: the routes that plugins bring, with web `Request` and `Response`, behind the front door.
 * What a plugin throws is a problem and a line in the log, never a broken connection.
 */
import { Effect } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Readable } from "node:stream"
import { pipeline as pipe } from "node:stream/promises"
import { fromPlugin } from "../plugin/Awaiting.ts"
import { type RegisteredRoute, Registry } from "../plugin/Registry.ts"
import { writeProblem } from "./Answer.ts"
import { maximumBody, tooLarge } from "./Checked.ts"
import { pathOf } from "./FrontDoor.ts"
import { problem } from "./Problem.ts"
import { readBody } from "./RequestBody.ts"

const timeout = "30 seconds"

/** The host's own address among those of plugins: no plugin decides what it was granted. */
export const isGrant = (path: string): boolean => /^\/plugins\/[^/]+\/grant\/?$/.test(path)

interface Served {
  readonly route: RegisteredRoute
  readonly pattern: URLPattern
}

const toWeb = (request: IncomingMessage, body: Buffer): Request => {
  const headers = new Headers()
  for (const [name, value] of Object.entries(request.headers)) {
    // The token is the host's; a plugin has no use for it.
    if (name === "authorization" || name === "cookie" || value === undefined) continue
    headers.set(name, typeof value === "string" ? value : value.join(", "))
  }
  const method = request.method ?? "GET"
  const url = new URL(request.url ?? "/", `http://${request.headers.host}`)
  return new Request(url, {
    method,
    headers,
    ...(body.length > 0 && method !== "GET" ? { body: new Uint8Array(body) } : {})
  })
}

/** Headers that belong to the connection, not to a plugin. */
const hopByHop = new Set(["connection", "keep-alive", "transfer-encoding", "upgrade", "content-length"])

const write = async (web: Response, response: ServerResponse, withBody: boolean): Promise<void> => {
  response.statusCode = web.status
  for (const [name, value] of web.headers) if (!hopByHop.has(name)) response.appendHeader(name, value)
  if (web.body === null || !withBody) response.end()
  else await pipe(Readable.fromWeb(web.body as import("node:stream/web").ReadableStream), response)
}

export const makePluginRoutes = Effect.gen(function*() {
  const registry = yield* Registry
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const served: ReadonlyArray<Served> = registry.routes().map((route) => ({
    route,
    pattern: new URLPattern({ pathname: `/plugins/${route.plugin}${route.path}` })
  }))
  const find = (path: string): ReadonlyArray<Served> => served.filter(({ pattern }) => pattern.test({ pathname: path }))

  const handle = ({ route }: Served, request: IncomingMessage, response: ServerResponse, body: Buffer) =>
    fromPlugin(() => route.handle(toWeb(request, body))).pipe(
      Effect.timeout(timeout),
      Effect.flatMap((web) => Effect.tryPromise(() => write(web, response, request.method !== "HEAD"))),
      Effect.catchCause((cause) =>
        Effect.andThen(
          Effect.logError(`The route ${route.method} ${route.path} of plugin ${route.plugin} failed`, cause),
          Effect.sync(() => {
            if (response.headersSent) response.destroy()
            else {writeProblem(
                response,
                problem(
                  "plugin.route_failed",
                  `The plugin ${route.plugin} could not answer; the log of the host has why.`
                )
              )}
          })
        )
      )
    )

  return (request: IncomingMessage, response: ServerResponse): void => {
    const candidates = find(pathOf(request.url ?? ""))
    if (candidates.length === 0) {
      return writeProblem(response, problem("request.not_found", "No plugin has an address with this path."))
    }
    const method = request.method === "HEAD" ? "GET" : request.method
    const found = candidates.find(({ route }) => route.method === method)
    if (found === undefined) {
      const allow = [...new Set(candidates.map(({ route }) => route.method)), "OPTIONS"].join(", ")
      if (method === "OPTIONS") return void response.writeHead(204, { allow }).end()
      return writeProblem(response, problem("request.method", `This address answers ${allow}.`, { allow }))
    }
    readBody(request, maximumBody, (body) => {
      if (body === undefined) return writeProblem(response, tooLarge(maximumBody))
      const fiber = run(handle(found, request, response, body))
      response.on("close", () => fiber.interruptUnsafe())
    })
  }
})
