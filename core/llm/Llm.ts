/**
 * The model of this host, out of the configuration: `Provider`, or nothing where no model is configured.
 *
 * A key that the configuration names and the secrets store lacks ends the start, as one of a plugin's does; so does a
 * provider that no plugin brings.
 */
import { Effect, Layer, Redacted } from "effect"
import { Health } from "../health/Health.ts"
import { unknownKey, withStop } from "../plugin/Explain.ts"
import { Registry } from "../plugin/Registry.ts"
import { isSecretRef } from "../plugin/Secret.ts"
import { chainOf, ConfigError, defaultBaseUrl, type ModelSettings, Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { missingSecret, SecretsStore } from "../secrets/SecretsStore.ts"
import { type CompletionProvider, Provider } from "./CompletionProvider.ts"
import { type Link, makeFallback } from "./Fallback.ts"
import { makeOpenAiProvider } from "./OpenAiProvider.ts"
import { makePluginProvider } from "./PluginProvider.ts"

/** `Provider` by `Settings`. Nothing is asked of a model before the first question. */
export const layer = Layer.effect(
  Provider,
  Effect.gen(function*() {
    const { file, llm } = yield* Settings
    const store = yield* SecretsStore
    const redactor = yield* Redactor
    const registry = yield* Registry
    const health = yield* Health
    if (llm === undefined) return undefined

    const refuse = (place: string, detail: string) =>
      new ConfigError({ detail: `${file}: ${place}: ${withStop(detail)}`, more: [] })

    const checkKey = Effect.fnUntraced(function*(place: string, { apiKey }: ModelSettings) {
      if (typeof apiKey === "string") redactor.add(`${place}.apiKey`, Redacted.make(apiKey))
      else if (isSecretRef(apiKey)) {
        const missing = yield* store.missing([apiKey]).pipe(
          Effect.mapError((error) => refuse(`${place}.apiKey`, error.detail))
        )
        if (missing.length > 0) {
          return yield* new ConfigError({
            detail: `${file}: ${place}.apiKey: ${missingSecret(apiKey.name, apiKey.key)}`,
            more: []
          })
        }
      }
    })

    const make = (settings: ModelSettings): CompletionProvider | string => {
      const { baseURL = defaultBaseUrl, provider } = settings
      if (provider === "openai") return makeOpenAiProvider({ ...settings, baseURL }, store, redactor)
      const brought = registry.provider(provider)
      return brought === undefined
        ? unknownKey(provider, ["openai", ...registry.providers().map(({ name }) => name)], "provider")
        : makePluginProvider(brought, settings, store, redactor)
    }

    const links: Array<Link> = []
    for (const { name, place, settings } of chainOf(llm)) {
      yield* checkKey(place, settings)
      const provider = make(settings)
      if (typeof provider === "string") return yield* refuse(`${place}.provider`, provider)
      links.push({ name, provider, price: settings.price })
    }
    const [first, ...rest] = links
    return first === undefined ? undefined : makeFallback([first, ...rest], health)
  })
)
