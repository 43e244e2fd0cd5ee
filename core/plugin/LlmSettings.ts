/**
 * The setting `llm` after it was checked: the model that is asked first, and those after it.
 */
import { Schema } from "effect"
import { type BudgetSettings, BudgetSetting, mistakeInModels, needsPrices, readBudget } from "./BudgetSettings.ts"
import { toMillis } from "./DurationInput.ts"
import {
  type ContextBudgets,
  ContextSetting,
  mistakeInPrompts,
  type PromptOverrides,
  PromptsSetting,
  readContext
} from "./PromptSettings.ts"
import { SecretOption } from "./Secret.ts"
import { atMost, Count, TimeoutSetting, UsdAboveZero } from "./SettingChecks.ts"

/** One model, as the configuration names it. */
export interface ModelSettings {
  /** `openai`, or what a plugin brings. */
  readonly provider: string
  /** How a server of `openai` is asked. */
  readonly api: "chat" | "responses"
  /** No slash at its end; there is always one for `openai`. */
  readonly baseURL: string | undefined
  readonly apiKey: SecretOption | undefined
  readonly model: string
  /** For a whole answer, milliseconds. */
  readonly timeoutMs: number
  /** Without a byte from the server, milliseconds. */
  readonly silenceMs: number
  /** US dollars. */
  readonly price: { readonly inputPerMillion: number; readonly outputPerMillion: number } | undefined
}

/** The model of this host. */
export interface LlmSettings extends ModelSettings {
  /** Asked in this order where the model gives no answer. */
  readonly fallback: ReadonlyArray<ModelSettings>
  readonly budget: BudgetSettings
  /** Of one task. */
  readonly bounds: { readonly steps: number; readonly seconds: number; readonly usd: number | undefined }
  /** Texts in the place of the host's own. */
  readonly prompts: PromptOverrides
  /** How much a model is told. */
  readonly context: ContextBudgets
}

export const defaultBaseUrl = "https://api.openai.com/v1"
const mostFallbacks = 8

const optional = Schema.optional
const Usd = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0, { expected: "US dollars, zero or more" }))
const NotBlank = Schema.String.check(Schema.isPattern(/\S/, { expected: "a string that is not empty" }))
const BaseUrl = Schema.String.check(Schema.makeFilter((text) => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" &&
    !/[?#\s]/.test(text)
}, { expected: `an http or https address without user, password and query, such as "${defaultBaseUrl}"` }))
const Provider = Schema.String.check(
  Schema.isPattern(/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/, { expected: "\"openai\", or the name of a plugin's provider" })
)
// No literals: the library would tell an object with a wrong one that it is no object at all.
const Api = Schema.String.check(Schema.isPattern(/^(chat|responses)$/, { expected: "\"chat\" or \"responses\"" }))
const Price = Schema.Struct({ inputPerMillion: Usd, outputPerMillion: Usd })

const model = {
  model: NotBlank,
  baseURL: optional(BaseUrl),
  apiKey: optional(SecretOption),
  api: optional(Api),
  price: optional(Price)
}
const FallbackSetting = Schema.Struct({ ...model, provider: optional(Provider) }).annotate({ expected: "an object" })

export const LlmSetting = Schema.Struct({
  ...model,
  provider: Provider,
  timeout: optional(TimeoutSetting),
  // The connection itself gives up after so long a silence.
  silence: optional(atMost(300_000, "5 minutes")),
  fallback: optional(Schema.Array(Schema.Union([NotBlank, FallbackSetting]))),
  budget: optional(BudgetSetting),
  bounds: optional(Schema.Struct({ steps: optional(Count), seconds: optional(Count), usd: optional(UsdAboveZero) })),
  prompts: optional(PromptsSetting),
  context: optional(ContextSetting)
}).annotate({ expected: "an object" })

type Given = Partial<Omit<typeof FallbackSetting.Type, "model">> & { readonly model: string }

const withoutSlash = (baseURL: string | undefined): string | undefined => baseURL?.replace(/\/+$/, "")

/** The address of an entry that names none of its own. */
const usualAddress = (provider: string): string | undefined => provider === "openai" ? defaultBaseUrl : undefined

/** Where the model is, with what belongs to that place: key and dialect of `first` go to its own address and to no other. */
const asModel = (given: Given, first: ModelSettings): ModelSettings => {
  const provider = given.provider ?? first.provider
  const own = withoutSlash(given.baseURL)
  const there = provider === first.provider && (own === undefined || own === first.baseURL)
  return {
    provider,
    api: (given.api as ModelSettings["api"] | undefined) ?? (there ? first.api : "chat"),
    baseURL: own ?? (there ? first.baseURL : usualAddress(provider)),
    apiKey: given.apiKey ?? (there ? first.apiKey : undefined),
    model: given.model,
    timeoutMs: first.timeoutMs,
    silenceMs: first.silenceMs,
    price: given.price
  }
}

