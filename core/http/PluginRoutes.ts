/**
 * `/plugins/<name>/…`: the routes that plugins bring, with web `Request` and `Response`, behind the front door, but for those
 * that a plugin declared open. `GET /` leads to the page that one of them gives. What a plugin throws is a problem and a line
 * in the log, never a broken connection.
 */
import { Effect } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import { Readable } from "node:stream"
import { pipeline as pipe } from "node:stream/promises"
import { fromPlugin } from "../plugin/Awaiting.ts"
import { type RegisteredRoute, Registry } from "../plugin/Registry.ts"
import { writeProblem } from "./Answer.ts"
import { maximumBody, tooLarge } from "./Checked.ts"
import { isReading, pathOf } from "./FrontDoor.ts"
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
    // Token and session are the host's; a plugin has no use for them.
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
  for (const [name, value] of web.headers) {
    if (hopByHop.has(name)) continue
    // What the host sets by default is replaced; only cookies come one by one.
    if (name === "set-cookie") response.appendHeader(name, value)
    else response.setHeader(name, value)
  }
  if (web.body === null || !withBody) response.end()
  else await pipe(Readable.fromWeb(web.body as import("node:stream/web").ReadableStream), response)
}

/** Where nobody gives a page. */
export const noPage = problem(
  "page.not_found",
  "No plugin gives a page. Add dashboard(), from ./plugins/dashboard/index.ts, to the plugins in syris.config.ts, and start SYRIS again."
)

/** What a method of a route answers to besides. */
const methodsOf = ({ method }: RegisteredRoute): ReadonlyArray<string> => method === "GET" ? ["GET", "HEAD"] : [method]

export const makePluginRoutes = Effect.gen(function*() {
  const registry = yield* Registry
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const served: ReadonlyArray<Served> = registry.routes().map((route) => ({
    route,
    pattern: new URLPattern({ pathname: `/plugins/${route.plugin}${route.path}` })
  }))
  /** By the path that the plugin is handed: a pattern alone does not see that `..\` leads out of a folder. */
  const find = (path: string): ReadonlyArray<Served> => {
    const { pathname } = new URL(path, "http://localhost")
    return served.filter(({ pattern }) => pattern.test({ pathname }))
  }

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

  const wrongMethod = (request: IncomingMessage, response: ServerResponse, methods: ReadonlyArray<string>): void => {
    const allow = [...new Set(methods), "OPTIONS"].join(", ")
    if (request.method === "OPTIONS") return void response.writeHead(204, { allow }).end()
    writeProblem(response, problem("request.method", `This address answers ${allow}.`, { allow }))
  }

  /** The one that answers, of those with this path. */
  const chosen = (candidates: ReadonlyArray<Served>, method: string | undefined): Served | undefined =>
    candidates.find(({ route }) => route.method === (method === "HEAD" ? "GET" : method))

  /** `GET /`: to the page. What stands behind the `#` goes along, as browsers have it. */
  const home = (request: IncomingMessage, response: ServerResponse): void => {
    if (!isReading(request)) return wrongMethod(request, response, ["GET", "HEAD"])
    const page = registry.page()
    if (page === undefined) return writeProblem(response, noPage)
    response.writeHead(302, { location: page }).end()
  }

  /** The page without its last slash, as people type it. */
  const isAlmostPage = (path: string): boolean => registry.page() === `${path}/`

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const path = pathOf(request.url ?? "")
    if (isAlmostPage(path)) return home(request, response)
    const candidates = find(path)
    if (candidates.length === 0) {
      return writeProblem(response, problem("request.not_found", "No plugin has an address with this path."))
    }
    const found = chosen(candidates, request.method)
    if (found === undefined) return wrongMethod(request, response, candidates.flatMap(({ route }) => methodsOf(route)))
    readBody(request, maximumBody, (body) => {
      if (body === undefined) return writeProblem(response, tooLarge(maximumBody))
      const fiber = run(handle(found, request, response, body))
      response.on("close", () => fiber.interruptUnsafe())
    })
  }

  /** Whether whoever reads here is answered without token and session. */
  const isOpen = (path: string): boolean =>
    path.startsWith("/plugins/") && !isGrant(path) &&
    (isAlmostPage(path) || chosen(find(path), "GET")?.route.open === true)

  return { serve, home, isOpen }
})
