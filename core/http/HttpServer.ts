/**
 * Listens on loopback and answers. A request passes the front door, then goes to a hot route or to the router.
 *
 * A stop takes no new connection, ends streams and held answers at once, lets requests finish for five seconds and
 * then closes what is left.
 */
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Deferred, Effect, Layer, Schema, Scope } from "effect"
import * as http from "node:http"
import type { AddressInfo, Socket } from "node:net"
import * as os from "node:os"
import { Environment } from "../database/Environment.ts"
import { SystemState } from "../health/SystemState.ts"
import { SignIns } from "../mcp/SignIn.ts"
import { ChatLog } from "../pipeline/ChatLog.ts"
import { TaskLog } from "../tasks/TaskLog.ts"
import { ToolCallLog } from "../tools/ToolCallLog.ts"
import { JobLog } from "../workers/JobLog.ts"
import { writeProblem } from "./Answer.ts"
import { makeEventIntake } from "./EventIntake.ts"
import { EventStreams } from "./EventStreams.ts"
import { isHook, isSignInCallback, makeFrontDoor, pathOf } from "./FrontDoor.ts"
import { docsPolicy } from "./groups/Documentation.ts"
import { makeMcpRoute } from "./Mcp.ts"
import { isGrant, makePluginRoutes } from "./PluginRoutes.ts"
import { Stopping } from "./Prefer.ts"
import { problem, problemBody, type ProblemCode, problemType } from "./Problem.ts"
import { application } from "./Routes.ts"
import { makeSignInCallback } from "./SignInCallback.ts"
import { Sessions } from "./Sessions.ts"
import { Token } from "./Token.ts"
import { Traffic } from "./Traffic.ts"
import { makeWebhooks } from "./Webhooks.ts"

export class HttpServerError
  extends Schema.TaggedError<HttpServerError>()("HttpServerError", { detail: Schema.String })
{
  override get message() {
    return this.detail
  }
}

/** Where the server listens. */
export class HttpAddress extends Context.Service<HttpAddress, {
  readonly host: string
  readonly port: number
  readonly url: string
}>()("syris/http/HttpAddress") {}

const finishWithin = "5 seconds"

/**
 * What an answer says unless it says otherwise: it is kept nowhere, and where a browser shows it as a page it is one that
 * can do nothing. All addresses are of one origin with the page of the operator, who may be logged in.
 */
const defaultHeaders = Object.entries({
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
})

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127\.(\d{1,3}\.){2}\d{1,3}$/.test(host)

const serverOptions: http.ServerOptions = {
  maxHeaderSize: 16 * 1024,
  // Node looks every second for requests, headers and bodies, that take longer than ten to arrive.
  requestTimeout: 10_000,
  headersTimeout: 10_000,
  connectionsCheckingInterval: 1000,
  keepAliveTimeout: 60_000,
  noDelay: true
}

/** Answers what Node itself refuses, before there is a request. */
const onClientError = (error: NodeJS.ErrnoException, socket: Socket): void => {
  if (!socket.writable || error.code === "ECONNRESET") return void socket.destroy()
  const [code, detail]: readonly [ProblemCode, string] = error.code === "HPE_HEADER_OVERFLOW"
    ? ["request.headers_too_large", "The headers may have at most 16 KiB together."]
    : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
    ? ["request.timeout", "A request must arrive whole within ten seconds."]
    : ["request.malformed", "This is not a well-formed HTTP request."]
  const refused = problem(code, detail)
  const body = problemBody(refused)
  socket.end(
    `HTTP/1.1 ${refused.status} ${http.STATUS_CODES[refused.status]}\r\nContent-Type: ${problemType}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  )
}

const listen = (host: string, port: number) =>
  Effect.callback<http.Server, NodeJS.ErrnoException>((resume) => {
    const server = http.createServer(serverOptions)
    server.on("clientError", onClientError)
    server.once("error", (error) => resume(Effect.fail(error)))
    server.listen({ host, port, exclusive: true }, () => {
      server.removeAllListeners("error")
      resume(Effect.succeed(server))
    })
  })

/** No new connection; the rest may finish. */
const close = (servers: ReadonlyArray<http.Server>) =>
  Effect.callback<void>((resume) => {
    let open = servers.length
    for (const server of servers) {
      server.close(() => {
        if (--open === 0) resume(Effect.void)
      })
      server.closeIdleConnections()
    }
  }).pipe(
    Effect.timeoutOrElse({
      duration: finishWithin,
      orElse: () => Effect.sync(() => servers.forEach((server) => server.closeAllConnections()))
    })
  )

const explain = (host: string, port: number) => (error: NodeJS.ErrnoException) =>
  new HttpServerError({
    detail: error.code === "EADDRINUSE"
      ? `Port ${port} on ${host} is taken by another program. Stop it, or choose another port with SYRIS_PORT (0 takes any free one).`
      : error.code === "EACCES"
      ? `This user may not listen on port ${port}. Choose one above 1023 with SYRIS_PORT.`
      : `The host can't listen on ${host}, port ${port}: ${error.message}.`
  })

