/**
 * Asks any server that speaks OpenAI's chat completions, by the `openai` package.
 *
 * - One request for one question: the package retries nothing, reads no key from the environment and logs nothing.
 * - It streams, and takes a whole JSON answer as well. What comes back is hostile: bounded in time, silence and size.
 * - The key is read from the secrets store for each question, and is in no error.
 */
import { Effect } from "effect"
import { readSecret } from "../plugin/SecretAccess.ts"
import type { LlmSettings } from "../plugin/Settings.ts"
import type { Redaction } from "../secrets/Redactor.ts"
import type { SecretsStore } from "../secrets/SecretsStore.ts"
import { chatRequest } from "./ChatRequest.ts"
import {
  type Completion,
  CompletionFailed,
  type CompletionProvider,
  type CompletionRequest,
  failed
} from "./CompletionProvider.ts"
import { CompletionReader } from "./CompletionReader.ts"
import { cut, words } from "./Failure.ts"
import { serverSentEvents } from "./ServerSentEvents.ts"
import { Watch } from "./Watch.ts"
import { chunksOf, makeFetch, textOf } from "./Wire.ts"
import { wireNames } from "./WireNames.ts"

/** Longest answer that is one JSON text, bytes. */
const maximumJsonBytes = 1_048_576

interface Asked {
  readonly request: CompletionRequest
  readonly settings: LlmSettings
  readonly key: string | undefined
  readonly redact: Redaction["redactText"]
  readonly watch: Watch
}

/** Reads a stream to its `[DONE]`, or as far as it comes. Whether it said that it is over. */
const readStream = async (response: Response, watch: Watch, reader: CompletionReader): Promise<boolean> => {
  try {
    for await (const { data, last } of serverSentEvents(chunksOf(response, watch))) {
      if (data.trim() === "[DONE]") return true
      try {
        reader.take(data)
      } catch (error) {
        if (last && error instanceof CompletionFailed && error.code === "llm.invalid") throw cut("it ended in a piece")
        throw error
      }
    }
  } catch (error) {
    // A connection that breaks after the last piece takes nothing away.
    if (!(reader.finished && error instanceof CompletionFailed && error.code === "llm.cut")) throw error
  }
  return false
}

const ask = async ({ key, redact, request, settings, watch }: Asked): Promise<Completion> => {
  const { baseURL, model, timeoutMs } = settings
  const names = wireNames(request.tools.map(({ name }) => name))
  const body = chatRequest(request, { baseURL, model, names, redact })
  // Loaded with the first question: no start waits for it, and it is no silence of the server.
  const { OpenAI } = await import("openai")
  watch.heard()
  const client = new OpenAI({
    baseURL,
    // It demands one; what is sent is made in `makeFetch`.
    apiKey: "unused",
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
    maxRetries: 0,
    timeout: Math.ceil(timeoutMs) + 1000,
    logLevel: "off",
    fetch: makeFetch({ baseURL, key, redact, watch })
  })
  const response = await client.chat.completions.create(body).asResponse()
  const reader = new CompletionReader(redact)
  const type = response.headers.get("content-type") ?? ""
  let done = true
  if (/\bjson\b/.test(type)) reader.take(await textOf(response, watch, maximumJsonBytes, true))
  else if (type === "" || /\bevent-stream\b/.test(type)) done = await readStream(response, watch, reader)
  else {
    throw failed(
      "llm.invalid",
      `The model's server answered with "${words(type, redact)}", which is no completion. Check llm.baseURL.`
    )
  }
  const completion = reader.end(done, { model, inputCharacters: JSON.stringify([body.messages, body.tools]).length })
  return { ...completion, calls: completion.calls.map((call) => ({ ...call, tool: names.fromWire(call.tool) })) }
}

/** The provider of these settings. A plain key must be known to `redactor`, as every value of `store` is. */
export const makeOpenAiProvider = (
  settings: LlmSettings,
  store: SecretsStore["Service"],
  redactor: Redaction
): CompletionProvider => {
  const { apiKey, model, silenceMs, timeoutMs } = settings
  const key: Effect.Effect<string | undefined, CompletionFailed> = apiKey === undefined
    ? Effect.undefined
    : readSecret(store, apiKey).pipe(
      Effect.mapError((error) => failed("llm.refused", error.detail)),
      Effect.map((value) => value.trim()),
      Effect.filterOrFail(
        (value) => /^[\x21-\x7e]+$/.test(value),
        () => failed("llm.refused", "The key of the model (llm.apiKey) is empty or has characters that no key has.")
      )
    )
  const complete = Effect.fn("CompletionProvider.complete")(function*(request: CompletionRequest) {
    const value = yield* key
    return yield* Effect.callback<Completion, CompletionFailed>((resume) => {
      const watch = new Watch({ timeoutMs, silenceMs, signal: request.signal })
      void ask({ request, settings, key: value, redact: redactor.redactText, watch }).then(
        (completion) => {
          watch.close()
          resume(Effect.succeed(completion))
        },
        (error: unknown) => {
          // The package wraps what its `fetch` was thrown; the watch has the thing itself.
          const failure = watch.failure ?? error
          watch.close()
          resume(failure instanceof CompletionFailed ? Effect.fail(failure) : Effect.die(failure))
        }
      )
      return Effect.sync(watch.abort)
    })
  })
  return { model, complete }
}
