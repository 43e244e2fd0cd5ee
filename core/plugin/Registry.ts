/**
 * What the host can do right now: the tools, intents, channels and plugins that were set up, by name.
 * Read from memory on the hot path; only the plugin host writes it, again when a plugin in an isolate changed.
 */
import { Context, type Effect } from "effect"
import type { Risk, Runtime, Trust } from "../contract/Enums.ts"
import type { CallToAsk } from "./AsksAtLeast.ts"
import type { Apart } from "./InputOutput.ts"
import type { ModelProvider } from "./ModelProvider.ts"
import type { Steering } from "./OperatorOnly.ts"
import type { RetryPolicy } from "../contract/Task.ts"
import type { Outgoing } from "../safety/Outgoing.ts"
import type { Channel, Intent, JobKind, Permissions, PluginParts, Route, Watcher } from "./Plugin.ts"
import type { PluginCode } from "./PluginCode.ts"
import type { BoundLog } from "./PluginLog.ts"
import type { ReadRule } from "./RuleReading.ts"
import type { TaskDefinition } from "./TaskDefinition.ts"
import type { ToolDefinition } from "./Tool.ts"

export interface RegisteredTool {
  readonly plugin: string
  readonly definition: ToolDefinition
  /** SHA-256 over name, description, input schema, effect, risk, scopes and guarantee: what an approval is bound to. */
  readonly pin: string
  readonly inputSchema: object
  readonly outputSchema: object | undefined
  readonly timeoutMs: number
  readonly concurrency: number
  /** Decodes an input from JSON; fails with a sentence that names the field. Unknown keys are refused. */
  readonly decodeInput: (input: unknown) => Effect.Effect<any, string>
  /** Encodes an output to plain JSON of at most 1 MiB and 64 levels, in fresh objects; fails with a sentence. */
  readonly encodeOutput: (output: unknown) => Effect.Effect<unknown, string>
  /** The tool's own risk for an input that was decoded. Throws what the tool's function throws, or when it gives no risk. */
  readonly riskOf: (input: any) => Risk
  /** Blocked on behalf of anybody but the operator. Only the host's own tools have it. */
  readonly operatorOnly: boolean
  /** It steers the host: for the operator it is not gated, but where `asks` says so. Only the host's own tools have it. */
  readonly steering: Steering | undefined
  /** It makes something that acts later: a person is asked at least. Only the host's own tools have it. */
  readonly actsLater?: ((input: any, call: CallToAsk) => boolean) | undefined
  /** It says something to people: the `send` of a channel. */
  readonly notifies: boolean
  /** Its description is the words of somebody whom nobody vouches for: a model that is told of it was told by a stranger. */
  readonly strange?: boolean
  /** Of a plugin in an isolate: why nothing can be asked of it now, a sentence. */
  readonly away?: () => string | undefined
  /** Which addresses its requests may reach. Default: public ones. */
  readonly outgoing?: Outgoing
  readonly log: BoundLog
}

export interface RegisteredTask {
  readonly plugin: string
  readonly definition: TaskDefinition
  readonly inputSchema: object
  /** Decodes an input from JSON; fails with a sentence that names the field. Unknown keys are refused. */
  readonly decodeInput: (input: unknown) => Effect.Effect<any, string>
  /** Encodes what `run` gave back to plain JSON of at most 1 MiB and 64 levels, in fresh objects; fails with a sentence. */
  readonly encodeOutput: (output: unknown) => Effect.Effect<unknown, string>
  /**
   * For an input that was decoded, the steps in the shape of `POST /tasks`; lists in the list are parallel. Throws an
   * error whose message says what is wrong with them. None for a task that is code.
   */
  readonly stepsOf: ((input: any) => ReadonlyArray<unknown>) | undefined
  /** What it calls, and with what, was chosen by somebody whom nobody vouches for. */
  readonly strange?: boolean
  readonly log: BoundLog
}

export type RegisteredIntent = Intent & {
  readonly plugin: string
  /** It was chosen by somebody whom nobody vouches for which words mean which call. */
  readonly strange?: boolean
}

/** An intent whose pattern is the whole text; the groups are as they were written. */
export interface IntentMatch {
  readonly intent: RegisteredIntent
  readonly groups: Record<string, string | undefined>
}

