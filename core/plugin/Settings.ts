/**
 * The configuration after it was checked: plain typed data with every default in place.
 *
 * - Every mistake is one plain sentence that names the file and the key; nothing unknown passes in silence.
 * - What this version can't honour is kept out of `Settings` and said in a warning.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { Autonomy } from "../contract/Enums.ts"
import type { PolicyRule } from "../safety/Policy.ts"
import type { TimeWindow } from "../safety/TimeWindow.ts"
import { isIsolate } from "./Configuration.ts"
import { toMillis } from "./DurationInput.ts"
import { check, withStop } from "./Explain.ts"
import { isPlugin, type Plugin } from "./Plugin.ts"
import { type PolicyExample, PolicySetting, readPolicy } from "./PolicySettings.ts"
import { type ReadRule, readRules } from "./RuleReading.ts"
import { SecretOption } from "./Secret.ts"
import { systemTimezone, Timezone, TimeWindowSetting } from "./TimeWindowSetting.ts"
import { maximumTimeoutMs } from "./ToolRegistration.ts"

export { isTimezone } from "./TimeWindowSetting.ts"

/** The configuration can't be used. `detail` is a sentence for the operator, `more` has further mistakes. */
export class ConfigError extends Schema.TaggedError<ConfigError>()("ConfigError", {
  detail: Schema.String,
  more: Schema.Array(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return this.detail
  }
}

/** Settings that exist and that this version does not honour. Shorten it as they come to life. */
const notYetHonoured = ["mcp"] as const

/** The model of this host, as the configuration names it. */
export interface LlmSettings {
  readonly provider: "openai"
  /** No slash at its end. */
  readonly baseURL: string
  readonly apiKey: SecretOption | undefined
  readonly model: string
  /** For a whole answer, milliseconds. */
  readonly timeoutMs: number
  /** Without a byte from the server, milliseconds. */
  readonly silenceMs: number
  /** Tokens that all answers of one trace may use. */
  readonly budget: { readonly perTraceTokens: number }
  /** Of one task. */
  readonly bounds: { readonly steps: number; readonly seconds: number; readonly usd: number | undefined }
  /** US dollars. */
  readonly price: { readonly inputPerMillion: number; readonly outputPerMillion: number } | undefined
}

export interface SafetySettings {
  /** What a channel is granted: names, `prefix.*` or `*`. */
  readonly scopesOf: (channel: string) => ReadonlyArray<string>
  /** How long an approval can be given, milliseconds. */
  readonly approvalTtlMs: number
  /** Between two writes of one tool to one target, milliseconds; 0: none. */
  readonly antiflapCooldownMs: number
  readonly notificationsPerHour: number
  /** More things than this count as one more risk. */
  readonly blastRadius: number
  readonly quietHours: ReadonlyArray<TimeWindow>
}

export interface SettingsData {
  /** The file that it came from, for sentences. */
  readonly file: string
  readonly timezone: string
  readonly autonomy: Autonomy
  readonly plugins: ReadonlyArray<Plugin>
  readonly safety: SafetySettings
  /** In the order of the configuration: `config.1`, `config.2`, … */
  readonly policy: ReadonlyArray<PolicyRule>
  readonly policyExamples: ReadonlyArray<PolicyExample>
  /** Whose names are unique. */
  readonly rules: ReadonlyArray<ReadRule>
  readonly tools: ReadonlyMap<string, { readonly concurrency?: number; readonly timeoutMs?: number }>
  /** None: no model is configured. */
  readonly llm: LlmSettings | undefined
  readonly warnings: ReadonlyArray<string>
}

export class Settings extends Context.Service<Settings, SettingsData>()("syris/plugin/Settings") {
  /** From a configuration in memory. */
  static readonly layerOf = (configuration: unknown, file = "configuration") =>
    Layer.effect(Settings, readConfiguration(configuration, file))
}

const atMost = (maximumMs: number, shown: string) =>
  Schema.Unknown.check(Schema.makeFilter((value) => {
    const ms = toMillis(value)
    return ms !== undefined && ms > 0 && ms <= maximumMs
  }, { expected: `a duration above zero and of at most ${shown}, such as "30 seconds"` }))
const TimeoutSetting = atMost(maximumTimeoutMs, "1 hour")
const between = (minimumMs: number, maximumMs: number, shown: string) =>
  Schema.Unknown.check(Schema.makeFilter((value) => {
    const ms = toMillis(value)
    return ms !== undefined && ms >= minimumMs && ms <= maximumMs
  }, { expected: `a duration of ${shown}` }))

const Scope = Schema.String.check(
  Schema.isPattern(/^(\*|[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?)$/, {
    expected: "a scope such as \"kitchen.control\", \"kitchen.*\" or \"*\""
  })
)
const Count = Schema.Int.check(Schema.isGreaterThan(0, { expected: "a whole number above zero" }))
const PerHour = Schema.Int.check(
  Schema.isBetween({ minimum: 1, maximum: 1_000 }, { expected: "a whole number from 1 to 1000" })
)
const day = 86_400_000
const optional = Schema.optional

const openai = "https://api.openai.com/v1"
const Usd = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0, { expected: "US dollars, zero or more" }))
const UsdBound = Schema.Finite.check(Schema.isGreaterThan(0, { expected: "US dollars above zero" }))
const NotBlank = Schema.String.check(Schema.isPattern(/\S/, { expected: "a string that is not empty" }))
const BaseUrl = Schema.String.check(Schema.makeFilter((text) => {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username === "" && url.password === "" &&
    !/[?#\s]/.test(text)
}, { expected: `an http or https address without user, password and query, such as "${openai}"` }))

const LlmSchema = Schema.Struct({
  // No literal: the library would tell an object without it that it is no object at all.
  provider: Schema.String.check(Schema.isPattern(/^openai$/, { expected: "\"openai\"" })),
  baseURL: optional(BaseUrl),
  apiKey: optional(SecretOption),
  model: NotBlank,
  timeout: optional(TimeoutSetting),
  // The connection itself gives up after so long a silence.
  silence: optional(atMost(300_000, "5 minutes")),
  fallback: optional(Schema.Array(NotBlank)),
  budget: optional(Schema.Struct({ perTraceTokens: optional(Count), perDayUsd: optional(UsdBound) })),
  bounds: optional(Schema.Struct({ steps: optional(Count), seconds: optional(Count), usd: optional(UsdBound) })),
  price: optional(Schema.Struct({ inputPerMillion: Usd, outputPerMillion: Usd }))
}).annotate({ expected: "an object" })

const ConfigurationSchema = Schema.Struct({
  timezone: optional(Timezone),
  autonomy: optional(Autonomy),
  plugins: optional(Schema.Array(Schema.Unknown)),
  safety: optional(Schema.Struct({
    scopes: optional(Schema.Record(Schema.String, Schema.Array(Scope))),
    approvalTtl: optional(between(1_000, 7 * day, "1 second to 7 days, such as \"15 minutes\"")),
    antiflapCooldown: optional(between(0, day, "at most 1 day, such as \"30 seconds\", or \"0 seconds\" for none")),
    notificationsPerHour: optional(PerHour),
    blastRadius: optional(Count),
    quietHours: optional(Schema.Array(TimeWindowSetting))
  })),
  tools: optional(Schema.Record(
    Schema.String,
    Schema.Struct({ concurrency: optional(Count), timeout: optional(TimeoutSetting) })
  )),
  llm: optional(LlmSchema),
  mcp: optional(Schema.Unknown),
  rules: optional(Schema.Array(Schema.Unknown)),
  policy: optional(PolicySetting)
})

const checkConfiguration = check(ConfigurationSchema, "setting")

/** Checks a configuration; `file` begins every sentence. */
export const readConfiguration = Effect.fnUntraced(function*(configuration: unknown, file: string) {
  const refuse = (first: string, ...rest: ReadonlyArray<string>) =>
    new ConfigError({ detail: sentence(file, first), more: rest.map((other) => sentence(file, other)) })

  const checked = checkConfiguration(configuration)
  if (!checked.ok) return yield* refuse(...checked.mistakes)
  const config = checked.value
  const plugins = (config.plugins ?? []).map((entry, i) => entry ? asPlugin(entry, i) : undefined)
  const [first, ...rest] = plugins.filter((entry) => typeof entry === "string")
  if (first !== undefined) return yield* refuse(first, ...rest)
  const llm = config.llm === undefined ? undefined : asLlm(config.llm)
  if (typeof llm === "string") return yield* refuse(llm)
  const timezone = config.timezone ?? systemTimezone()
  const read = readPolicy(config.policy ?? [], timezone)
  if (!read.ok) {
    const [wrong, ...more] = read.mistakes
    return yield* refuse(wrong ?? "the setting \"policy\" is wrong", ...more)
  }
  const rules = readRules(config.rules ?? [], timezone)
  if (!rules.ok) {
    const [wrong, ...more] = rules.mistakes
    return yield* refuse(wrong ?? "the setting \"rules\" is wrong", ...more)
  }
  const data: SettingsData = {
    file,
    timezone,
    autonomy: config.autonomy ?? "A2",
    plugins: plugins.filter(isPlugin),
    safety: asSafety(config.safety, timezone),
    ...read.value,
    rules: rules.value,
    tools: new Map(
      Object.entries(config.tools ?? {}).map(([name, { concurrency, timeout }]) => [name, {
        ...(concurrency === undefined ? {} : { concurrency }),
        ...(timeout === undefined ? {} : { timeoutMs: toMillis(timeout)! })
      }])
    ),
    llm,
    warnings: [
      ...(config.llm?.fallback === undefined ? [] : ["llm.fallback"]),
      ...(config.llm?.budget?.perDayUsd === undefined ? [] : ["llm.budget.perDayUsd"]),
      ...notYetHonoured.filter((key) => config[key] !== undefined)
    ].map((key) => sentence(file, `the setting "${key}" is not supported by this version and is ignored`))
  }
  if (typeof llm?.apiKey !== "string") return data
  const written = sentence(
    file,
    "the setting \"llm.apiKey\" is written out in the configuration. Keep it in the secrets store instead: " +
      "syris secrets set openai key, and apiKey: secret(\"openai\", \"key\")"
  )
  return { ...data, warnings: [...data.warnings, written] }
})

/** The plugin, or what is wrong with the entry. */
const asPlugin = (entry: unknown, index: number): Plugin | string => {
  const place = `plugins[${index}]`
  if (isPlugin(entry)) return entry
  if (isIsolate(entry)) {
    return `${place} is isolate(${JSON.stringify(entry.path)}), and this version has no isolates: remove the entry, ` +
      "or list the plugin itself if you trust its code"
  }
  if (typeof entry === "function") return `${place} is a function: call it, as in timers()`
  if (entry instanceof Promise) return `${place} is a Promise: write await before it`
  return `${place} is not a plugin: list what a plugin's factory gives back, as in timers()`
}

const everyScope = ["*"]

const asSafety = (config: typeof ConfigurationSchema.Type["safety"] = {}, timezone: string): SafetySettings => {
  const scopes = new Map(Object.entries(config.scopes ?? {}))
  return {
    scopesOf: (channel) => scopes.get(channel) ?? scopes.get("*") ?? everyScope,
    approvalTtlMs: toMillis(config.approvalTtl ?? "15 minutes")!,
    antiflapCooldownMs: toMillis(config.antiflapCooldown ?? "30 seconds")!,
    notificationsPerHour: config.notificationsPerHour ?? 20,
    blastRadius: config.blastRadius ?? 5,
    quietHours: (config.quietHours ?? []).map(({ days, end, start, ...given }) => ({
      start,
      end,
      timezone: given.timezone ?? timezone,
      ...(days === undefined ? {} : { days })
    }))
  }
}

/** The model with its defaults, or what is wrong with it. */
const asLlm = (config: typeof LlmSchema.Type): LlmSettings | string => {
  const { apiKey, bounds, price } = config
  const baseURL = (config.baseURL ?? openai).replace(/\/+$/, "")
  if (typeof apiKey === "string" && apiKey.trim() === "") {
    return "the setting \"llm.apiKey\" is empty: give secret(\"openai\", \"key\"), or remove it if the server needs no key"
  }
  if (apiKey === undefined && baseURL === openai) {
    return `the setting "llm.apiKey" is missing, and ${openai} needs one: give secret("openai", "key"), or the baseURL ` +
      "of a server that needs none"
  }
  if (bounds?.usd !== undefined && price === undefined) {
    return "the setting \"llm.bounds.usd\" needs \"llm.price\", so that the host knows what an answer costs: give " +
      "price: { inputPerMillion, outputPerMillion }, or remove it"
  }
  return {
    provider: "openai",
    baseURL,
    apiKey,
    model: config.model,
    timeoutMs: toMillis(config.timeout ?? "120 seconds")!,
    silenceMs: toMillis(config.silence ?? "30 seconds")!,
    budget: { perTraceTokens: config.budget?.perTraceTokens ?? 50_000 },
    bounds: { steps: bounds?.steps ?? 20, seconds: bounds?.seconds ?? 600, usd: bounds?.usd },
    price
  }
}

/** `mistake` as a sentence about the file. */
const sentence = (file: string, mistake: string): string => `${file}: ${withStop(mistake)}`
