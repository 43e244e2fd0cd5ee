/**
 * What a plugin is: a name, options, and a `setup` that hands over its parts. The operator calls the factory in
 * `syris.config.ts`; nothing runs before the host has validated the options.
 */
import type { Duration, Schema } from "effect"
import type { RawEvent } from "../contract/Event.ts"
import type { Risk, Runtime, ToolEffect, Trust } from "../contract/Enums.ts"
import type { RuleConfiguration } from "./Configuration.ts"
import type { ModelProvider } from "./ModelProvider.ts"
import { fileOfCaller } from "./CallerFile.ts"
import type { SecretOption, SecretRef } from "./Secret.ts"
import type { RetryOptions, TaskDefinition } from "./TaskDefinition.ts"
import type { Awaitable, Log, ToolContext, ToolDefinition } from "./Tool.ts"

interface Sentence {
  /** Dotted, unique: `coffee.brew`. Also what `content.structured.intent` may name. */
  readonly name: string
  readonly patterns: ReadonlyArray<RegExp>
  /** The input of the tool or task from the pattern's named groups. Default: the groups themselves. */
  readonly input?: (groups: Record<string, string | undefined>) => unknown
}

/**
 * A sentence that the host understands without a model: it calls a tool, or makes a task that a plugin defines. A full
 * match on trimmed, case-folded text.
 */
export type Intent =
  & Sentence
  & (
    | { readonly tool: string; readonly task?: never }
    | { readonly task: string; readonly tool?: never }
  )

/** What became of an event that was handed over. */
export interface Emitted {
  readonly event_id: string
  readonly trace_id: string
  readonly deduped: boolean
}

/** Hands a raw event to the pipeline; answers its ids once it is durable. */
export type Emit = (event: RawEvent) => Promise<Emitted>

/** Something that came with an event: kept as an artifact, known to the event by its id. */
export interface Attachment {
  /** At most 8 MiB each, 32 of them and 16 MiB together. */
  readonly data: Uint8Array | string
  readonly name?: string
  readonly mediaType?: string
}

/** What a channel says of an event besides. */
export interface EmitOptions {
  /**
   * More than the channel's own trust, for this event alone: because of an exact match with a list that the operator wrote.
   * Never more than the channel's `raises`. The reason is written into the event's first audit row.
   */
  readonly raise?: { readonly trust: Trust; readonly because: string }
  /** Why this event is trusted no more than others of its channel, where a person might expect it: written down as well. */
  readonly doubt?: string
  /** Kept before the event is; of a message that was taken before, nothing is kept. */
  readonly attachments?: ReadonlyArray<Attachment>
}

/** What came of an answer to a question for approval. */
export interface Answered {
  /** `decided`; or nothing was: `unknown` code (or one that was used), `late` (it was decided or it expired before). */
  readonly outcome: "decided" | "unknown" | "late"
  /** For the operator, a sentence. */
  readonly message: string
}

export interface ChannelContext {
  readonly emit: (event: RawEvent, options?: EmitOptions) => Promise<Emitted>
  readonly log: Log
  /** Aborted when the host stops, or does not listen here any more. */
  readonly signal: AbortSignal
  readonly secret: (ref: SecretRef | string) => Promise<string>
  /**
   * Says that it is connected: it is healthy from now on. In `receive` only. One that does not say it counts as healthy after
   * 5 seconds without an error, or twice as long as its last attempt took to fail, at most 30.
   */
  readonly connected: () => void
  /**
   * What `remember` was given last, by any host, for this connector; `undefined` at first. For a place in a stream: it lasts
   * over restarts.
   */
  readonly recall: () => Promise<unknown>
  /** Keeps plain JSON of at most 256 KiB in place of what was kept. */
  readonly remember: (state: unknown) => Promise<void>
  /**
   * Writes down that something was refused that is no event: a row `event.rejected` with the reason. What is refused with the
   * same `code` more than ten times in a minute is counted, and the number is in the next row.
   */
  readonly reject: (refused: {
    /** Dotted, stable: `email.too_nested`. */
    readonly code: string
    /** A sentence. */
    readonly message: string
    /** What a person finds it by: the message's id, the sender. Small. */
    readonly data?: Readonly<Record<string, string | number | boolean>>
  }) => Promise<void>
  /**
   * Decides the question for approval that was asked on this channel with this code, in the operator's name: for a channel
   * that has `operator`, after it made sure who wrote. A code is good for one answer.
   */
  readonly answer: (code: string, decision: "approve" | "deny") => Promise<Answered>
}

