/**
 * Answers of any length as lines, to be saved: what is not read yet waits in the database and not in memory. Two at once.
 *
 * Whoever gets one can tell a whole one by its last line, which the writer writes. Where something fails, or the host stops,
 * the connection is cut and that line is not there; a client that goes away, or takes nothing for ten seconds, ends the work.
 */
import { NodeHttpServerRequest } from "@effect/platform-node"
import { Cause, Deferred, Effect } from "effect"
import { type HttpServerRequest, HttpServerResponse } from "effect/http"
import type { ServerResponse } from "node:http"
import { Stopping } from "./Prefer.ts"
import { problem } from "./Problem.ts"
import { makeWhileBehind } from "./SlowClient.ts"

const atOnce = 2

/** Takes the next lines, each with its line end; waits while the client is behind. */
export type WriteLines = (lines: string) => Effect.Effect<void>

export const makeLineStream = Effect.gen(function*() {
  const stopping = yield* Stopping
  const whileBehind = yield* makeWhileBehind
  let open = 0

  /** The head goes out with the first lines: what fails before them is answered as a problem. */
  const serve = Effect.fnUntraced(function*<E, R>(
    request: HttpServerRequest.HttpServerRequest,
    headers: Readonly<Record<string, string>>,
    lines: (write: WriteLines) => Effect.Effect<void, E, R>
  ) {
    if (request.method === "HEAD") return HttpServerResponse.empty({ status: 200, headers })
    if (open >= atOnce) {
      return yield* Effect.fail(
        problem("stream.too_many", `${atOnce} exports are running; wait until one has ended.`, { "retry-after": "5" })
      )
    }
    const response = NodeHttpServerRequest.toServerResponse(request) as ServerResponse
    const write: WriteLines = Effect.fnUntraced(function*(text) {
      if (response.destroyed) return yield* Effect.interrupt
      if (!response.headersSent) response.writeHead(200, headers)
      response.write(text)
      yield* whileBehind(response)
    })
    const cut = Effect.sync(() => {
      response.destroy()
      return HttpServerResponse.empty()
    })
    const whole = Effect.map(lines(write), () => {
      response.end()
      return HttpServerResponse.empty()
    })
    open++
    return yield* Effect.raceFirst(whole, Effect.andThen(Deferred.await(stopping), cut)).pipe(
      Effect.catchCauseIf(
        (cause) => response.headersSent && !Cause.hasInterruptsOnly(cause),
        (cause) => Effect.andThen(Effect.logError("An export broke off; its connection was cut.", cause), cut)
      ),
      Effect.ensuring(Effect.sync(() => void open--))
    )
  })
  return { serve }
})
