/**
 * The configuration after it was checked: plain typed data with every default in place.
 *
 * - Every mistake is one plain sentence that names the file and the key; nothing unknown passes in silence.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { Autonomy } from "../contract/Enums.ts"
import type { PolicyRule } from "../safety/Policy.ts"
import type { TimeWindow } from "../safety/TimeWindow.ts"
import { isIsolate } from "./Configuration.ts"
import { toMillis } from "./DurationInput.ts"
import { check, withStop } from "./Explain.ts"
import { type IsolateSettings, readIsolate } from "./IsolateSettings.ts"
import { LlmSetting, type LlmSettings, readLlm, writtenKeys } from "./LlmSettings.ts"
import { McpSetting, type McpServerSettings, readMcp, writtenSecrets } from "./McpSettings.ts"
import { isPlugin, type Plugin } from "./Plugin.ts"
import { type PolicyExample, PolicySetting, readPolicy } from "./PolicySettings.ts"
import { type ReadRule, readRules } from "./RuleReading.ts"
import { between, Count, TimeoutSetting } from "./SettingChecks.ts"
import { systemTimezone, Timezone, TimeWindowSetting } from "./TimeWindowSetting.ts"

export type { BudgetSettings } from "./BudgetSettings.ts"
export type { IsolateSettings } from "./IsolateSettings.ts"
export { chainOf, defaultBaseUrl, type LlmSettings, type ModelSettings } from "./LlmSettings.ts"
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
  readonly loadedAt: Date
  readonly timezone: string
  readonly autonomy: Autonomy
  readonly plugins: ReadonlyArray<Plugin>
  /** Those that run apart from the host. */
  readonly isolates: ReadonlyArray<IsolateSettings>
  readonly safety: SafetySettings
  /** In the order of the configuration: `config.1`, `config.2`, … */
  readonly policy: ReadonlyArray<PolicyRule>
  readonly policyExamples: ReadonlyArray<PolicyExample>
  /** Whose names are unique. */
  readonly rules: ReadonlyArray<ReadRule>
  readonly tools: ReadonlyMap<string, { readonly concurrency?: number; readonly timeoutMs?: number }>
  /** None: no model is configured. */
  readonly llm: LlmSettings | undefined
  readonly mcp: ReadonlyArray<McpServerSettings>
  readonly warnings: ReadonlyArray<string>
}

export class Settings extends Context.Service<Settings, SettingsData>()("syris/plugin/Settings") {
  /** From a configuration in memory. */
  static readonly layerOf = (configuration: unknown, file = "configuration") =>
    Layer.effect(Settings, readConfiguration(configuration, file))
}

const Scope = Schema.String.check(
  Schema.isPattern(/^(\*|[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?)$/, {
    expected: "a scope such as \"kitchen.control\", \"kitchen.*\" or \"*\""
  })
)
const PerHour = Schema.Int.check(
  Schema.isBetween({ minimum: 1, maximum: 1_000 }, { expected: "a whole number from 1 to 1000" })
)
const day = 86_400_000
const optional = Schema.optional

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
  llm: optional(LlmSetting),
  mcp: optional(McpSetting),
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
  const plugins = (config.plugins ?? []).map((entry, i) => entry ? asPlugin(entry, i, file) : undefined)
  const [first, ...rest] = plugins.filter((entry) => typeof entry === "string")
  if (first !== undefined) return yield* refuse(first, ...rest)
  const llm = config.llm === undefined ? undefined : readLlm(config.llm)
  if (typeof llm === "string") return yield* refuse(llm)
  const mcp = readMcp(config.mcp ?? {})
  if (typeof mcp === "string") return yield* refuse(mcp)
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
  return {
    file,
    loadedAt: new Date(),
    timezone,
    autonomy: config.autonomy ?? "A2",
    plugins: plugins.filter(isPlugin),
    isolates: plugins.flatMap((entry, i) =>
      typeof entry !== "object" || isPlugin(entry)
        ? []
        : [{ ...entry, after: plugins.slice(0, i).filter(isPlugin).length }]
    ),
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
    mcp,
    warnings: (llm === undefined ? [] : writtenKeys(llm)).concat(writtenSecrets(mcp)).map((mistake) =>
      sentence(file, mistake)
    )
  } satisfies SettingsData
})

/** The plugin, or what is wrong with the entry. */
const asPlugin = (entry: unknown, index: number, file: string): Plugin | Omit<IsolateSettings, "after"> | string => {
  const place = `plugins[${index}]`
  if (isPlugin(entry)) return entry
  if (isIsolate(entry)) return readIsolate(entry, index, file)
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

/** `mistake` as a sentence about the file. */
const sentence = (file: string, mistake: string): string => `${file}: ${withStop(mistake)}`
