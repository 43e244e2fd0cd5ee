/**
 * What a tool says that would happen, before anything does.
 *
 * - A preview may look and must change nothing: it has no transaction, and what it emits is thrown away.
 * - It has the key that the call will have.
 * - It is bounded in time and length; one that fails is said so, and never holds anything up.
 * - In a trace that carries untrusted content it asks no network: the address may come out of the content.
 */
import { Clock, Context, Effect, Layer } from "effect"
import type { Trust } from "../contract/Enums.ts"
import { fromPlugin } from "../plugin/Awaiting.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import type { SecretOption } from "../plugin/Secret.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import { makeContext } from "./ToolRun.ts"

export interface PreviewRequest {
  readonly tool: RegisteredTool
  /** As `decodeInput` gave it. */
  readonly input: unknown
  readonly idempotency_key: string
  readonly trace_id: string
  readonly trust: Trust
}

export interface Preview {
  /** In the tool's words; nothing where it has none for it. */
  readonly text?: string
  /** What a person should know of the preview, as a sentence. */
  readonly note?: string
}

/** How long a tool may take to say it. */
const timeoutMs = 3_000
/** Longest text that is kept, in UTF-16 code units. */
const longest = 4_000

export class Previews extends Context.Service<Previews, {
  readonly show: (request: PreviewRequest) => Effect.Effect<Preview>
}>()("syris/tools/Previews") {
  static readonly layer = Layer.effect(
    Previews,
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      const redactor = yield* Redactor
      const secrets = yield* SecretsStore

      const show = (request: PreviewRequest): Effect.Effect<Preview> =>
        Effect.suspend(() => {
          const { definition } = request.tool
          const { preview } = definition
          if (preview === undefined) {
            return Effect.succeed({
              note:
                `${definition.name} has no preview: this is the input that it would get, and more can't be foreseen.`
            })
          }
          const controller = new AbortController()
          const { context } = makeContext({
            tool: request.tool,
            input: request.input,
            idempotencyKey: request.idempotency_key,
            traceId: request.trace_id,
            trust: request.trust,
            taskId: undefined,
            stepId: undefined,
            timeoutMs,
            clock,
            stop: controller.signal,
            canceled: undefined,
            secret: (first: SecretOption, key?: string) => Effect.runPromise(readSecret(secrets, first, key)),
            transaction: undefined,
            leftMs: () => timeoutMs
          }, controller.signal)
          const looking = request.trust === "untrusted" ? { ...context, fetch: noNetwork } : context
          const failed = (why: string): Preview => ({
            note: `${definition.name} could not say what would happen (${why}): this is the input that it would get.`
          })
          return fromPlugin<unknown>(() => preview(request.input, looking)).pipe(
            Effect.timeoutOption(timeoutMs),
            Effect.map((said): Preview =>
              said._tag === "None"
                ? failed(`it took longer than ${timeoutMs / 1_000} s`)
                : typeof said.value === "string"
                ? { text: redactor.redactText(storable(inWordsOf(request.tool, said.value))) }
                : failed("it gave back no text")
            ),
            Effect.catchCause((cause) => {
              const error = cause.reasons.find((reason) => reason._tag !== "Interrupt")
              const thrown: unknown = error?._tag === "Fail"
                ? error.error
                : error?._tag === "Die"
                ? error.defect
                : undefined
              const message = thrown instanceof Error
                ? thrown.message
                : typeof thrown === "string"
                ? thrown
                : "it was stopped"
              return Effect.succeed(failed(redactor.redactText(storable(message)).slice(0, 300).toWellFormed()))
            }),
            Effect.ensuring(Effect.sync(() => controller.abort()))
          )
        })

      return Previews.of({ show })
    })
  )
}

const noNetwork: typeof globalThis.fetch = () =>
  Promise.reject(new Error("a preview asks no network where untrusted content is in the trace"))

/** What nobody vouches for says so before it says anything else. */
const inWordsOf = ({ plugin, strange }: RegisteredTool, text: string): string =>
  strange === true ? `Plugin ${plugin}, for which nobody vouches, says: ${text}` : text

const storable = (text: string): string => {
  const kept = text.replaceAll("\0", "\u{fffd}").toWellFormed()
  return kept.length <= longest ? kept : `${kept.slice(0, longest - 1).toWellFormed()}…`
}
