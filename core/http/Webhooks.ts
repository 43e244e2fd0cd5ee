/**
 * `POST /hooks/{connector_id}`: the raw body goes to the channel, which checks its own signature; without one nothing
 * is parsed. Answered as soon as the event is durable. Twenty a second from each source and connector. What is refused leaves a
 * row `event.rejected`, with where it came from and, where the channel says so, why.
 */
import { Effect } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import { makeChannelContext } from "../pipeline/ChannelContext.ts"
import { type Accepted, Pipeline } from "../pipeline/Pipeline.ts"
import { fromPlugin } from "../plugin/Awaiting.ts"
import { type ChannelContext, WebhookRefused, WebhookReply, type WebhookRequest } from "../plugin/Plugin.ts"
import { type RegisteredChannel, Registry } from "../plugin/Registry.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { writeJson, writeProblem } from "./Answer.ts"
import { serverFailed, tooLarge } from "./Checked.ts"
import { submitProblem } from "./EventIntake.ts"
import { pathOf } from "./FrontDoor.ts"
import { makeRate } from "./Limits.ts"
import { problem, type Problem } from "./Problem.ts"
import { canonicalAddress } from "./RemoteAddress.ts"
import { readBody } from "./RequestBody.ts"

const maximumHookBody = 256 * 1024
const perSecond = 20

const flatHeaders = (request: IncomingMessage): Record<string, string> => {
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(request.headers)) {
    // A browser's session is the host's; a channel has no use for it.
    if (name !== "cookie" && value !== undefined) headers[name] = typeof value === "string" ? value : value.join(", ")
  }
  return headers
}

const write = (response: ServerResponse, value: Accepted | WebhookReply): void => {
  if (!(value instanceof WebhookReply)) return writeJson(response, value.deduped ? 200 : 202, value)
  if (!response.destroyed) response.writeHead(200, { "content-type": value.contentType }).end(value.body)
}

const signatureRefused = problem("hook.signature", "The signature of this webhook is missing, old or wrong.", {
  "www-authenticate": "Signature"
})

export const makeWebhooks = (stopped: AbortSignal) =>
  Effect.gen(function*() {
    const pipeline = yield* Pipeline
    const redactor = yield* Redactor
    const registry = yield* Registry
    const contextOf = yield* makeChannelContext
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const rate = makeRate(perSecond)

    const receive = Effect.fnUntraced(function*(
      registered: RegisteredChannel,
      id: string,
      source: string,
      request: WebhookRequest
    ) {
      const { channel } = registered
      const given = contextOf(registered, stopped)
      /** The channel has said itself why. */
      let told = false
      const reject: ChannelContext["reject"] = (refused) => {
        told = true
        return given.reject({ ...refused, data: { ...refused.data, source } })
      }
      const noted = (code: string, message: string) => Effect.ignore(Effect.tryPromise(() => reject({ code, message })))
      const event = yield* fromPlugin(() => channel.webhook?.(request, { ...given, reject })).pipe(
        Effect.catch((cause): Effect.Effect<never, Problem> =>
          cause instanceof WebhookRefused
            ? Effect.andThen(
              noted("hook.refused", cause.message),
              Effect.fail(problem("hook.refused", redactor.redactText(cause.message)))
            )
            : Effect.andThen(
              Effect.logError(`The channel ${channel.name} of plugin ${registered.plugin} failed on a webhook`, cause),
              Effect.fail(
                problem("hook.failed", "The channel could not handle this webhook; the log of the host has why.")
              )
            )
        ),
        Effect.timeoutOrElse({
          duration: "10 seconds",
          orElse: () => Effect.fail(problem("hook.failed", "The channel did not answer in time."))
        })
      )
      if (event === undefined) {
        if (!told) yield* noted("hook.signature", "its signature is missing, old or wrong.")
        return yield* Effect.fail(signatureRefused)
      }
      if (event instanceof WebhookReply) return event
      return yield* pipeline.submit({ ...event, connector_id: id }, channel.trust).pipe(
        Effect.catchCause((cause) =>
          Effect.fail(submitProblem(cause) ?? serverFailed).pipe(
            Effect.tapError((refused) =>
              refused === serverFailed ? Effect.logError("A webhook failed", cause) : Effect.void
            )
          )
        )
      )
    })

    return (request: IncomingMessage, response: ServerResponse): void => {
      const path = pathOf(request.url ?? "")
      let id: string
      try {
        id = decodeURIComponent(path.slice("/hooks/".length))
      } catch {
        return writeProblem(response, problem("request.path", "The connector in the path can't be read."))
      }
      const registered = registry.connector(id)
      if (registered?.channel.webhook === undefined) {
        return writeProblem(response, problem("hook.not_found", "No webhook is set up under this name."))
      }
      if (request.method !== "POST") {
        return writeProblem(response, problem("request.method", "Webhooks come by POST.", { allow: "POST" }))
      }
      const { remoteAddress = "unknown" } = request.socket
      const wait = rate.take(`${canonicalAddress(remoteAddress)} ${id}`, performance.now())
      if (wait > 0) {
        return writeProblem(
          response,
          problem("request.rate", `At most ${perSecond} webhooks a second.`, { "retry-after": String(wait) })
        )
      }
      readBody(request, maximumHookBody, (body) => {
        if (body === undefined) {
          return writeProblem(response, tooLarge(maximumHookBody))
        }
        const hook = receive(registered, id, remoteAddress.replace(/^::ffff:/i, ""), {
          headers: flatHeaders(request),
          body
        })
        run(hook).addObserver((exit) => {
          if (exit._tag === "Success") return write(response, exit.value)
          const failure = exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error as Problem | undefined
          if (failure === undefined) run(Effect.logError("A webhook failed", exit.cause))
          writeProblem(response, failure ?? serverFailed)
        })
      })
    }
  })