/** What a check of a channel is given: `syris doctor` has no host. */
export interface CheckContext {
  readonly secret: (ref: SecretRef | string) => Promise<string>
  readonly log: Log
  /** Aborted after 15 seconds. */
  readonly signal: AbortSignal
}

/** What a signed webhook is checked with: the raw body, exactly as it came. */
export interface WebhookRequest {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Thrown by a channel's `webhook`: the signature is right, the body can't be taken. The message goes to the caller. */
export class WebhookRefused extends Error {
  override readonly name = "WebhookRefused"
}

/** What a channel's `webhook` answers to a call that is no event, such as the question whether the address is alive. */
export class WebhookReply {
  readonly contentType: string
  readonly body: string
  constructor(contentType: string, body: string) {
    this.contentType = contentType
    this.body = body
  }
}

/** An answer that a model still writes, for whoever wrote the event. */
export interface LiveReply {
  /** One answer is one for each event. */
  readonly event_id: string
  readonly trace_id: string
  /** As the event had them: `to` is who wrote it. `send` gets the same `to` and `thread_id`. */
  readonly to: string
  readonly thread_id?: string
  /** All of its text so far; `undefined`: what was shown of it counts no more. */
  readonly text: string | undefined
}

/** A way in, a way out, or both. */
export interface Channel {
  /** The channel that its events carry: `email`. Several connectors may share one, with one trust. */
  readonly name: string
  /** Unique among the channels of a host. Default: the channel's name. */
  readonly connector_id?: string
  readonly trust: Trust
  /**
   * Listens until `ctx.signal` aborts; may return before that. What it throws ends it: the channel is named in the host's
   * health with the error's message, its signal is aborted, and it is called again, after 1 second, then later each time, at
   * most 30 seconds apart.
   */
  readonly receive?: (ctx: ChannelContext) => Awaitable<void>
  /**
   * One host at a time listens, of all that share a database: the next one begins when that one ends, or its connection to
   * the database does. For a moment there may be two. Default: each host listens.
   */
  readonly exclusive?: boolean
  /** The most that `emit` may raise the trust of one of its events to. Not in an isolate. Default: its `trust`. */
  readonly raises?: Trust
  /**
   * Where the operator is reached by `send`: whoever is asked for an approval is asked there, too, with a code that is good
   * for one answer (`ctx.answer`). Not in an isolate. Default: nobody is asked there.
   */
  readonly operator?: { readonly to: string }
  /**
   * Tries the connection, for `syris doctor`: a short sentence of what it found ("signed in as ada, 3 folders"), or throws an
   * error that says what is wrong and what to do. Must change nothing.
   */
  readonly check?: (ctx: CheckContext) => Awaitable<string>
  /**
   * Serves `POST /hooks/<connector_id>`: checks the signature and answers the event, or `undefined` for 401. Throws
   * `WebhookRefused` for 400. A `WebhookReply` answers the caller without an event.
   */
  readonly webhook?: (request: WebhookRequest, ctx: ChannelContext) => Awaitable<RawEvent | WebhookReply | undefined>
  /**
   * Shows an answer while it is being written, such as in a message that is edited, for channels of trust `operator` only.
   * Called with all of the text so far, one call at a time for each answer, only on the host that writes it; what comes
   * meanwhile is in the next call. Without known secrets. It may be lost, or break off: the answer itself always comes by
   * `send`, which puts it in the place of what was shown. What it throws ends it for this answer. Default: the channel gets
   * the whole answer by `send`, and nothing before.
   */
  readonly live?: (reply: LiveReply, ctx: ChannelContext) => Awaitable<void>
  /**
   * Becomes the tool `<channel>.send`; `<channel>.<connector_id>.send` where the connector has a name of its own. An answer to
   * an event gets, of these, what its input has: `text`, `to` (who wrote), `thread_id`, `in_reply_to` (the message's id),
   * `connector_id`, and whatever the event has in `structured.reply`.
   */
  readonly send?: Omit<ToolDefinition, "name"> & { readonly name?: string }
}

/** An event of a watcher. Without a channel it comes on `watcher`, without a connector from the watcher's id. */
export type WatcherEvent = Omit<RawEvent, "channel"> & { readonly channel?: string }

export interface WatcherContext {
  /** Hands an event to the pipeline together with the tick's outcome: a tick that fails hands over none. */
  readonly emit: (event: WatcherEvent) => void
  readonly log: Log
  /** Aborted at the time-out and at a stop of the host. Pass it on to whatever can be aborted. */
  readonly signal: AbortSignal
  /** The value of a secret: by `(name, key)`, or of an option that was given as `secret(…)` or as a plain string. */
  readonly secret: {
    (name: string, key: string): Promise<string>
    (option: SecretOption): Promise<string>
  }
  /** `fetch` with the tick's signal, bounded as that of a tool. */
  readonly fetch: typeof globalThis.fetch
}

/** Looks at something from time to time: one tick at a time, whichever host runs it. */
export interface Watcher {
  /** Its id is `<plugin>.<name>`, or the name where that has a dot. */
  readonly name: string
  /** From tick to tick, 1 second to 7 days. While it fails it doubles, up to an hour. */
  readonly interval: Duration.Input
  /** Default 30 seconds, at most 1 hour. */
  readonly timeout?: Duration.Input
  /** The trust of its events, never better than that of the channel that they name. Default `trusted`. */
  readonly trust?: Trust
  /** Most events in a period; what is more is counted and left out. Default 60 a minute. */
  readonly throttle?: { readonly events: number; readonly per: Duration.Input }
  /** After so many errors in a row the operator is told. Default 5. */
  readonly alarmAfter?: number
  /**
   * One look, by the database's clock. `state` is what the last good tick gave back, `null` before the first; plain JSON of at
   * most 1 MiB. `undefined` keeps the old one. After a crash it runs again with the old state.
   */
  readonly tick: (now: Date, state: unknown, ctx: WatcherContext) => Awaitable<unknown>
}

/**
 * An HTTP route under `/plugins/<name>/`, behind the host's authentication: the token, or the session of a browser that is
 * logged in. `handle` sees neither. Headers of its `Response` replace those that the host sets by default: `cache-control`
 * (`no-store`), `content-security-policy` (nothing may be loaded and no script runs), and the like. A page that a browser
 * shows from here can do what the operator can.
 */
export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE"
  /** A pathname of `URLPattern`: `/rooms/:name`. */
  readonly path: `/${string}`
  /**
   * Answers without token or session: for the files of a page, which hold nothing of the operator's. `GET` only, and not in an
   * isolate. Default: it does not.
   */
  readonly open?: boolean
  readonly handle: (request: Request) => Awaitable<Response>
}

