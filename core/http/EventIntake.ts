/**
 * `POST /events`: straight from the Node request to `Pipeline.submit`, without a router, a log line or a span.
 * An event is answered when it is durable, whether or not the client still listens. A body that is refused leaves
 * `event.rejected`.
 */
import { Cause, type Deferred, Effect, type Exit } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import { type Accepted, EventNotAccepted, EventRejected, Pipeline } from "../pipeline/Pipeline.ts"
import { writeJson, writeProblem } from "./Answer.ts"
import { databaseAway, maximumBody, serverFailed, tooLarge } from "./Checked.ts"
import { checkContentType, parseJson } from "./JsonBody.ts"
import { held, preferenceApplied, readPrefer } from "./Prefer.ts"
import { problem, type Problem, withCode } from "./Problem.ts"
import { readQuery } from "./Query.ts"
import { readBody } from "./RequestBody.ts"

export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => void

/** What a failed submit is answered with. */
export const submitProblem = (
  cause: Cause.Cause<EventRejected | EventNotAccepted>
): Problem<400> | Problem<503> | undefined => {
  const failure = cause.reasons.find((reason) => reason._tag === "Fail")?.error
  if (failure instanceof EventRejected) {
    return withCode(problem("event.rejected", failure.detail.message), failure.detail.code)
  }
  return failure instanceof EventNotAccepted ? { ...databaseAway, detail: failure.message } : undefined
}

const channelOf = (value: unknown): string | undefined =>
  typeof value === "object" && value !== null && "channel" in value && typeof value.channel === "string" &&
    value.channel.length <= 100 && value.channel.isWellFormed() && !value.channel.includes("\0")
    ? value.channel
    : undefined

/** `stopping` ends the waits of `Prefer`, so that a stop is not held up by them. */
export const makeEventIntake = (stopping: Deferred.Deferred<void>) =>
  Effect.gen(function*() {
    const pipeline = yield* Pipeline
    const run = Effect.runForkWith(yield* Effect.context<never>())

    const fail = (response: ServerResponse, cause: Cause.Cause<EventRejected | EventNotAccepted>) => {
      const known = submitProblem(cause)
      if (known === undefined) run(Effect.logError("POST /events failed", cause))
      writeProblem(response, known ?? serverFailed)
    }

    const refuse = (response: ServerResponse, refused: Problem, dry: boolean, channel?: string) => {
      if (dry) return writeProblem(response, refused)
      const detail = { code: refused.code, message: refused.detail, retryable: false }
      run(pipeline.reject(detail, channel)).addObserver(() => writeProblem(response, refused))
    }

    const settle = (response: ServerResponse, accepted: Accepted, seconds: number) => {
      const fiber = run(held(pipeline.settled(accepted), seconds, stopping))
      response.on("close", () => fiber.interruptUnsafe())
      fiber.addObserver((exit) => {
        if (exit._tag === "Failure") {
          if (!Cause.hasInterruptsOnly(exit.cause)) fail(response, exit.cause)
          return
        }
        const end = exit.value
        const applied = preferenceApplied(seconds)
        if (end === undefined) writeJson(response, 202, { ...accepted, settled: false }, applied)
        else writeJson(response, 200, { ...accepted, settled: true, ...end }, applied)
      })
    }

    const submit = (response: ServerResponse, value: unknown, wait: number | undefined) => {
      run(pipeline.submit(value)).addObserver((exit: Exit.Exit<Accepted, EventRejected | EventNotAccepted>) => {
        if (exit._tag === "Failure") fail(response, exit.cause)
        else if (wait !== undefined) settle(response, exit.value, wait)
        else writeJson(response, exit.value.deduped ? 200 : 202, exit.value)
      })
    }

    const dryRun = (response: ServerResponse, value: unknown) => {
      run(pipeline.dryRun(value)).addObserver((exit) => {
        if (exit._tag === "Failure") fail(response, exit.cause)
        else writeJson(response, 200, exit.value)
      })
    }

    const handler: NodeHandler = (request, response) => {
      const { headers } = request
      let dry = false
      const target = request.url ?? ""
      if (target.length > "/events".length) {
        const query = readQuery(target, ["dry_run"])
        if (query.problem !== undefined) return writeProblem(response, query.problem)
        const given = query.values.get("dry_run")
        if (given !== undefined && given !== "true" && given !== "false") {
          return writeProblem(response, problem("request.parameter", "dry_run is true or false."))
        }
        dry = given === "true"
      }
      const type = checkContentType(headers["content-type"], headers["content-encoding"])
      if (type !== undefined) return refuse(response, type, dry)
      const wait = readPrefer(headers["prefer"])
      readBody(request, maximumBody, (bytes) => {
        if (bytes === undefined) return refuse(response, tooLarge(maximumBody), dry)
        const parsed = parseJson(bytes)
        if (parsed.problem !== undefined) return refuse(response, parsed.problem, dry, channelOf(parsed.value))
        return dry ? dryRun(response, parsed.value) : submit(response, parsed.value, wait)
      })
    }
    return handler
  })