/** The models in the order in which they are asked: their places in the configuration, and names that are unique. */
export const chainOf = (
  llm: ModelSettings & Pick<LlmSettings, "fallback">
): ReadonlyArray<{ readonly place: string; readonly name: string; readonly settings: ModelSettings }> => {
  const chain = [llm, ...llm.fallback].map((settings, i) => ({
    place: i === 0 ? "llm" : placeOf(i - 1),
    settings
  }))
  return chain.map(({ place, settings }) => ({
    place,
    name: chain.filter((other) => other.settings.model === settings.model).length === 1
      ? settings.model
      : `${settings.model} (${place})`,
    settings
  }))
}

/** What is wrong with a model beyond its fields, or nothing. `secret` is what its key would be called. */
const mistakeIn = ({ apiKey, baseURL, provider }: ModelSettings, place: string, secret: string): string | undefined => {
  const reference = `secret("${secret}", "key")`
  if (typeof apiKey === "string" && apiKey.trim() === "") {
    return `the setting "${place}.apiKey" is empty: give ${reference}, or remove it if the server needs no key`
  }
  return apiKey === undefined && provider === "openai" && baseURL === defaultBaseUrl
    ? `the setting "${place}.apiKey" is missing, and ${defaultBaseUrl} needs one: give ${reference}, or the baseURL ` +
      "of a server that needs none"
    : undefined
}

const placeOf = (index: number): string => `llm.fallback[${index}]`
const secretOf = (index: number): string => index === 0 ? "fallback" : `fallback${index + 1}`

const sameModel = (a: ModelSettings, b: ModelSettings): boolean =>
  a.provider === b.provider && a.baseURL === b.baseURL && a.model === b.model && a.api === b.api &&
  JSON.stringify(a.apiKey) === JSON.stringify(b.apiKey)

/** The model with its defaults, or what is wrong with it. */
export const readLlm = (config: typeof LlmSetting.Type): LlmSettings | string => {
  const { bounds } = config
  const first = asModel(config, {
    provider: config.provider,
    api: "chat",
    baseURL: usualAddress(config.provider),
    apiKey: undefined,
    model: config.model,
    timeoutMs: toMillis(config.timeout ?? "120 seconds")!,
    silenceMs: toMillis(config.silence ?? "30 seconds")!,
    price: undefined
  })
  const wrong = mistakeIn(first, "llm", "openai")
  if (wrong !== undefined) return wrong
  if (config.api !== undefined && first.provider !== "openai") {
    return "the setting \"llm.api\" is for the provider \"openai\": remove it"
  }
  const needs = bounds?.usd === undefined ? needsPrices(config.budget) : "llm.bounds.usd"
  if (needs !== undefined && first.price === undefined) {
    return `the setting "${needs}" needs "llm.price", so that the host knows what an answer costs: give ` +
      "price: { inputPerMillion, outputPerMillion }, or remove it"
  }
  const prompts = config.prompts ?? {}
  const badPrompt = mistakeInPrompts(prompts)
  if (badPrompt !== undefined) return badPrompt
  const context = readContext(config.context ?? {})
  if (typeof context === "string") return context
  const entries = config.fallback ?? []
  if (entries.length > mostFallbacks) {
    return `the setting "llm.fallback" has ${entries.length} models: at most ${mostFallbacks} are asked one after the other`
  }
  const fallback: Array<ModelSettings> = []
  for (const [i, entry] of entries.entries()) {
    const given: Given = typeof entry === "string" ? { model: entry } : entry
    const settings = asModel(given, first)
    const mistake = mistakeIn(settings, placeOf(i), secretOf(i))
    if (mistake !== undefined) return mistake
    if (given.api !== undefined && settings.provider !== "openai") {
      return `the setting "${placeOf(i)}.api" is for the provider "openai": remove it`
    }
    if ([first, ...fallback].some((other) => sameModel(other, settings))) {
      return `the setting "${placeOf(i)}" is the model ${settings.model} once more, at the same address: remove it`
    }
    if (needs !== undefined && settings.price === undefined) {
      return `the setting "${needs}" needs a price of every model, and "${placeOf(i)}" has none: write it as ` +
        "{ model, price: { inputPerMillion, outputPerMillion } }"
    }
    fallback.push(settings)
  }
  const budget = readBudget(config.budget)
  const wrongBudget = mistakeInModels(
    budget,
    chainOf({ ...first, fallback }).map(({ name, settings }) => ({ name, priced: settings.price !== undefined }))
  )
  if (wrongBudget !== undefined) return wrongBudget
  return {
    ...first,
    fallback,
    budget,
    bounds: { steps: bounds?.steps ?? 20, seconds: bounds?.seconds ?? 600, usd: bounds?.usd },
    prompts,
    context
  }
}

/** A warning for each key that is written out. */
export const writtenKeys = (llm: LlmSettings): ReadonlyArray<string> => {
  const places = [
    ["llm", "openai", llm],
    ...llm.fallback.map((model, i) => [placeOf(i), secretOf(i), model] as const)
  ] as const
  // A key that a fallback has from the first model is written in one place.
  return places.filter(([, , { apiKey }], i) =>
    typeof apiKey === "string" && places.findIndex(([, , other]) => other.apiKey === apiKey) === i
  ).map(([place, secret]) =>
    `the setting "${place}.apiKey" is written out in the configuration. Keep it in the secrets store instead: ` +
    `syris secrets set ${secret} key, and apiKey: secret("${secret}", "key")`
  )
}