const hasIPv6Loopback = (): boolean =>
  Object.values(os.networkInterfaces()).some((list) => list?.some((one) => one.address === "::1") ?? false)

/** Listens on the host and, where it is 127.0.0.1, on ::1 with the same port. */
const listenAll = Effect.fnUntraced(function*(host: string, port: number) {
  const first = yield* listen(host, port).pipe(Effect.mapError(explain(host, port)))
  const bound = (first.address() as AddressInfo).port
  if (host !== "127.0.0.1" || !hasIPv6Loopback()) return { servers: [first], port: bound }
  const second = yield* listen("::1", bound).pipe(
    Effect.catch((error) => {
      // Somebody else on ::1 would be taken for this server by whoever says "localhost".
      if (error.code !== "EADDRINUSE" || port === 0) return Effect.void
      return Effect.andThen(Effect.sync(() => first.close()), Effect.fail(explain("::1", bound)(error)))
    })
  )
  return { servers: second === undefined ? [first] : [first, second], port: bound }
})

const make = Effect.gen(function*() {
  const { host, port } = yield* Environment
  const token = yield* Token
  const sessions = yield* Sessions
  const traffic = yield* Traffic
  const streams = yield* EventStreams
  if (!isLoopback(host)) {
    return yield* new HttpServerError({
      detail:
        `SYRIS_HOST is ${host}, which other machines can reach, and this connection is not encrypted. Use 127.0.0.1, and a tunnel or a proxy with TLS for the way from outside.`
    })
  }
  // Made before the listening and so closed after it: a stop lets running requests finish.
  const scope = yield* Scope.fork(yield* Effect.scope)
  const stopping = yield* Deferred.make<void>()
  const stopped = yield* Effect.abortSignal
  const intake = yield* makeEventIntake(stopping)
  const webhooks = yield* makeWebhooks(stopped)
  const pluginRoutes = yield* makePluginRoutes
  const signInCallback = yield* makeSignInCallback
  const signIns = yield* SignIns
  const mcp = yield* makeMcpRoute(stopping)
  const app = yield* Effect.provideService(application, Stopping, stopping)
  const routed = yield* NodeHttpServer.makeHandler(app, { scope })

  const { port: bound, servers } = yield* Effect.acquireRelease(
    listenAll(host, port),
    ({ servers }) =>
      Effect.gen(function*() {
        yield* Deferred.succeed(stopping, undefined)
        yield* Effect.all([streams.stop, mcp.stop], { concurrency: "unbounded", discard: true })
        yield* close(servers)
      })
  )
  const shown = host.includes(":") ? `[${host}]` : host
  const url = `http://${shown}:${bound}`
  sessions.listening({ url, port: bound })
  signIns.listening(url)
  const door = makeFrontDoor({ host, port: bound, token, sessions, isOpenRoute: pluginRoutes.isOpen })

  const listener = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    const path = pathOf(request.url ?? "")
    const { refused, session } = door.admit(request, path)
    if (refused !== undefined) {
      traffic.refusal(refused.code)
      return writeProblem(response, refused)
    }
    if (session !== undefined) sessions.hold(session, response)
    if (path === "/events" && request.method === "POST") {
      traffic.request("events")
      return intake(request, response)
    }
    for (const [name, value] of defaultHeaders) response.setHeader(name, value)
    if (isHook(path)) {
      traffic.request("hooks")
      return webhooks(request, response)
    }
    if (path === "/mcp") {
      traffic.request("mcp")
      return mcp.handle(request, response)
    }
    if (isSignInCallback(path)) {
      traffic.request("api")
      return signInCallback(request, response)
    }
    if (path.startsWith("/plugins/") && !isGrant(path)) {
      traffic.request("plugins")
      return pluginRoutes.serve(request, response)
    }
    if (path === "/") {
      traffic.request("api")
      return pluginRoutes.home(request, response)
    }
    if (path === "/docs") {
      response.setHeader("content-security-policy", docsPolicy)
      // Its scripts may do what a session may: whoever opened it from elsewhere has no hand in it.
      response.setHeader("cross-origin-opener-policy", "same-origin")
    }
    traffic.request("api")
    routed(request, response)
  }
  for (const server of servers) server.on("request", listener)

  return HttpAddress.of({ host, port: bound, url })
})

/** The HTTP server, as a layer that listens while it lives. */
export const layerHttpServer = Layer.effect(HttpAddress, make).pipe(
  Layer.provide([ChatLog.layer, JobLog.layer, SystemState.layer, TaskLog.layer, ToolCallLog.layer]),
  Layer.provide(EventStreams.layer),
  Layer.provideMerge(Sessions.layer),
  Layer.provide(Traffic.layer),
  Layer.provide(NodeHttpServer.layerHttpServices)
)