export interface IntentMatcher {
  (text: string): IntentMatch | undefined
  /** Builds the automata now, so that the first text need not wait for them. Answers what was left out, and why. */
  readonly prepare: () => ReadonlyArray<string>
}

export interface RegisteredChannel {
  readonly plugin: string
  readonly connector_id: string
  readonly channel: Channel
  readonly log: BoundLog
}

export interface RegisteredRoute extends Route {
  readonly plugin: string
}

export interface RegisteredRule extends ReadRule {
  readonly plugin: string
  /** How far it can be trusted. Default: what the configuration lists is the operator's word. */
  readonly trust?: Trust
}

export interface RegisteredWatcher {
  readonly plugin: string
  readonly watcher_id: string
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly trust: Trust
  readonly throttle: { readonly events: number; readonly perMs: number }
  readonly alarmAfter: number
  readonly tick: Watcher["tick"]
  /** Which addresses its requests may reach. Default: public ones. */
  readonly outgoing?: Outgoing
  readonly log: BoundLog
}

export interface RegisteredJob {
  readonly plugin: string
  readonly kind: string
  readonly description: string
  readonly definition: JobKind
  readonly inputSchema: object
  /** Decodes an input from JSON; fails with a sentence that names the field. Unknown keys are refused. */
  readonly decodeInput: (input: unknown) => Effect.Effect<any, string>
  /** Where it runs when nobody asks for another. */
  readonly runtime: Runtime
  /** Where it may run. */
  readonly runtimes: ReadonlyArray<Runtime>
  readonly timeoutMs: number
  readonly memoryMb: number
  /** At once in one host. */
  readonly concurrency: number
  readonly maxAttempts: number
  readonly retry: RetryPolicy
  /** How it is loaded apart from the host, or why it can't be: a sentence. */
  readonly code: PluginCode | string
  /** Of a plugin in an isolate. */
  readonly apart?: Apart
  readonly log: BoundLog
}

export interface RegisteredProvider extends ModelProvider {
  readonly plugin: string
  readonly log: BoundLog
}

export interface PluginInfo {
  readonly name: string
  readonly version: string
  readonly runtime: "inline" | Runtime
  readonly permissions: Permissions
  readonly parts: PluginParts
}

export class Registry extends Context.Service<Registry, {
  readonly tool: (name: string) => RegisteredTool | undefined
  readonly tools: () => ReadonlyArray<RegisteredTool>
  readonly task: (name: string) => RegisteredTask | undefined
  readonly tasks: () => ReadonlyArray<RegisteredTask>
  readonly intents: () => ReadonlyArray<RegisteredIntent>
  /** The first intent, in the configuration's order and the host's own last, that the whole trimmed text matches in any case. */
  readonly matchIntent: IntentMatcher
  readonly channels: () => ReadonlyArray<RegisteredChannel>
  /** The channel that serves `POST /hooks/<connector_id>` and the like. */
  readonly connector: (connectorId: string) => RegisteredChannel | undefined
  /** The tool that answers where an event came from: that of its connector, else of the channel as a whole. */
  readonly sendOf: (source: { readonly channel: string; readonly connector_id: string }) => RegisteredTool | undefined
  readonly routes: () => ReadonlyArray<RegisteredRoute>
  /** The path of the operator's page, where a plugin gives one. */
  readonly page: () => string | undefined
  /** Those of plugins; the host's own are not among them. */
  readonly watchers: () => ReadonlyArray<RegisteredWatcher>
  readonly rules: () => ReadonlyArray<RegisteredRule>
  readonly job: (kind: string) => RegisteredJob | undefined
  readonly jobs: () => ReadonlyArray<RegisteredJob>
  /** The plugins' ways to a language model; the host's own is none of them. */
  readonly provider: (name: string) => RegisteredProvider | undefined
  readonly providers: () => ReadonlyArray<RegisteredProvider>
  /** Trust of a channel's events: a plugin's word, `chat` and `api` are the operator's, any other is untrusted. */
  readonly trustOf: (channel: string) => Trust
  readonly plugins: () => ReadonlyArray<PluginInfo>
  /** A plugin in an isolate was never loaded: what is not there by name now may come with it. */
  readonly mayCome?: () => boolean
}>()("syris/plugin/Registry") {}
