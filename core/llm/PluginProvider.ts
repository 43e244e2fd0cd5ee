/**
 * A plugin's provider as the host asks it: known secrets are out of the question, the time is bounded, and what comes back
 * is checked and bounded like any other answer.
 *
 * How long it may be silent is the plugin's own business: the host does not see its bytes.
 */
import { Cause, type Context, Effect, Exit } from "effect"
import { fromPlugin } from "../plugin/Awaiting.ts"
import type { ProviderAnswer, ProviderRequest } from "../plugin/ModelProvider.ts"
import type { RegisteredProvider } from "../plugin/Registry.ts"
import type { ModelSettings } from "../plugin/Settings.ts"
import type { Redaction } from "../secrets/Redactor.ts"
import type { SecretsStore } from "../secrets/SecretsStore.ts"
import { AnswerDraft, maximumName, usageOf } from "./AnswerDraft.ts"
import { asRecord } from "./BoundedJson.ts"
import {
  type Completion,
  CompletionFailed,
  type CompletionProvider,
  failed,
  type Message
} from "./CompletionProvider.ts"
import { untilAborted } from "./Fallback.ts"
import { fieldsOf, maximumRetryAfterMs, type Redact, unfinished, words } from "./Failure.ts"
import { modelKey } from "./ModelKey.ts"
import { callSafely } from "./TextRelay.ts"

type Made = ReturnType<RegisteredProvider["make"]>

const redacted = (message: Message, redact: Redact): Message => {
  switch (message.role) {
    case "system":
    case "user":
    case "tool":
      return { ...message, content: redact(message.content) }
    case "assistant":
      return {
        ...message,
        ...(message.content === undefined ? {} : { content: redact(message.content) }),
        calls: message.calls.map((call) => ({ ...call, arguments: redact(call.arguments) }))
      }
  }
}

/** The answer with what is missing; throws `CompletionFailed`. The draft has the pieces that were handed on. */
const completionOf = (given: unknown, draft: AnswerDraft, request: ProviderRequest, model: string): Completion => {
  const answer = asRecord(given) as ProviderAnswer | undefined
  const wrong = (what: string): CompletionFailed =>
    failed("llm.invalid", `The model's provider gave back what is not an answer: ${what}.`)
  if (answer === undefined) throw wrong("it must be an object such as { text }")
  const { calls = [], finish, model: named, text, usage } = answer
  if (text !== undefined && typeof text !== "string") throw wrong("text must be a string")
  if (!Array.isArray(calls)) throw wrong("calls must be a list")
  if (draft.text === "") draft.addText(text ?? "")
  else if (text !== undefined && text !== draft.text) throw wrong("text must be the pieces that were handed on, joined")
  const failure = unfinished(typeof finish === "string" ? finish : undefined)
  if (failure !== undefined) throw failure
  for (const each of calls as ReadonlyArray<unknown>) {
    const call = asRecord(each)
    const json = typeof call?.["arguments"] === "string"
      ? call["arguments"]
      : JSON.stringify(asRecord(call?.["arguments"]))
    if (typeof call?.["tool"] !== "string" || json === undefined) {
      throw wrong("a call needs a tool, and arguments that are JSON text or an object")
    }
    draft.addToCall(draft.newCall(), typeof call["id"] === "string" ? call["id"] : "", call["tool"], json)
  }
  draft.usage = usageOf(usage?.input_tokens, usage?.output_tokens)
  if (typeof named === "string" && named !== "") draft.model = named.slice(0, maximumName)
  return draft.completion(
    { model, inputCharacters: () => JSON.stringify([request.messages, request.tools]).length },
    typeof finish === "string" ? finish.slice(0, maximumName) : calls.length > 0 ? "tool_calls" : "stop"
  )
}

/** What a plugin threw, in its own words. Whatever it threw: some of it can't be read. */
const saidIn = (thrown: unknown, redact: Redact): string => {
  try {
    return words(thrown instanceof Error ? thrown.message || thrown.name : String(thrown), redact)
  } catch {
    return "it threw what can't be read"
  }
}

