/**
 * What a task is: work of many steps that survives the host. A plugin defines it as a list of steps that is known from the
 * input alone, or as code whose calls are recorded. Nothing here runs by itself.
 */
import type { Duration, Schema } from "effect"
import type { Labels } from "../contract/Task.ts"
import type { Awaitable, Log, ToolDefinition } from "./Tool.ts"

/** What becomes of a call that was refused for certain. A call of which nobody knows is never retried by itself. */
export interface RetryOptions {
  /** `none` ends the step; the others try again while attempts are left. Default `exponential`. */
  readonly strategy?: "exponential" | "fixed" | "none"
  /** Before the second attempt, at most 1 day. Default half a second. */
  readonly baseDelay?: Duration.Input
  /** The longest delay, at most 1 day. Default 1 minute. */
  readonly maxDelay?: Duration.Input
  /** Part of a delay that is drawn by lot, 0 to 1. Default 0.2: up to a fifth shorter. */
  readonly jitter?: number
}

/** Calls a tool. */
export interface ToolStep {
  readonly name: string
  /** A tool by its name, or its definition. */
  readonly tool: string | ToolDefinition
  /** As the tool takes it. Default `{}`. */
  readonly input?: unknown
  /** 1 to 100. Default 3. */
  readonly maxAttempts?: number
  readonly retry?: RetryOptions
  readonly wait?: never
  readonly until?: never
}

/** Lets time pass, over restarts: `wait` is at most a year. */
export type WaitStep =
  & { readonly name: string; readonly tool?: never }
  & (
    | { readonly wait: Duration.Input; readonly until?: never }
    | { readonly until: Date; readonly wait?: never }
  )

export type TaskStep = ToolStep | WaitStep

/** Steps one after the other; those of a list in the list run at the same time. */
export type TaskSteps = ReadonlyArray<TaskStep | ReadonlyArray<TaskStep>>

/** How a task's code has a tool called. */
export interface CallOptions {
  /** What a person reads as the step's name. Default: the tool's name. */
  readonly name?: string
  /** 1 to 100. Default 3. */
  readonly maxAttempts?: number
  readonly retry?: RetryOptions
}

/** What a task's code is given. Each of its calls is a recorded step. */
export interface TaskContext {
  readonly taskId: string
  readonly traceId: string
  /**
   * Calls a tool as a step of this task: gated, in the ledger, done once over crashes. Answers the tool's output; throws
   * `TaskStepFailed` when it was not done. Calls that are made together (`Promise.all`) run at the same time.
   */
  readonly call: {
    <I, O>(tool: ToolDefinition<I, O, any>, input: NoInfer<I>, options?: CallOptions): Promise<O>
    <O = unknown>(tool: string, input: unknown, options?: CallOptions): Promise<O>
  }
  /** Waits at no cost, over restarts; at most a year. */
  readonly sleep: (duration: Duration.Input, name?: string) => Promise<void>
  readonly sleepUntil: (at: Date, name?: string) => Promise<void>
  /** The time at which the last recorded step ended, before that the task's beginning: the same in every run. */
  readonly now: () => Date
  readonly log: Log
  /** Aborted when the host stops, or the task is paused or canceled. */
  readonly signal: AbortSignal
}

/** Thrown by a call of a task's code: the step was not done, and is not tried again. */
export class TaskStepFailed extends Error {
  override readonly name = "TaskStepFailed"
  /** The step's name. */
  readonly step: string
  /** From 0. */
  readonly position: number
  /** Dotted, stable: `tool.refused`, `gate.denied`. */
  readonly code: string
  constructor(
    message: string,
    where: { readonly step: string; readonly position: number; readonly code: string }
  ) {
    super(message)
    this.step = where.step
    this.position = where.position
    this.code = where.code
  }
}

interface TaskBase<I> {
  /** Dotted, lower case, unique: `backup.nightly`. Also what a person calls its tasks. */
  readonly name: string
  /** One sentence for a person and for a model. */
  readonly description: string
  /** Default: no fields. */
  readonly input?: Schema.Codec<I, any>
  /** Words, or words with values, to find its tasks by; at most 32. Default: none. */
  readonly labels?: Labels
  /** 0 to 9, the highest first. Default 5. */
  readonly priority?: number
}

/** A task whose steps are known from its input. */
export interface StepsTask<I = any> extends TaskBase<I> {
  /** Asked once, when the task is made. */
  readonly steps: (input: I) => TaskSteps
  readonly run?: never
  readonly output?: never
}

/** A task that is code. */
export interface CodeTask<I = any, O = any> extends TaskBase<I> {
  /** Checked on what `run` gives back. Default: any JSON of at most 1 MiB. */
  readonly output?: Schema.Codec<O, any>
  /**
   * Does it. After a crash, a pause or a long wait it runs again from its beginning, and every call that has ended answers
   * at once with what was recorded. So what lies between the calls must come out the same each time: decide only from the
   * input, from answers and from `ctx.now()`. No `Math.random`, no `Date.now`, no `fetch`, no files: those are tools.
   *
   * ```ts
   * run: async ({ folder }, ctx) => {
   *   const files = await ctx.call(list, { folder })
   *   // Wrong: if (new Date().getHours() > 22) …   Right: if (ctx.now().getUTCHours() > 22) …
   *   await Promise.all(files.map((file) => ctx.call(copy, { file })))
   *   await ctx.sleep("1 hour")
   *   return { copied: files.length }
   * }
   * ```
   */
  readonly run: (input: I, ctx: TaskContext) => Awaitable<O>
  readonly steps?: never
}

export type TaskDefinition<I = any, O = any> = StepsTask<I> | CodeTask<I, O>

/** Identity plus types: the task as the plugin hands it to the host. */
export const defineTask = <I = {}, O = unknown>(definition: TaskDefinition<I, O>): TaskDefinition<I, O> => definition
