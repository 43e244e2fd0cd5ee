/**
 * What the operator writes in `syris.config.ts`. Types only: `defineConfig` answers what it is given, and the host
 * checks it when it starts (`Settings.ts`).
 */
import type { Duration } from "effect"
import type { Autonomy, Guarantee, Risk, Runtime, ToolEffect } from "../contract/Enums.ts"
import type { RawEvent } from "../contract/Event.ts"
import type { Permissions, Plugin } from "./Plugin.ts"
import type { SecretOption } from "./Secret.ts"

export interface Configuration {
  /** IANA name. Default: the system's. */
  readonly timezone?: string
  /** The level at the first start; then the stored one holds. Default `A2`. */
  readonly autonomy?: Autonomy
  /** Falsy entries are skipped: `isDev && noop()`. */
  readonly plugins?: ReadonlyArray<Plugin | Isolate | false | null | undefined | "" | 0>
  readonly safety?: SafetyConfiguration
  /** By the name of a tool: stricter or wider bounds than its plugin gave it; a time-out is at most 1 hour. */
  readonly tools?: Readonly<Record<string, { readonly concurrency?: number; readonly timeout?: Duration.Input }>>
  readonly llm?: LlmConfiguration
  readonly mcp?: Readonly<Record<string, McpServerConfiguration>>
  readonly rules?: ReadonlyArray<RuleConfiguration>
  readonly policy?: ReadonlyArray<PolicyConfiguration>
}

export interface SafetyConfiguration {
  /**
   * The scopes that a channel is granted: names, `kitchen.*` or `*`. A channel that is not named has the entry `"*"`,
   * and all scopes where there is none.
   *
   * @example scopes: { webhook: [], chat: ["*"], "*": ["timers", "kitchen.*"] }
   */
  readonly scopes?: Readonly<Record<string, ReadonlyArray<string>>>
  /** How long an approval can be given, 1 second to 7 days. Default 15 minutes. */
  readonly approvalTtl?: Duration.Input
  /** Least time between two writes of one tool to one target, at most 1 day; zero: none. Default 30 seconds. */
  readonly antiflapCooldown?: Duration.Input
  /** 1 to 1000. Default 20. */
  readonly notificationsPerHour?: number
  /** A call that touches more things than this counts as one more risk. Default 5. */
  readonly blastRadius?: number
  /** When a call counts as one more risk, and one of medium risk or more is asked about. */
  readonly quietHours?: ReadonlyArray<{
    /** `HH:MM`; an end before the start runs over midnight. */
    readonly start: string
    readonly end: string
    /** IANA name. Default: that of the configuration. */
    readonly timezone?: string
    /** On which it begins. Default: all. */
    readonly days?: ReadonlyArray<"mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun">
  }>
}