/** What the run of a job is given. */
export interface JobContext {
  readonly jobId: string
  readonly traceId: string
  /** From 1: which attempt this is. */
  readonly attempt: number
  /** How far the words can be trusted that led to the job. */
  readonly trust: Trust
  /** Says how far the run is; at most one a second is written down, and the last one. */
  readonly progress: (progress: { readonly percent?: number; readonly message?: string }) => void
  /** Aborted at the time-out, when the job is canceled, and at a stop of the host. Two seconds later the run is ended. */
  readonly signal: AbortSignal
  /** Into the job's log, which is kept as an artifact: its first and last 512 KiB. */
  readonly log: Log
  /** The value of a secret: by `(name, key)`, or of an option that was given as `secret(…)` or as a plain string. */
  readonly secret: ToolContext["secret"]
  readonly fetch: typeof globalThis.fetch
  /** Keeps a picture, a document, a long text: at once, whatever becomes of the job. At most 8 MiB each. */
  readonly artifact: ToolContext["artifact"]
  /** Hands a child event of the job's trace to the pipeline, at once. The same in a later attempt is the same event. */
  readonly emit: Emit
  /** Has a tool called: gated, written down, done once. See `ToolContext.call`. */
  readonly call: ToolContext["call"]
}

/**
 * A kind of long work, run as a job: apart from the host, with bounds, progress and a log. Whoever wants one asks the tool
 * `job.run.<name>`, which is gated like every other.
 */
export interface JobKind<I = any, O = any> {
  /** Dotted, lower case, unique: `report.render`. */
  readonly name: string
  /** One sentence for a person and for a model. Default: its name. */
  readonly description?: string
  readonly input: Schema.Codec<I, any>
  /** Checked on what `run` gives back. Default: any JSON of at most 1 MiB. */
  readonly output?: Schema.Codec<O, any>
  /** Default `low`: what it has tools do is gated by itself. */
  readonly risk?: Risk | ((input: I) => Risk)
  /** Default `write`. */
  readonly effect?: ToolEffect
  /** What a channel must be granted to start one. Default none. */
  readonly scopes?: ReadonlyArray<string>
  /** Where it runs, where its plugin is not in an isolate by itself. Default `thread`. */
  readonly runtime?: Runtime
  /** Time: default 10 minutes, at most 24 hours. Memory: default 256 MiB, 16 to 65 536. */
  readonly limits?: { readonly timeoutMs?: number; readonly memoryMb?: number }
  /** At once in one host. Default 2. */
  readonly concurrency?: number
  /** 1 to 100. Default 1: what failed, or was running when its host ended, is not tried again. */
  readonly maxAttempts?: number
  readonly retry?: RetryOptions
  readonly run: (input: I, ctx: JobContext) => Awaitable<O>
}

