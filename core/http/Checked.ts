/**
 * What holds for every endpoint of the API, in one place: query parameters are known and come once, bodies are
 * bounded JSON, and whatever fails is answered as a problem without internals.
 */
import { ByteSize, Effect, Layer, Schema, SchemaAST } from "effect"
import { HttpIncomingMessage, HttpServerRequest, HttpServerResponse } from "effect/http"
import { type HttpApiEndpoint, HttpApiError, HttpApiMiddleware } from "effect/http-api"
import { SqlError } from "effect/sql"
import { CursorInvalid } from "../audit/Page.ts"
import { isTransient } from "../database/Transient.ts"
import { asSentences, explain } from "../plugin/Explain.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { checkContentType, parseJson } from "./JsonBody.ts"
import {
  commonProblems,
  isProblem,
  problem,
  type Problem,
  problemBody,
  type ProblemCode,
  problemType
} from "./Problem.ts"
import { readQuery } from "./Query.ts"

export class Checked extends HttpApiMiddleware.Service<Checked>()("syris/http/Checked", { error: commonProblems }) {
  static readonly layer = Layer.effect(
    Checked,
    Effect.map(Redactor, (redactor) =>
      Checked.of((handler, { endpoint }) => {
        const parameters = fieldsOf(endpoint.query)
        const hasBody = endpoint.payload.size > 0
        const mayBeEmpty = acceptsNull(endpoint.payload)
        return Effect.gen(function*() {
          const request = yield* HttpServerRequest.HttpServerRequest
          const query = readQuery(request.url, parameters)
          if (query.problem !== undefined) return toResponse(query.problem)
          if (hasBody && !(mayBeEmpty && hasNoBody(request))) {
            const body = yield* checkBody(request)
            if (body.problem !== undefined) return toResponse(body.problem)
            // Nothing is kept of a request that holds a known secret, whatever it is for.
            const hidden: unknown = redactor.watched(body.value, redactor.redactJson(body.value), () => ({
              where: `a request to ${endpoint.method} ${endpoint.path}`
            }))
            if (hidden !== body.value) {
              return yield* Effect.provideService(
                handler,
                HttpServerRequest.HttpServerRequest,
                withBody(request, hidden)
              )
            }
          }
          return yield* handler
        }).pipe(Effect.catchCause((cause) => {
          const failure = cause.reasons.find((reason) => reason._tag === "Fail")?.error as unknown
          if (isProblem(failure)) return Effect.succeed(toResponse(failure))
          if (HttpApiError.HttpApiSchemaError.is(failure)) {
            return Effect.succeed(toResponse(describeSchemaError(failure)))
          }
          if (cause.reasons.every((reason) => reason._tag === "Interrupt")) return Effect.interrupt
          return Effect.as(
            Effect.logError(`${endpoint.method} ${endpoint.path} failed`, cause),
            toResponse(serverFailed)
          )
        }))
      }))
  )
}

/** The same request with another JSON in it. */
const withBody = (
  request: HttpServerRequest.HttpServerRequest,
  value: unknown
): HttpServerRequest.HttpServerRequest => {
  const text = JSON.stringify(value)
  return Object.create(request, {
    text: { value: Effect.succeed(text) },
    json: { value: Effect.succeed(value) },
    arrayBuffer: { value: Effect.succeed(new TextEncoder().encode(text).buffer) }
  }) as HttpServerRequest.HttpServerRequest
}

export const maximumBody = 1024 * 1024

export const serverFailed = problem("server.failed", "Something went wrong here; the log of the host has it.")

export const tooLarge = (limit: number) =>
  problem("request.too_large", `The body may have at most ${limit.toLocaleString("en")} bytes.`)

export const databaseAway = problem("database.unavailable", "The database does not answer. Try again.", {
  "retry-after": "2"
})

