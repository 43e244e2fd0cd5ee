/**
 * `syris`: everything that a plugin or a configuration imports. Loads no part of the host.
 */
export { Effect, Schema } from "effect"
export * from "../contract/Enums.ts"
export type { ErrorDetail } from "../contract/ErrorDetail.ts"
export type { MessageEvent, RawEvent } from "../contract/Event.ts"
export {
  type AnswerShape,
  CompletionCode,
  CompletionFailed,
  completionFailed,
  type Message,
  type OfferedTool,
  type Question,
  type Usage,
  type WantedCall
} from "./Completion.ts"
export {
  type Condition,
  type ConditionOp,
  type Configuration,
  defineConfig,
  type FallbackConfiguration,
  type Isolate,
  isolate,
  type IsolateOptions,
  type LlmConfiguration,
  type McpServerConfiguration,
  type PolicyConfiguration,
  type RuleActionConfiguration,
  type RuleConfiguration,
  type SafetyConfiguration
} from "./Configuration.ts"
export type { ModelProvider, ProviderAnswer, ProviderOptions, ProviderRequest } from "./ModelProvider.ts"
export {
  type Answered,
  type Attachment,
  type Channel,
  type ChannelContext,
  type CheckContext,
  definePlugin,
  type Emit,
  type EmitOptions,
  type Emitted,
  type Intent,
  type JobContext,
  type JobKind,
  type LiveReply,
  type Permissions,
  type Plugin,
  type PluginParts,
  type PluginSpec,
  type Route,
  type SetupContext,
  type Watcher,
  type WatcherContext,
  type WatcherEvent,
  WebhookRefused,
  WebhookReply,
  type WebhookRequest
} from "./Plugin.ts"
export { all, any, defineRule, field, type FieldTests, none, state } from "./RuleBuilder.ts"
export { secret, SecretOption, type SecretRef } from "./Secret.ts"
export {
  type CallOptions,
  type CodeTask,
  defineTask,
  type RetryOptions,
  type StepsTask,
  type TaskContext,
  type TaskDefinition,
  TaskStepFailed,
  type TaskStep,
  type TaskSteps,
  type ToolStep,
  type WaitStep
} from "./TaskDefinition.ts"
export {
  type Awaitable,
  defineTool,
  type KeptArtifact,
  type Log,
  type NewSchedule,
  type ToolContext,
  type ToolDefinition,
  ToolRefused,
  ToolUnknown,
  type TransactionalContext
} from "./Tool.ts"