/** The language model that decides the steps of a task. */
export interface LlmConfiguration {
  /**
   * `"openai"`: any server that speaks OpenAI's protocol, a local one too. Else the name of a provider that a plugin brings,
   * to which the rest is handed.
   */
  readonly provider: "openai" | (string & {})
  /** Of `"openai"`: chat completions, which every server has, or responses. Default `"chat"`. */
  readonly api?: "chat" | "responses"
  /** Up to and with `/v1`, without user, password and query. Default `https://api.openai.com/v1`, which needs a key. */
  readonly baseURL?: string
  /** Without it no `Authorization` is sent. */
  readonly apiKey?: SecretOption
  readonly model: string
  /** For a whole answer; at most 1 hour. Default 120 seconds. */
  readonly timeout?: Duration.Input
  /** Without a byte from the server, before its first one too; at most 5 minutes. Default 30 seconds. */
  readonly silence?: Duration.Input
  /**
   * Asked one after the other where the model gives no answer: too late, silent, 429, 5xx, no connection, cut. At most 8.
   * A text is another model at the same address. A model that fails 5 times in a row is passed over for 30 seconds, and
   * for up to 5 minutes while it goes on.
   *
   * @example fallback: ["small", { model: "local", baseURL: "http://127.0.0.1:8080/v1" }]
   */
  readonly fallback?: ReadonlyArray<string | FallbackConfiguration>
  /**
   * What questions to models may use, across all hosts. Reserved before a question: its own tokens and the most that an
   * answer usually takes (1 500); settled with what it took. Tokens are input and output together; what is counted in dollars
   * needs `price`. A day is one of `timezone`.
   */
  readonly budget?: {
    /** Default 200 000. */
    readonly perTraceTokens?: number
    /** Default: no limit, as of all below. */
    readonly perTaskTokens?: number
    readonly perTaskUsd?: number
    readonly perDayTokens?: number
    readonly perDayUsd?: number
    /** Of single models, by their names in `model` and `fallback`. */
    readonly models?: Readonly<Record<string, { readonly perDayTokens?: number; readonly perDayUsd?: number }>>
    /**
     * - `"stop"`: the task ends; while a day's budget is used up the model plans nothing, and only what filters, rules and
     *   intents understand is done.
     * - `"cheaper"`: where a day's budget or `perTaskUsd` is used up, the cheapest model is asked that has room in its own
     *   budget in `models`; where there is none, as `"stop"`.
     * - `"ask"`: the operator is asked once whether the task may go on. What others began ends as with `"stop"`.
     *
     * Default `"stop"`.
     */
    readonly atLimit?: "stop" | "cheaper" | "ask"
  }
  /** What one task may use before it has to ask. */
  readonly bounds?: {
    /** Decisions. Default 20. */
    readonly steps?: number
    /** From its start, waiting not counted. Default 600. */
    readonly seconds?: number
    /** Needs `price`. Default: no bound. */
    readonly usd?: number
  }
  /**
   * Texts in the place of the host's own words to a model (`core/llm/prompts/`). `{{channel}}`, `{{locale}}`, `{{time}}` and
   * `{{timezone}}` are filled in. What was decided with which words is told by the hash in the decision.
   *
   * @example prompts: { responder: "Answer like a butler, in one sentence." }
   */
  readonly prompts?: {
    /** Who the model is, how it speaks, what always holds. */
    readonly system?: string
    /** The forms of an answer, and when which is right. */
    readonly decider?: string
    /** What it means to be asked last, and how sure one has to be to act. */
    readonly router?: string
    /** How the text is written that ends a task. */
    readonly responder?: string
    readonly examples?: string
    /** How a long thread is told in fewer words. `{{words}}` is filled in, and nothing else. */
    readonly summarizer?: string
  }
  /**
   * At most so many tokens are sent with a question (a token is counted as three bytes), and of these so many of each part.
   * What does not fit is left out, and that is said. What the other parts leave goes to `history`, then to `thread`.
   */
  readonly context?: {
    /** 4 000 to 1 000 000. Default 16 000. */
    readonly tokens?: number
    /** The host's own words. Default 2 000, and at most half of all; of the rest each part below has its share. */
    readonly system?: number
    /** What is wanted. Default 22 % of the rest. */
    readonly message?: number
    /** Default 32 %. */
    readonly tools?: number
    /** What was said before in the conversation. Default 15 %. */
    readonly thread?: number
    /** What the task has done. Default 15 %. */
    readonly history?: number
    /** Default 6 %. */
    readonly memories?: number
    /** Default 5 %. */
    readonly tasks?: number
    /** Default 5 %. */
    readonly approvals?: number
  }
  /** US dollars for a million tokens. Default: none, so costs are not known. */
  readonly price?: { readonly inputPerMillion: number; readonly outputPerMillion: number }
}

/** A model to fall back to. `timeout` and `silence` are those of `llm`. */
export interface FallbackConfiguration {
  readonly model: string
  /** Default: that of `llm`. */
  readonly provider?: "openai" | (string & {})
  /** Default: that of `llm`, with its key and dialect. A key is sent to no other address than the one it was given for. */
  readonly baseURL?: string
  readonly apiKey?: SecretOption
  readonly api?: "chat" | "responses"
  /** US dollars for a million tokens. Default: not known; needed where `llm.bounds.usd` is set. */
  readonly price?: { readonly inputPerMillion: number; readonly outputPerMillion: number }
}

