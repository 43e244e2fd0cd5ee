/**
 * `GET /oauth/callback`: where the operator's browser comes back to after signing in to a server. It takes no token, as the
 * browser has none; the unguessable `state` in its address, good once, is what lets it in. Answers plain text.
 */
import { Effect } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import { SignIns } from "../mcp/SignIn.ts"
import { writeProblem } from "./Answer.ts"
import { serverFailed } from "./Checked.ts"
import { makeRate } from "./Limits.ts"
import { problem } from "./Problem.ts"
import { canonicalAddress } from "./RemoteAddress.ts"

const perSecond = 5

export const makeSignInCallback = Effect.gen(function*() {
  const signIns = yield* SignIns
  const run = Effect.runForkWith(yield* Effect.context<never>())
  const rate = makeRate(perSecond)

  return (request: IncomingMessage, response: ServerResponse): void => {
    if (request.method !== "GET") {
      return writeProblem(response, problem("request.method", "This address answers GET.", { allow: "GET" }))
    }
    const wait = rate.take(canonicalAddress(request.socket.remoteAddress), performance.now())
    if (wait > 0) {
      return writeProblem(
        response,
        problem("request.rate", `At most ${perSecond} times a second.`, { "retry-after": String(wait) })
      )
    }
    const { search } = new URL(request.url ?? "/", "http://callback")
    run(signIns.callback(new URLSearchParams(search))).addObserver((exit) => {
      if (exit._tag === "Failure") return writeProblem(response, serverFailed)
      if (response.destroyed) return
      const { status, text } = exit.value
      response.writeHead(status, {
        "content-type": "text/plain; charset=utf-8",
        "content-security-policy": "default-src 'none'",
        "referrer-policy": "no-referrer"
      })
      response.end(`${text}\n`)
    })
  }
})