/** A JSON body that may be missing, or `null`: then it is `none`. */
export const optionalBody = Effect.fnUntraced(function*<A extends object>(
  request: HttpServerRequest.HttpServerRequest,
  checkBody: (value: unknown) => { readonly ok: true; readonly value: A } | {
    readonly ok: false
    readonly mistakes: ReadonlyArray<string>
  },
  none: A
) {
  if (hasNoBody(request)) return none
  const json = yield* Effect.orDie(request.json)
  if (json === null) return none
  const checked = checkBody(json)
  return checked.ok ? checked.value : yield* Effect.fail(problem("request.field", asSentences(checked.mistakes)))
})

type ReadingProblem = Problem<400> | Problem<500> | Problem<503>

/** Turns what a reader of the database may fail with into a problem; problems pass. */
export const reading = <A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, Exclude<E, SqlError.SqlError | CursorInvalid> | ReadingProblem, R> =>
  Effect.catch(
    self,
    (error): Effect.Effect<never, Exclude<E, SqlError.SqlError | CursorInvalid> | ReadingProblem> => {
      if (isCursorInvalid(error)) return Effect.fail(problem("request.cursor", error.message))
      if (!SqlError.isSqlError(error)) return Effect.fail(error as Exclude<E, SqlError.SqlError | CursorInvalid>)
      return isTransient(error)
        ? Effect.fail(databaseAway)
        : Effect.andThen(Effect.logError("A query failed", error), Effect.fail(serverFailed))
    }
  )

const isCursorInvalid = Schema.is(CursorInvalid)

/** A record as it is, typed by the endpoint's schema but not checked again: it came from our own database. */
export const answer = <S extends Schema.Top>(_: S, value: NoInfer<S["Type"]>): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(JSON.stringify(value), { contentType: "application/json" })

export const toResponse = (self: Problem): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(problemBody(self), {
    status: self.status,
    contentType: problemType,
    ...(self.headers === undefined ? {} : { headers: self.headers })
  })

const fieldsOf = (schema: Schema.Top | undefined): ReadonlyArray<string> =>
  schema !== undefined && SchemaAST.isObjects(schema.ast)
    ? schema.ast.propertySignatures.map((property) => String(property.name))
    : []

/** Where a body may be `null`, there may be none. */
const acceptsNull = (payload: HttpApiEndpoint.PayloadMap): boolean =>
  [...payload.values()].some(({ schemas }) => schemas.some(({ ast }) => SchemaAST.isNull(SchemaAST.toEncoded(ast))))

/** Nothing was sent after the headers. */
export const hasNoBody = ({ headers }: HttpServerRequest.HttpServerRequest): boolean =>
  headers["transfer-encoding"] === undefined && (headers["content-length"] ?? "0") === "0"

const checkBody = Effect.fnUntraced(function*(request: HttpServerRequest.HttpServerRequest) {
  const refused = checkContentType(request.headers["content-type"], request.headers["content-encoding"])
  if (refused !== undefined) return { problem: refused }
  // Kept by the request: the endpoint's own decoding reads the same bytes.
  const bytes = yield* request.arrayBuffer.pipe(
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(maximumBody)),
    Effect.mapError((error) =>
      error.reason._tag === "RequestParseError" && error.reason.reason === "BodyTooLarge"
        ? tooLarge(maximumBody)
        : problem("request.malformed", "The body did not arrive whole.")
    ),
    Effect.result
  )
  return bytes._tag === "Failure" ? { problem: bytes.failure } : parseJson(Buffer.from(bytes.success))
})

const kinds: Record<string, readonly [code: ProblemCode, noun: string]> = {
  Params: ["request.path", "part of the path"],
  Query: ["request.parameter", "parameter"],
  Payload: ["request.field", "field"],
  Headers: ["request.malformed", "header"]
}

const describeSchemaError = (error: HttpApiError.HttpApiSchemaError): Problem => {
  const kind = kinds[error.kind]
  // What goes out does not match its own schema: a mistake of ours.
  if (kind === undefined) return serverFailed
  const [code, noun] = kind
  const mistakes = new Set(explain(error.cause.issue, Schema.Unknown.ast, noun))
  return problem(code, asSentences([...mistakes]).slice(0, 1000))
}
