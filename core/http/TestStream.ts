/**
 * For tests: a client of the test server's streams of server-sent events.
 */
import { Effect, Redacted } from "effect"
import * as http from "node:http"
import { HttpAddress } from "./HttpServer.ts"
import { Token } from "./Token.ts"

export interface Frame {
  readonly id: string
  /** Its type; empty where there is none. */
  readonly event: string
  /** The event's JSON. */
  readonly data: any
}

/** A client that is connected for the scope; `frames` waits until there are so many, `until` for what it is asked for. */
export const connect = Effect.fnUntraced(function*(target: string, lastEventId?: string) {
  const { port } = yield* HttpAddress
  const token = Redacted.value((yield* Token).value)
  const seen: Array<Frame> = []
  let text = ""
  let changed = () => {}
  const response = yield* Effect.acquireRelease(
    Effect.callback<http.IncomingMessage>((resume) => {
      http.get({
        port,
        host: "127.0.0.1",
        path: target,
        agent: false,
        headers: {
          authorization: `Bearer ${token}`,
          ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId })
        }
      }, (response) => resume(Effect.succeed(response)))
    }),
    (response) => Effect.sync(() => response.destroy())
  )
  response.on("error", () => {})
  response.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk
    for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
      const lines = text.slice(0, end).split("\n")
      text = text.slice(end + 2)
      const field = (name: string) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
      const data = field("data")
      if (data !== undefined) seen.push({ id: field("id") ?? "", event: field("event") ?? "", data: JSON.parse(data) })
    }
    changed()
  })
  const until = (found: (seen: ReadonlyArray<Frame>) => boolean) =>
    Effect.callback<void>((resume) => {
      changed = () => found(seen) ? resume(Effect.void) : undefined
      changed()
    }).pipe(Effect.timeout("30 seconds"))
  const frames = (count: number) =>
    Effect.map(until(() => seen.length >= count), (): ReadonlyArray<Frame> => seen.slice(0, count))
  return { frames, until, response, seen }
})
