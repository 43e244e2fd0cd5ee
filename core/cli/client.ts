/**
 * The HTTP API, as a command asks it. Whatever goes wrong is one sentence that says what to do:
 *
 * - a problem is its own `detail`, with nothing invisible in it;
 * - nothing is repeated: whether a lost request arrived is for the operator to look up;
 * - the token goes to the host's address only, and never along a redirect.
 */
import { Context, Effect, Layer, Schema } from "effect"
import * as fs from "node:fs"
import * as path from "node:path"
import { Environment } from "../database/Environment.ts"
import { hostUrl } from "./address.ts"
import { clipped, visible } from "../contract/Visible.ts"

export class RequestFailed extends Schema.TaggedError<RequestFailed>()("RequestFailed", {
  sentence: Schema.String,
  /** The HTTP status; 0 where there was no answer. */
  status: Schema.Int,
  code: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    return this.sentence
  }
}

export interface Request {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  readonly query?: Record<string, string | number | undefined>
  readonly headers?: Record<string, string>
  readonly body?: unknown
  /** How long the answer may take; default 30. */
  readonly seconds?: number
}

export interface Answer {
  readonly status: number
  readonly body: unknown
}

export class Client extends Context.Service<Client, {
  readonly url: string
  readonly request: (path: string, request?: Request) => Effect.Effect<Answer, RequestFailed>
  /** Server-sent events, or another media type: the answer's body once its head has arrived; `signal` closes it. */
  readonly stream: (
    path: string,
    headers: Record<string, string>,
    signal: AbortSignal,
    mediaType?: string
  ) => Effect.Effect<ReadableStream<Uint8Array>, RequestFailed>
  /** For what speaks another protocol at the same address: with the token, without redirects. Rejects with `RequestFailed`. */
  readonly fetch: (path: string, init?: RequestInit) => Promise<Response>
}>()("syris/cli/Client") {
  static readonly layer = Layer.effect(
    Client,
    Effect.gen(function*() {
      const url = yield* hostUrl
      const { home } = yield* Environment
      const token = yield* readToken(path.join(home, "token"), url)

      const send = (target: string, request: Request, signal: AbortSignal) =>
        fetch(target, {
          method: request.method ?? "GET",
          redirect: "error",
          signal,
          headers: {
            accept: "application/json",
            authorization: `Bearer ${token}`,
            ...(request.body === undefined ? {} : { "content-type": "application/json" }),
            ...request.headers
          },
          ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) })
        })

      const request = Effect.fn("Client.request")(function*(to: string, given: Request = {}) {
        const seconds = given.seconds ?? 30
        return yield* Effect.tryPromise({
          try: async (interrupted) => {
            const signal = AbortSignal.any([interrupted, AbortSignal.timeout(seconds * 1_000)])
            const response = await send(target(url, to, given.query), given, signal)
            return answerOf(response, await response.text(), url, home)
          },
          catch: (cause) => cause instanceof RequestFailed ? cause : unanswered(cause, url, seconds)
        })
      })

      const stream = Effect.fn("Client.stream")(
        function*(
          to: string,
          headers: Record<string, string>,
          signal: AbortSignal,
          mediaType = "text/event-stream"
        ) {
          return yield* Effect.tryPromise({
            try: async () => {
              const response = await send(
                `${url}${to}`,
                { headers: { ...headers, accept: mediaType } },
                signal
              )
              const streams = response.headers.get("content-type")?.startsWith(mediaType) === true
              if (!response.ok || !streams || response.body === null) {
                answerOf(response, await response.text(), url, home)
                throw notSyris(url, response.status)
              }
              return response.body
            },
            catch: (cause) => cause instanceof RequestFailed ? cause : unanswered(cause, url, 30)
          })
        }
      )

      const plainFetch = async (to: string, init: RequestInit = {}) => {
        const headers = new Headers(init.headers)
        headers.set("authorization", `Bearer ${token}`)
        try {
          return await fetch(`${url}${to}`, { ...init, headers, redirect: "error" })
        } catch (cause) {
          // Whoever breaks it off knows.
          throw init.signal?.aborted === true ? cause : unanswered(cause, url, 30)
        }
      }

      return Client.of({ url, request, stream, fetch: plainFetch })
    })
  ).pipe(Layer.provide(Environment.layer))
}

