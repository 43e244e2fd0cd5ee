/**
 * Asks any server that speaks OpenAI's protocol, by the `openai` package, in the dialect that `llm.api` names.
 *
 * - One request for one question: the package retries nothing, reads no key from the environment and logs nothing.
 * - It streams, and hands the text on in the turn in which it is read; it takes a whole JSON answer as well.
 * - What comes back is hostile: bounded in time, silence and size.
 * - The key is read from the secrets store for each question, and is in no error.
 */
import { Effect } from "effect"
import type { ModelSettings } from "../plugin/Settings.ts"
import type { Redaction } from "../secrets/Redactor.ts"
import type { SecretsStore } from "../secrets/SecretsStore.ts"
import {
  type Completion,
  CompletionFailed,
  type CompletionProvider,
  type CompletionRequest,
  failed
} from "./CompletionProvider.ts"
import type { AnswerReader } from "./Dialect.ts"
import { dialects } from "./Dialects.ts"
import { cut, words } from "./Failure.ts"
import { modelKey } from "./ModelKey.ts"
import { serverSentEvents } from "./ServerSentEvents.ts"
import { callSafely } from "./TextRelay.ts"
import { Watch } from "./Watch.ts"
import { chunksOf, makeFetch, textOf } from "./Wire.ts"
import { wireNames } from "./WireNames.ts"

let loaded: Promise<typeof import("openai")> | undefined

/** Longest answer that is one JSON text, bytes. */
const maximumJsonBytes = 1_048_576

export interface OpenAiSettings extends ModelSettings {
  readonly baseURL: string
}

interface Asked {
  readonly request: CompletionRequest
  readonly settings: OpenAiSettings
  readonly key: string | undefined
  readonly redact: Redaction["redactText"]
  readonly watch: Watch
}

/** Reads a stream to its end, or as far as it comes. Whether it said that it is over. */
const readStream = async (response: Response, watch: Watch, reader: AnswerReader): Promise<boolean> => {
  try {
    for await (const { data, last } of serverSentEvents(chunksOf(response, watch))) {
      if (data.trim() === "[DONE]") return true
      try {
        reader.take(data)
      } catch (error) {
        if (last && error instanceof CompletionFailed && error.code === "llm.invalid") throw cut("it ended in a piece")
        throw error
      }
      if (reader.over) return true
    }
  } catch (error) {
    // A connection that breaks after the last piece takes nothing away.
    if (!(reader.finished && error instanceof CompletionFailed && error.code === "llm.cut")) throw error
  }
  return false
}

const ask = async ({ key, redact, request, settings, watch }: Asked): Promise<Completion> => {
  const { api, baseURL, model, timeoutMs } = settings
  const names = wireNames(request.tools.map(({ name }) => name))
  const dialect = dialects[api]
  // Loaded with the first question: no start waits for it, and it is no silence of the server.
  const { OpenAI } = await (loaded ??= import("openai"))
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
  const sent = dialect.send(client, request, { baseURL, model, names, redact })
  const response = await sent.response
  const reader = dialect.reader(redact, (delta) => {
    if (watch.failure === undefined) callSafely(request.onText, delta)
  })
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
  const completion = reader.end(done, { model, inputCharacters: sent.inputCharacters })
  return { ...completion, calls: completion.calls.map((call) => ({ ...call, tool: names.fromWire(call.tool) })) }
}

/** The provider of these settings. A plain key must be known to `redactor`, as every value of `store` is. */
export const makeOpenAiProvider = (
  settings: OpenAiSettings,
  store: SecretsStore["Service"],
  redactor: Redaction
): CompletionProvider => {
  const { apiKey, model, silenceMs, timeoutMs } = settings
  const key = modelKey(apiKey, store)
  const complete = Effect.fn("CompletionProvider.complete")(function*(request: CompletionRequest) {
    const value = yield* key
    return yield* Effect.callback<Completion, CompletionFailed>((resume) => {
      const watch = new Watch({ timeoutMs, silenceMs, signal: request.signal })
      const end = (failure: unknown): void => {
        watch.close()
        resume(failure instanceof CompletionFailed ? Effect.fail(failure) : Effect.die(failure))
      }
      void ask({ request, settings, key: value, redact: redactor.redactText, watch }).then(
        (completion) => {
          if (watch.failure !== undefined) return end(watch.failure)
          watch.close()
          resume(Effect.succeed(completion))
        },
        // The package wraps what its `fetch` was thrown; the watch has the thing itself.
        (error: unknown) => end(watch.failure ?? error)
      )
      return Effect.sync(watch.abort)
    })
  })
  return { model, complete }
}
