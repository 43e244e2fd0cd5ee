/**
 * A task before it is stored: what a request, a plugin's definition or a model's plan comes down to.
 */
import type { StepKind } from "../contract/Enums.ts"
import type { Labels, RetryPolicy } from "../contract/Task.ts"

/** A step as it is asked for. Its input is plain JSON and never changes. */
export interface NewStep {
  readonly name: string
  readonly kind: StepKind
  /** Steps of one stage run at the same time, stages one after the other; a list begins with 0. */
  readonly stage: number
  /** Of a step of kind `tool`. */
  readonly tool?: string | undefined
  /**
   * `tool`: the tool's input. `wait`: `{delay_ms}` or `{until}` (ISO 8601). `llm_decide`: `{intent, tools?}`.
   */
  readonly input: unknown
  /** 1 to 100. */
  readonly max_attempts: number
  readonly retry: RetryPolicy
}

export interface NewTask {
  /** What a person calls it. */
  readonly name: string
  readonly kind: "steps" | "code" | "llm_plan"
  /** Of a plugin, by name. */
  readonly definition?: string | undefined
  /** Of the definition, plain JSON. */
  readonly input?: unknown
  readonly labels: Labels
  /** 0 to 9, the highest first; 5 is usual. */
  readonly priority: number
  /** Empty for `code`, which makes its steps as it runs. */
  readonly steps: ReadonlyArray<NewStep>
}

/** Three attempts, half a second, then double, up to a minute. */
export const defaultRetry: RetryPolicy = {
  strategy: "exponential",
  base_delay_ms: 500,
  max_delay_ms: 60_000,
  jitter: 0.2
}
export const defaultMaxAttempts = 3
export const defaultPriority = 5

/** Most steps of one task. */
export const maximumSteps = 1_000
