/**
 * Says which things an input means, before it is judged, shown and stored: `bind` of a tool. What was bound takes the place
 * of the input, so what a person says yes to is what runs, whatever has got another name meanwhile.
 */
import { Context, Effect, Layer } from "effect"
import { fromPlugin } from "../plugin/Awaiting.ts"
import { toPlainJson } from "../plugin/PlainJson.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import type { SecretOption } from "../plugin/Secret.ts"
import { readSecret } from "../plugin/SecretAccess.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { SecretsStore } from "../secrets/SecretsStore.ts"
import type { PlanRequest } from "./ToolCallPlan.ts"

/** How long a tool may look for them. */
const timeoutMs = 3_000
const longest = 1_000

export interface ToBind {
  readonly tool: RegisteredTool
  /** As `decodeInput` gave it, and as JSON. */
  readonly decoded: unknown
  readonly json: unknown
  readonly event: Pick<PlanRequest["event"], "event_id">
  readonly step?: PlanRequest["step"]
}

export interface Binder {
  /** Takes known secrets out: a tool has them from the store, and no input is kept that holds one. */
  readonly redact: (json: unknown) => unknown
  /** As JSON; fails with a sentence for whoever asked. */
  readonly bind: (given: ToBind) => Effect.Effect<unknown, string>
}

/** Whoever asks the tools. A replay takes what was bound then. */
export class Binding extends Context.Service<Binding, Binder>()("syris/tools/Binding") {
  static readonly layer = Layer.effect(
    Binding,
    Effect.map(Effect.all([Redactor, SecretsStore]), ([redactor, secrets]): Binder => ({
      redact: redactor.redactJson,
      bind: ({ decoded, json, tool: { definition } }) =>
        Effect.suspend(() => {
          if (definition.bind === undefined) return Effect.succeed(json)
          const controller = new AbortController()
          const { bind, name } = definition
          const context = {
            signal: controller.signal,
            secret: (first: SecretOption, key?: string) => Effect.runPromise(readSecret(secrets, first, key))
          }
          return fromPlugin<unknown>(() => bind(decoded, context)).pipe(
            Effect.timeoutOrElse({
              duration: timeoutMs,
              orElse: () =>
                Effect.fail(new Error(`${name} took longer than ${timeoutMs / 1_000} s to find what is meant.`))
            }),
            Effect.flatMap((bound) => Effect.try({ try: () => plain(name, bound), catch: (error) => error })),
            Effect.catchDefect((defect) => Effect.fail(defect)),
            Effect.mapError((error) =>
              redactor.redactText(error instanceof Error ? error.message : String(error)).replaceAll("\0", "␀")
                .slice(0, longest).toWellFormed()
            ),
            Effect.ensuring(Effect.sync(() => controller.abort()))
          )
        })
    }))
  )
}

/** Of nothing nobody can say what it means: it would be an input that was never asked for. */
const plain = (name: string, bound: unknown): unknown => {
  if (typeof bound !== "object" || bound === null) {
    throw new Error(`${name} did not say what is meant: that is a mistake in its plugin.`)
  }
  try {
    return toPlainJson(bound)
  } catch (error) {
    throw new Error(`What ${name} says is meant ${(error as Error).message}: that is a mistake in its plugin.`, {
      cause: error
    })
  }
}

/** The input as JSON and as the tool gets it, bound, without known secrets; fails with a sentence. */
export const readInput = Effect.fnUntraced(function*(
  { bind, redact }: Binder,
  request: Pick<ToBind, "event" | "step" | "tool">,
  given: unknown
) {
  const { tool } = request
  const json = redact(given)
  const decoded: unknown = yield* tool.decodeInput(json)
  if (tool.definition.bind === undefined) return { json, decoded }
  const bound = redact(yield* bind({ ...request, decoded, json }))
  return { json: bound, decoded: (yield* tool.decodeInput(bound)) as unknown }
})