/** A server of the Model Context Protocol. Its key in `mcp` names it: lower-case letters, digits, `_` and `-`, at most 40. */
export type McpServerConfiguration =
  & (
    | {
      /** Started by the host, spoken to over its standard input and output. */
      readonly command: string
      readonly args?: ReadonlyArray<string>
      /** All that it finds in its environment besides `PATH`. */
      readonly env?: Readonly<Record<string, SecretOption>>
      /** Its working folder. Default: a private folder in `SYRIS_HOME`. */
      readonly cwd?: string
    }
    | {
      /** Spoken to over streamable HTTP, or server-sent events where that is all it knows. */
      readonly url: string
      readonly headers?: Readonly<Record<string, SecretOption>>
      /** Where the server asks for OAuth. Default: the operator signs in with the link in `syris integrations`. */
      readonly oauth?: {
        readonly clientId?: string
        readonly clientSecret?: SecretOption
        readonly scope?: string
      }
    }
  )
  & {
    /** Of one call. Default 30 seconds, at most 1 hour. */
    readonly timeout?: Duration.Input
    /** What its tools are trusted with. Default: every one is a write of high risk. */
    readonly trust?: McpTrust & {
      /** Tools that are used, as globs. Default: all. */
      readonly allow?: ReadonlyArray<string>
      /** Tools that are never used, as globs. */
      readonly deny?: ReadonlyArray<string>
      readonly tools?: Readonly<Record<string, McpTrust>>
    }
    /** Folders that it is told of as its roots. Default: none. */
    readonly roots?: ReadonlyArray<string>
    /** Whether it may ask the model, within the budgets of the trace that called it. Default: no. */
    readonly sampling?: boolean
    /** Whether it may ask the operator while one of its tools runs. Default: no. */
    readonly elicitation?: boolean
  }

/** Of a server's tool. What the server says of itself proves nothing. */
export interface McpTrust {
  /** Default `high`. */
  readonly risk?: Risk
  /** Default `write`. */
  readonly effect?: ToolEffect
  /** Default `["mcp.<server>"]`. */
  readonly scopes?: ReadonlyArray<string>
  /** `none` or `native_key`, for a server that does a call once however often it is sent its key (`_meta`). Default `none`. */
  readonly guarantee?: Extract<Guarantee, "none" | "native_key">
}

/** What a leaf can ask of a field. `matches` is a glob of the whole text, `regex` matches anywhere in it. */
export type ConditionOp =
  | "eq"
  | "neq"
  | "in"
  | "not_in"
  | "contains"
  | "not_contains"
  | "starts_with"
  | "ends_with"
  | "matches"
  | "regex"
  | "lt"
  | "lte"
  | "gt"
  | "gte"
  | "exists"
  | "within"
  | "changed"

/** Trees nest 5 deep and hold 20 leaves at most; a dot in a key of a path is written `\\.`. */
export type Condition =
  | { readonly path: string; readonly op: ConditionOp; readonly value?: unknown }
  | { readonly all: ReadonlyArray<Condition> }
  | { readonly any: ReadonlyArray<Condition> }
  | { readonly none: ReadonlyArray<Condition> }

/** `{{path}}` in a string takes a value from the event. */
export type RuleActionConfiguration =
  /** A child event in the same trace. Default channel: `rule_engine`. */
  | { readonly emit: Omit<RawEvent, "channel"> & { readonly channel?: string } }
  /** As the body of `POST /tasks`. */
  | { readonly task: Readonly<Record<string, unknown>> }
  /** Calls a tool, gated like every call. */
  | { readonly tool: string; readonly input?: unknown }
  /** Says something to the operator: in the chat, or through the `send` of another channel. */
  | {
    readonly notify: {
      readonly text: string
      readonly channel?: string
      /** `high` is said in quiet hours of the rule, too. Default `normal`. */
      readonly urgency?: "low" | "normal" | "high"
    }
  }

