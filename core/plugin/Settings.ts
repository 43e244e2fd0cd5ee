/**
 * The configuration after it was checked: plain typed data with every default in place.
 *
 * - Every mistake is one plain sentence that names the file and the key; nothing unknown passes in silence.
 * - What this version can't honour is kept out of `Settings` and said in a warning.
 */
import { Context, Effect, Layer, Schema } from "effect"
import { Autonomy } from "../contract/Enums.ts"
import { isIsolate } from "./Configuration.ts"
import { toMillis } from "./DurationInput.ts"
import { check, withStop } from "./Explain.ts"
import { isPlugin, type Plugin } from "./Plugin.ts"
import { maximumTimeoutMs } from "./ToolRegistration.ts"

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
const notYetHonoured = ["llm", "mcp", "rules", "policy"] as const
const safetyNotYetHonoured = [
  "approvalTtl",
  "antiflapCooldown",
  "notificationsPerHour",
  "blastRadius",
  "quietHours"
] as const

export interface SettingsData {
  /** The file that it came from, for sentences. */
  readonly file: string
  readonly timezone: string
  readonly autonomy: Autonomy
  readonly plugins: ReadonlyArray<Plugin>
  readonly safety: {
    /** What a channel is granted: names, `prefix.*` or `*`. */
    readonly scopesOf: (channel: string) => ReadonlyArray<string>
  }
  readonly tools: ReadonlyMap<string, { readonly concurrency?: number; readonly timeoutMs?: number }>
  readonly warnings: ReadonlyArray<string>
}

export class Settings extends Context.Service<Settings, SettingsData>()("syris/plugin/Settings") {
  /** From a configuration in memory. */
  static readonly layerOf = (configuration: unknown, file = "configuration") =>
    Layer.effect(Settings, readConfiguration(configuration, file))
}

const DurationSetting = Schema.Unknown.check(Schema.makeFilter((value) => {
  const ms = toMillis(value)
  return ms !== undefined && Number.isFinite(ms) && ms > 0
}, { expected: "a duration above zero, such as \"30 seconds\"" }))
const TimeoutSetting = Schema.Unknown.check(Schema.makeFilter((value) => {
  const ms = toMillis(value)
  return ms !== undefined && ms > 0 && ms <= maximumTimeoutMs
}, { expected: "a duration above zero and of at most 1 hour, such as \"30 seconds\"" }))

/** Whether a name is a time zone of the IANA database; an offset such as `+02:00` is not. */
export const isTimezone = (name: string): boolean => {
  if (!/^[A-Za-z]/.test(name)) return false
  try {
    return new Intl.DateTimeFormat("en", { timeZone: name }).resolvedOptions().timeZone !== ""
  } catch {
    return false
  }
}

const Timezone = Schema.String.check(
  Schema.makeFilter(isTimezone, { expected: "an IANA time zone, such as \"Europe/London\"" })
)
const TimeOfDay = Schema.String.check(
  Schema.isPattern(/^([01]\d|2[0-3]):[0-5]\d$/, { expected: "a time such as \"22:00\"" })
)
const Scope = Schema.String.check(
  Schema.isPattern(/^(\*|[a-z0-9_-]+(\.[a-z0-9_-]+)*(\.\*)?)$/, {
    expected: "a scope such as \"kitchen.control\", \"kitchen.*\" or \"*\""
  })
)
const Count = Schema.Int.check(Schema.isGreaterThan(0, { expected: "a whole number above zero" }))
const days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const
const optional = Schema.optional

const ConfigurationSchema = Schema.Struct({
  timezone: optional(Timezone),
  autonomy: optional(Autonomy),
  plugins: optional(Schema.Array(Schema.Unknown)),
  safety: optional(Schema.Struct({
    scopes: optional(Schema.Record(Schema.String, Schema.Array(Scope))),
    approvalTtl: optional(DurationSetting),
    antiflapCooldown: optional(DurationSetting),
    notificationsPerHour: optional(Count),
    blastRadius: optional(Count),
    quietHours: optional(Schema.Array(Schema.Struct({
      start: TimeOfDay,
      end: TimeOfDay,
      timezone: optional(Timezone),
      days: optional(Schema.Array(Schema.Literals(days)))
    })))
  })),
  tools: optional(Schema.Record(
    Schema.String,
    Schema.Struct({ concurrency: optional(Count), timeout: optional(TimeoutSetting) })
  )),
  llm: optional(Schema.Unknown),
  mcp: optional(Schema.Unknown),
  rules: optional(Schema.Unknown),
  policy: optional(Schema.Unknown)
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
  const timezone = config.timezone ?? systemTimezone()
  const scopes = new Map(Object.entries(config.safety?.scopes ?? {}))
  const everyScope = ["*"]
  const data: SettingsData = {
    file,
    timezone,
    autonomy: config.autonomy ?? "A2",
    plugins: plugins.filter(isPlugin),
    safety: {
      scopesOf: (channel) => scopes.get(channel) ?? scopes.get("*") ?? everyScope
    },
    tools: new Map(
      Object.entries(config.tools ?? {}).map(([name, { concurrency, timeout }]) => [name, {
        ...(concurrency === undefined ? {} : { concurrency }),
        ...(timeout === undefined ? {} : { timeoutMs: toMillis(timeout)! })
      }])
    ),
    warnings: [
      ...safetyNotYetHonoured.filter((key) => config.safety?.[key] !== undefined).map((key) => `safety.${key}`),
      ...notYetHonoured.filter((key) => config[key] !== undefined)
    ].map((key) => sentence(file, `the setting "${key}" is not supported by this version and is ignored`))
  }
  return data
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

const systemTimezone = (): string => {
  const name = new Intl.DateTimeFormat().resolvedOptions().timeZone
  return isTimezone(name) ? name : "UTC"
}

/** `mistake` as a sentence about the file. */
const sentence = (file: string, mistake: string): string => `${file}: ${withStop(mistake)}`
