/**
 * Server-sent events. At most sixteen streams are open at once. At most 1 MiB waits for a client; one that takes
 * nothing of it for ten seconds is dropped, and resumes by the id of the last event that it got. Every stream ends
 * at once when the host stops.
 */
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Context, Deferred, Effect, Layer, Schedule, type Scope, Stream } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { ServerResponse } from "node:http"
import { problem, type Problem } from "./Problem.ts"
import { makeWhileBehind } from "./SlowClient.ts"
import { Traffic } from "./Traffic.ts"

export interface ServerSentEvent {
  readonly id?: string
  /** Its type; a `message` where there is none. */
  readonly event?: string
  /** One line. */
  readonly data: string
}

export const maximumStreams = 16
const pingEvery = "15 seconds"
/** How soon a client that lost its stream comes back, in milliseconds. */
const retryAfter = 2000

export class EventStreams extends Context.Service<EventStreams, {
  /**
   * Answers a request with a stream until the client goes, the stream ends or the host stops. The client gets the head of the
   * answer once the stream has begun: whoever has it misses nothing of what happens from then on.
   */
  readonly serve: (
    request: HttpServerRequest.HttpServerRequest,
    events: Effect.Effect<Stream.Stream<ServerSentEvent>, never, Scope.Scope>
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, Problem<429> | Problem<503>>
  /** Ends all streams, and refuses new ones. */
  readonly stop: Effect.Effect<void>
}>()("syris/http/EventStreams") {
  static readonly layer = Layer.effect(
    EventStreams,
    Effect.gen(function*() {
      const traffic = yield* Traffic
      const stopping = yield* Deferred.make<void>()
      const whileBehind = yield* makeWhileBehind
      let open = 0

      const stopped = problem("server.stopping", "The host is stopping.")

      const send = Effect.fnUntraced(function*(response: ServerResponse, events: Stream.Stream<ServerSentEvent>) {
        const write = Effect.fnUntraced(function*(text: string) {
          yield* whileBehind(response)
          if (response.destroyed) return yield* Effect.interrupt
          response.write(text)
        })
        response.writeHead(200, {
          "content-type": "text/event-stream",
          "cache-control": "no-store",
          "x-accel-buffering": "no"
        })
        response.write(`retry: ${retryAfter}\n\n`)
        const ping = Effect.sync(() => response.writableLength > 0 || response.write(": ping\n\n")).pipe(
          Effect.delay(pingEvery),
          Effect.repeat(Schedule.forever)
        )
        const sending = Stream.runForEach(
          events,
          ({ data, event, id }) =>
            write(
              `${id === undefined ? "" : `id: ${id}\n`}${
                event === undefined ? "" : `event: ${event}\n`
              }data: ${data}\n\n`
            )
        )
        yield* Effect.raceAllFirst([sending, ping, Deferred.await(stopping)])
        if (!response.destroyed) response.end()
        return HttpServerResponse.empty()
      })

      const serve: EventStreams["Service"]["serve"] = Effect.fnUntraced(function*(request, events) {
        if (Deferred.isDoneUnsafe(stopping)) {
          return yield* Effect.fail(stopped)
        }
        if (request.method === "HEAD") {
          return HttpServerResponse.empty({ status: 200, headers: { "content-type": "text/event-stream" } })
        }
        if (open >= maximumStreams) {
          return yield* Effect.fail(
            problem("stream.too_many", `${maximumStreams} streams are open; close one first.`, { "retry-after": "5" })
          )
        }
        open++
        traffic.stream(1)
        const response = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
        return yield* Effect.raceFirst(
          events,
          Effect.andThen(Deferred.await(stopping), Effect.fail(stopped))
        ).pipe(
          Effect.flatMap((begun) => send(response, begun)),
          Effect.scoped,
          Effect.ensuring(Effect.sync(() => {
            open--
            traffic.stream(-1)
          }))
        )
      })

      return EventStreams.of({ serve, stop: Effect.asVoid(Deferred.succeed(stopping, undefined)) })
    })
  )
}