/** What a plugin threw, as a failure without secrets; a fault of its own may pass. */
const failureOf = (thrown: unknown, provider: string, redact: Redact): CompletionFailed => {
  if (thrown instanceof CompletionFailed) {
    const { retryAfterMs, ...fields } = fieldsOf(thrown)
    return new CompletionFailed({
      ...fields,
      detail: words(thrown.detail, redact) || `The provider ${provider} failed, and does not say why.`,
      ...(retryAfterMs === undefined ? {} : { retryAfterMs: Math.min(Math.max(retryAfterMs, 0), maximumRetryAfterMs) })
    })
  }
  const said = saidIn(thrown, redact)
  return failed("llm.unavailable", `The provider ${provider} failed: ${said}${/[.?!…]$/.test(said) ? "" : "."}`)
}

/** Detached: an effect that ignores its interruption is left behind, never waited for. Fails with whatever ended it. */
const detached = <A>(effect: Effect.Effect<A, unknown>): Effect.Effect<A, unknown> =>
  Effect.contextWith((context: Context.Context<never>) =>
    Effect.callback((resume) => {
      const fiber = Effect.runForkWith(context)(effect)
      fiber.addObserver((exit) =>
        resume(Exit.isSuccess(exit) ? Effect.succeed(exit.value) : Effect.fail(Cause.squash(exit.cause)))
      )
      return Effect.sync(() => fiber.interruptUnsafe())
    })
  )

/** The provider of these settings, or what is wrong with the plugin's, without its full stop. */
export const makePluginProvider = (
  { log, make, name }: RegisteredProvider,
  { apiKey, baseURL, model, timeoutMs }: ModelSettings,
  store: SecretsStore["Service"],
  { redactText }: Redaction
): CompletionProvider | string => {
  let made: Made
  try {
    made = make({
      model,
      ...(baseURL === undefined ? {} : { baseURL }),
      apiKey: () => Effect.runPromise(modelKey(apiKey, store)),
      timeoutMs,
      log
    })
  } catch (error) {
    return `make of the provider ${name} throws: ${saidIn(error, redactText)}`
  }
  if (typeof (made as Partial<Made> | null | undefined)?.complete !== "function") {
    return `make of the provider ${name} must give back an object with a complete function`
  }
  const complete: CompletionProvider["complete"] = Effect.fn("PluginProvider.complete")(function*(asked) {
    const { onRestart: _, onText, signal, ...question } = asked
    const controller = new AbortController()
    const draft = new AnswerDraft((text) => callSafely(onText, text))
    let tooMuch: unknown
    const request: ProviderRequest = {
      ...question,
      messages: question.messages.map((message) => redacted(message, redactText)),
      signal: controller.signal,
      onText: (delta) => {
        if (controller.signal.aborted || typeof delta !== "string" || delta === "") return
        try {
          draft.addText(delta)
        } catch (error) {
          tooMuch = error
          controller.abort()
        }
      }
    }
    const answer = detached(fromPlugin<ProviderAnswer>(() => made.complete(request))).pipe(
      Effect.mapError((error) => failureOf(tooMuch ?? error, name, redactText)),
      Effect.timeoutOrElse({
        duration: timeoutMs,
        orElse: () =>
          Effect.fail(
            failed("llm.timeout", `The model did not end its answer within ${timeoutMs / 1000} s. See llm.timeout.`)
          )
      }),
      Effect.ensuring(Effect.sync(() => controller.abort()))
    )
    const given: unknown = yield* (signal === undefined ? answer : Effect.raceFirst(answer, untilAborted(signal)))
    if (tooMuch !== undefined) return yield* failureOf(tooMuch, name, redactText)
    return yield* Effect.try({
      try: () => completionOf(given, draft, request, model),
      catch: (error) => failureOf(error, name, redactText)
    })
  })
  return { model, complete }
}
