/**
 * The model of this host, out of the configuration: `Provider`, or nothing where no model is configured.
 *
 * A key that the configuration names and the secrets store lacks ends the start, as one of a plugin's does.
 */
import { Effect, Layer, Redacted } from "effect"
import { isSecretRef } from "../plugin/Secret.ts"
import { ConfigError, Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { missingSecret, SecretsStore } from "../secrets/SecretsStore.ts"
import { Provider } from "./CompletionProvider.ts"
import { makeOpenAiProvider } from "./OpenAiProvider.ts"

/** `Provider` by `Settings`. Nothing is asked of the model before its first question. */
export const layer = Layer.effect(
  Provider,
  Effect.gen(function*() {
    const { file, llm } = yield* Settings
    const store = yield* SecretsStore
    const redactor = yield* Redactor
    if (llm === undefined) return undefined
    const refuse = (detail: string) => new ConfigError({ detail: `${file}: llm.apiKey: ${detail}`, more: [] })
    if (typeof llm.apiKey === "string") redactor.add("llm.apiKey", Redacted.make(llm.apiKey))
    else if (isSecretRef(llm.apiKey)) {
      const missing = yield* store.missing([llm.apiKey]).pipe(Effect.mapError((error) => refuse(error.detail)))
      if (missing.length > 0) return yield* refuse(missingSecret(llm.apiKey.name, llm.apiKey.key))
    }
    return makeOpenAiProvider(llm, store, redactor)
  })
)