/** Everything that a plugin can bring. */
export interface PluginParts {
  readonly tools?: ReadonlyArray<ToolDefinition>
  readonly tasks?: ReadonlyArray<TaskDefinition>
  readonly intents?: ReadonlyArray<Intent>
  readonly channels?: ReadonlyArray<Channel>
  readonly watchers?: ReadonlyArray<Watcher>
  readonly rules?: ReadonlyArray<RuleConfiguration>
  readonly jobs?: ReadonlyArray<JobKind>
  readonly routes?: ReadonlyArray<Route>
  /**
   * The path of an open route of its own where the operator's page begins: `GET /` and the link that logs a browser in lead
   * to `/plugins/<name><page>`. One plugin of a host at most gives it; not in an isolate.
   */
  readonly page?: `/${string}`
  /** Ways to a language model, for `llm.provider`. */
  readonly providers?: ReadonlyArray<ModelProvider>
}

export interface SetupContext<Options> {
  readonly options: Options
  /** The plugin's name in this host, `<name>` or `<name>.<instance>`. */
  readonly name: string
  readonly log: Log
  /** Refers to a secret; its value is there inside a run (`ctx.secret`). */
  readonly secret: (name: string, key: string) => SecretRef
  /** The host's time zone, as the configuration has it. */
  readonly timezone: string
}

/**
 * What a plugin would like to be granted when it runs in an isolate (`permissions`), and what the operator grants it
 * (`allow`). Nothing is granted that is not in `allow`.
 */
export interface Permissions {
  /** Hosts: `api.example.org:443`, `10.0.0.9`. Exactly these, at exactly these ports where one is named. */
  readonly net?: ReadonlyArray<string>
  /** Files and folders. */
  readonly read?: ReadonlyArray<string>
  /** Files and folders. */
  readonly write?: ReadonlyArray<string>
  /** Names of variables of the host's environment. */
  readonly env?: ReadonlyArray<string>
  /** `name` for all of its keys, `name.key` for one. */
  readonly secrets?: ReadonlyArray<string>
  /** Tools that it may have called: names, `prefix.*` or `*`. */
  readonly tools?: ReadonlyArray<string>
}

export interface PluginSpec<A, E> {
  /** Lower case, unique among the plugins of a host. */
  readonly name: string
  /**
   * For a plugin that may be listed more than once: what tells this entry from the others. The entry is then named
   * `<name>.<instance>`.
   */
  readonly instance?: (options: A) => string | undefined
  readonly version?: string
  readonly options?: Schema.Codec<A, E>
  readonly permissions?: Permissions
  readonly setup: (ctx: SetupContext<A>) => Awaitable<PluginParts>
}

const PluginTypeId = "~syris/Plugin"

/** A plugin with the options that the operator wrote, not yet validated. */
export interface Plugin {
  readonly [PluginTypeId]: typeof PluginTypeId
  readonly spec: PluginSpec<any, any>
  readonly options: unknown
  /** The file that defines it; its jobs are loaded from there. */
  readonly module?: string
}

export const isPlugin = (value: unknown): value is Plugin =>
  typeof value === "object" && value !== null && PluginTypeId in value

const FactoryTypeId = "~syris/PluginFactory"

/** What a factory makes, known without calling it; `undefined` for what definePlugin did not give back. */
export const factorySpec = (value: unknown): PluginSpec<any, any> | undefined =>
  typeof value === "function" && FactoryTypeId in value ? value[FactoryTypeId] as PluginSpec<any, any> : undefined

type Factory<E> = {} extends E ? (options?: E) => Plugin : (options: E) => Plugin

/** Makes the factory that the operator calls: `plugins: [coffee({ host: "10.0.0.9" })]`. */
export const definePlugin = <A = {}, E = {}>(spec: PluginSpec<A, E>): Factory<E> => {
  const module = fileOfCaller(definePlugin)
  const known = module === undefined ? {} : { module }
  return Object.assign(
    (options?: E): Plugin => ({ [PluginTypeId]: PluginTypeId, spec, options: options ?? {}, ...known }),
    { [FactoryTypeId]: spec }
  ) as unknown as Factory<E>
}