const readToken = (file: string, url: string) =>
  Effect.try({
    try: () => fs.readFileSync(file, "utf8").trim(),
    catch: (cause) =>
      new RequestFailed({
        status: 0,
        sentence: code(cause) === "EACCES"
          ? `This user can't read ${file}: run the command as the one who runs SYRIS.`
          : `No SYRIS has run here: there is no token in ${
            path.dirname(file)
          }. Start it with: npm start (or set SYRIS_HOME to the folder of the one at ${url})`
      })
  }).pipe(Effect.filterOrFail(
    (token) => /^[\x21-\x7e]+$/.test(token),
    () =>
      new RequestFailed({
        status: 0,
        sentence: `${file} holds no token: delete it, then restart SYRIS, which makes a new one.`
      })
  ))

const target = (url: string, to: string, query: Request["query"] = {}) => {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, String(value))
  return `${url}${to}${search.size === 0 ? "" : `?${search.toString()}`}`
}

const answerOf = (response: Response, text: string, url: string, home: string): Answer => {
  if (response.status === 204) return { status: 204, body: undefined }
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    throw notSyris(url, response.status)
  }
  if (response.ok) return { status: response.status, body }
  const problem = typeof body === "object" && body !== null ? body as Record<string, unknown> : {}
  const detail = [problem.detail, problem.title].find((part) => typeof part === "string" && part !== "")
  throw new RequestFailed({
    status: response.status,
    ...(typeof problem.code === "string" ? { code: problem.code } : {}),
    sentence: response.status === 401
      ? `SYRIS at ${url} does not know the token in ${
        path.join(home, "token")
      }: set SYRIS_HOME to the folder of the SYRIS that runs there.`
      : typeof detail === "string"
      ? clipped(detail, 2_000)
      : `SYRIS at ${url} answered ${response.status} and gave no reason: see what it printed.`
  })
}

const notSyris = (url: string, status: number) =>
  new RequestFailed({
    status,
    sentence: `What answers at ${url} (HTTP ${status}) is not SYRIS: set SYRIS_PORT to the port that SYRIS is on.`
  })

const code = (cause: unknown): string => {
  if (typeof cause !== "object" || cause === null) return ""
  if ("code" in cause && typeof cause.code === "string") return cause.code
  return "cause" in cause ? code(cause.cause) : ""
}

const unanswered = (cause: unknown, url: string, seconds: number): RequestFailed => {
  const say = (sentence: string) =>
    new RequestFailed({ status: 0, sentence, ...(code(cause) === "" ? {} : { code: code(cause) }) })
  switch (cause instanceof Error && cause.name === "TimeoutError" ? "TIMEOUT" : code(cause)) {
    case "ECONNREFUSED":
      return say(`No SYRIS is running at ${url}. Start it with: npm start`)
    case "TIMEOUT":
    case "UND_ERR_HEADERS_TIMEOUT":
      return say(`SYRIS at ${url} did not answer within ${seconds} s: see what is wrong with: syris doctor`)
    case "ECONNRESET":
    case "UND_ERR_SOCKET":
    case "EPIPE":
      return say(
        `The connection to SYRIS at ${url} was lost before it answered: see with \`syris audit\` whether the request arrived.`
      )
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return say(`The name in ${url} can't be found: check SYRIS_HOST.`)
    default: {
      const reason = cause instanceof Error
        ? (cause.cause instanceof Error ? cause.cause.message : cause.message)
        : String(cause)
      if (reason === "bad port") {
        return say(`${url} has a port that HTTP clients refuse: give SYRIS another one with SYRIS_PORT.`)
      }
      return say(`SYRIS at ${url} can't be reached (${visible(reason)}): check SYRIS_HOST and SYRIS_PORT.`)
    }
  }
}