/** What is done where a condition holds over an event. Read-only at run time, but for being switched off and on. */
export interface RuleConfiguration {
  /** Unique; its id is `config.<name>`. */
  readonly name: string
  /** Default true. */
  readonly enabled?: boolean
  /** Over the event in its shape over HTTP, and `state.autonomy`, `state.health`, `state.time`. */
  readonly when: Condition
  /** 1 to 10 actions. */
  readonly then: ReadonlyArray<RuleActionConfiguration>
  /** The highest first. Default 0. */
  readonly priority?: number
  /** It claims the event where its condition holds: no rule after it, no intent and no model sees it. Default false. */
  readonly stop?: boolean
  /** Least time between two firings, milliseconds, at most 30 days. Default 0. */
  readonly debounceMs?: number
  /** The same is done once in a window. `key` is a text with `{{path}}`; default: the whole content of the event. */
  readonly dedupe?: { readonly key?: string; readonly windowMs: number }
  /** It does not fire in quiet hours: `true` for all of them, an id of `GET /quiet-hours`, or a window of its own. */
  readonly quietHours?: boolean | string | {
    readonly start: string
    readonly end: string
    readonly timezone?: string
    readonly days?: ReadonlyArray<"mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun">
  }
  /** How long the condition has to stay true before it fires, milliseconds, at most 30 days. */
  readonly heldForMs?: number
  /**
   * The field that tells one thing from another, for `changed` and `heldForMs`. Default: the first that is there of
   * `content.structured.entity_id`, `content.structured.topic` and `context.device_id`.
   */
  readonly per?: string
}

/** The risk of a tool's calls, in place of the one that its plugin gave it. Of several that fit the strictest holds. */
export interface PolicyConfiguration {
  /** A tool's name, or all of a prefix: `email.*`. */
  readonly tool: string
  /**
   * Over `{ input, tool, source: { channel, connector_id }, actor: { actor_id }, security: { trust }, state: { autonomy,
   * time, health } }`. Default: every call.
   */
  readonly when?: Condition
  readonly risk: Risk
  /** Shown where a person asks why. */
  readonly reason?: string
  /** What `syris policy test` checks: whether a call with this input is one of those that this policy means. */
  readonly examples?: ReadonlyArray<{
    /** Needed where `tool` is a prefix and `when` looks at it. */
    readonly tool?: string
    readonly input: unknown
    readonly matches: boolean
    readonly note?: string
  }>
}

/** Identity plus types: `export default defineConfig({ plugins: [timers()] })`. */
export const defineConfig = (configuration: Configuration): Configuration => configuration

export interface IsolateOptions {
  /** Of the plugin, as they would be given to its factory. */
  readonly options?: unknown
  /** Default `deno`, the only one that holds strangers' code. What the others do not stop is in `docs/isolates.md`. */
  readonly runtime?: Runtime
  /** Exactly what the plugin may do; nothing else. A path is relative to the configuration. */
  readonly allow?: Permissions
  readonly limits?: {
    /** Of its heap; 16 to 65 536. Default 128. */
    readonly memoryMb?: number
    /** Of one call of one of its parts that names no time-out of its own; at most 1 hour. Default 30 000. */
    readonly timeoutMs?: number
  }
  /**
   * Whether you vouch for its code: `process` and `thread` are refused without it. Default: false in `deno` and for whatever
   * lies in a `node_modules`; elsewhere listing it there is your word for it.
   */
  readonly trusted?: boolean
  /** While you write it: a change of its code is taken up at once, and needs no grant. Default false. */
  readonly reload?: boolean
}

const IsolateTypeId = "~syris/Isolate"

/** A plugin that runs apart from the host, with what it was granted and nothing else. */
export interface Isolate {
  readonly [IsolateTypeId]: typeof IsolateTypeId
  readonly path: string
  readonly options: IsolateOptions
}

/** Lists a plugin to run in an isolate: `isolate("./plugins/x/index.ts", { allow: { net: ["api.example.org:443"] } })`. */
export const isolate = (path: string, options: IsolateOptions = {}): Isolate => ({
  [IsolateTypeId]: IsolateTypeId,
  path,
  options
})

export const isIsolate = (value: unknown): value is Isolate =>
  typeof value === "object" && value !== null && IsolateTypeId in value
