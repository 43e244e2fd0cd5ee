/**
 * What is in force of the configuration and its defaults, for the operator to see. Secrets are in it by their names only.
 */
import { Schema } from "effect"
import { Autonomy, Runtime } from "./Enums.ts"

const optional = Schema.optionalKey
const Names = Schema.Array(Schema.String)

/** `HH:MM` to `HH:MM`. */
const Window = Schema.Struct({
  start: Schema.String,
  end: Schema.String,
  timezone: Schema.String,
  /** On which it begins; all without it. */
  days: optional(Names)
})

/** US dollars for a million tokens. */
const Price = Schema.Struct({ input_per_million: Schema.Finite, output_per_million: Schema.Finite })

const Model = Schema.Struct({
  provider: Schema.String,
  model: Schema.String,
  api: Schema.Literals(["chat", "responses"]),
  base_url: optional(Schema.String),
  /** Whether a key is sent; never which. */
  has_key: Schema.Boolean,
  timeout_ms: Schema.Finite,
  silence_ms: Schema.Finite,
  price: optional(Price)
})

const DayBudget = { per_day_tokens: optional(Schema.Finite), per_day_usd: optional(Schema.Finite) }

const Llm = Schema.Struct({
  /** The first is asked; the others, in this order, where one gives no answer. */
  models: Schema.Array(Model),
  budget: Schema.Struct({
    per_trace_tokens: Schema.Finite,
    per_task_tokens: optional(Schema.Finite),
    per_task_usd: optional(Schema.Finite),
    ...DayBudget,
    models: Schema.Record(Schema.String, Schema.Struct(DayBudget)),
    at_limit: Schema.Literals(["stop", "cheaper", "ask"])
  }),
  /** What one task may use before it has to ask. */
  bounds: Schema.Struct({ steps: Schema.Finite, seconds: Schema.Finite, usd: optional(Schema.Finite) }),
  /** Tokens of the whole question and of each part of it, at most. */
  context: Schema.Record(Schema.String, Schema.Finite),
  /** Prompts of the host that the configuration replaces. */
  own_prompts: Names
})

const McpServer = Schema.Struct({
  server: Schema.String,
  /** The command, without its arguments, or the address, without its query. */
  place: Schema.String,
  kind: Schema.Literals(["stdio", "http"]),
  timeout_ms: Schema.Finite,
  roots: Names,
  sampling: Schema.Boolean,
  elicitation: Schema.Boolean
})

const Isolated = Schema.Struct({
  path: Schema.String,
  runtime: Runtime,
  memory_mb: Schema.Finite,
  timeout_ms: Schema.Finite,
  trusted: Schema.Boolean,
  reload: Schema.Boolean,
  /** What it may do: hosts, folders, names of variables, secrets and tools. */
  allow: Schema.Record(Schema.String, Names)
})

export const SettingsRecord = Schema.Struct({
  version: Schema.String,
  /** Where everything of this host is kept. */
  home: Schema.String,
  config: Schema.Struct({
    path: Schema.String,
    loaded_at: Schema.String,
    /** What it says that is ignored or unwise, one sentence each. */
    warnings: Names
  }),
  database: Schema.Struct({
    kind: Schema.Literals(["embedded", "given"]),
    /** A folder, or an address without its password. */
    place: Schema.String
  }),
  timezone: Schema.String,
  /** Of an event that names none. */
  locale: Schema.String,
  /** The level at the first start; `GET /controls/autonomy` has the one of now. */
  first_autonomy: Autonomy,
  safety: Schema.Struct({
    approval_ttl_ms: Schema.Finite,
    antiflap_cooldown_ms: Schema.Finite,
    notifications_per_hour: Schema.Finite,
    blast_radius: Schema.Finite,
    /** Of the configuration; `GET /quiet-hours` has all. */
    quiet_hours: Schema.Array(Window),
    /** What each channel is granted: names, `prefix.*` or `*`. */
    scopes: Schema.Record(Schema.String, Names)
  }),
  /** Bounds that the configuration gives to single tools. */
  tools: Schema.Record(
    Schema.String,
    Schema.Struct({ concurrency: optional(Schema.Finite), timeout_ms: optional(Schema.Finite) })
  ),
  /** `null`: no model is configured. */
  llm: Schema.NullOr(Llm),
  mcp: Schema.Array(McpServer),
  plugins: Schema.Array(Schema.Struct({ name: Schema.String, version: Schema.String })),
  isolates: Schema.Array(Isolated),
  /** How many the configuration has. */
  policies: Schema.Finite,
  rules: Schema.Finite,
  /** `name.key` of each that is known here. */
  secrets: Names,
  /** Events, calls and the audit are kept: nothing removes them by itself. */
  retention: Schema.Literal("forever"),
  limits: Schema.Struct({
    body_bytes: Schema.Finite,
    page_items: Schema.Finite,
    streams: Schema.Finite,
    search_rows: Schema.Finite,
    search_characters: Schema.Finite
  })
})
export type SettingsRecord = typeof SettingsRecord.Type
