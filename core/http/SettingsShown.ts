/**
 * The settings as `GET /settings` shows them: no secret, and nothing that may hold one, such as the arguments of a command.
 */
import type { SettingsRecord } from "../contract/SettingsRecord.ts"
import type { SettingsData } from "../plugin/Settings.ts"

type Llm = NonNullable<SettingsData["llm"]>

/** Without what is not set. */
const set = <A extends object>(given: A): { readonly [K in keyof A]: Exclude<A[K], undefined> } =>
  Object.fromEntries(Object.entries(given).filter((one) => one[1] !== undefined)) as never

const model = (given: Llm | Llm["fallback"][number]): NonNullable<SettingsRecord["llm"]>["models"][number] => ({
  provider: given.provider,
  model: given.model,
  api: given.api,
  ...(given.baseURL === undefined ? {} : { base_url: given.baseURL }),
  has_key: given.apiKey !== undefined,
  timeout_ms: given.timeoutMs,
  silence_ms: given.silenceMs,
  ...(given.price === undefined
    ? {}
    : { price: { input_per_million: given.price.inputPerMillion, output_per_million: given.price.outputPerMillion } })
})

const day = (given: { readonly perDayTokens?: number | undefined; readonly perDayUsd?: number | undefined }) =>
  set({ per_day_tokens: given.perDayTokens, per_day_usd: given.perDayUsd }) as {
    readonly per_day_tokens?: number
    readonly per_day_usd?: number
  }

export const shownLlm = (given: Llm): NonNullable<SettingsRecord["llm"]> => ({
  models: [given, ...given.fallback].map(model),
  budget: {
    per_trace_tokens: given.budget.perTraceTokens,
    ...(given.budget.perTaskTokens === undefined ? {} : { per_task_tokens: given.budget.perTaskTokens }),
    ...(given.budget.perTaskUsd === undefined ? {} : { per_task_usd: given.budget.perTaskUsd }),
    ...day(given.budget),
    models: Object.fromEntries(Object.entries(given.budget.models).map(([name, budget]) => [name, day(budget)])),
    at_limit: given.budget.atLimit
  },
  bounds: {
    steps: given.bounds.steps,
    seconds: given.bounds.seconds,
    ...(given.bounds.usd === undefined ? {} : { usd: given.bounds.usd })
  },
  context: given.context,
  own_prompts: Object.entries(given.prompts).filter((one) => one[1] !== undefined).map(([name]) => name)
})

const withoutQuery = (address: string): string => address.replace(/[?#].*$/s, "")

export const shownMcp = (
  { elicitation, place, roots, sampling, server, timeoutMs }: SettingsData["mcp"][number]
): SettingsRecord["mcp"][number] => ({
  server,
  kind: place.kind,
  place: place.kind === "stdio" ? place.command : withoutQuery(place.url),
  timeout_ms: timeoutMs,
  roots,
  sampling,
  elicitation
})

export const shownIsolate = (given: SettingsData["isolates"][number]): SettingsRecord["isolates"][number] => ({
  path: given.path,
  runtime: given.runtime,
  memory_mb: given.memoryMb,
  timeout_ms: given.timeoutMs,
  trusted: given.trusted,
  reload: given.reload,
  allow: Object.fromEntries(Object.entries(given.allow).filter((one) => Array.isArray(one[1])))
})

export const shownSafety = (
  { safety }: SettingsData,
  channels: Iterable<string>
): SettingsRecord["safety"] => ({
  approval_ttl_ms: safety.approvalTtlMs,
  antiflap_cooldown_ms: safety.antiflapCooldownMs,
  notifications_per_hour: safety.notificationsPerHour,
  blast_radius: safety.blastRadius,
  quiet_hours: safety.quietHours,
  scopes: Object.fromEntries([...new Set(channels)].sort().map((channel) => [channel, safety.scopesOf(channel)]))
})

export const shownTools = ({ tools }: SettingsData): SettingsRecord["tools"] =>
  Object.fromEntries(
    [...tools].map(([name, { concurrency, timeoutMs }]) => [name, {
      ...(concurrency === undefined ? {} : { concurrency }),
      ...(timeoutMs === undefined ? {} : { timeout_ms: timeoutMs })
    }])
  )
