/**
 * Steps of kind `llm_decide`: a model chooses what a task does next. Its decision is stored before it is acted on, so a
 * crash never draws it twice; what it chose are steps like any other, through gates and ledger.
 *
 * Bounds, from `llm.bounds` and `llm.budget`: steps, tokens, money and time of one task. A model that asks for the same call
 * again and again is stopped.
 */
import canonicalize from "canonicalize"
import { Clock, Context, Effect, Layer } from "effect"
import { Audit } from "../audit/Audit.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { type OfferedTool, Provider, type Usage } from "../llm/CompletionProvider.ts"
import { type Decision, pseudoTools, readDecision } from "../llm/Decision.ts"
import { usdOf } from "../llm/Price.ts"
import { messagesOf, promptHash, type Turn } from "../llm/Prompt.ts"
import { Registry } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import * as Gates from "../safety/Gates.ts"
import { answerTool } from "./TaskAnswer.ts"
import { endStep, retryAfter, retryStep, tell } from "./StepRunner.ts"
import { stepFact } from "./TaskFacts.ts"
import { defaultRetry, type NewStep } from "./TaskPlan.ts"
import { stepRow, type StepRow } from "./TaskRows.ts"
import { change, type Draft, type TaskRun } from "./TaskRun.ts"

/** The input of a step of kind `llm_decide`. */
export interface DecideInput {
  /** What is wanted, in the words that came in. */
  readonly intent: string
  /** The tools that may be used, by name. Default: all that the channel's scopes allow. */
  readonly tools?: ReadonlyArray<string>
}

/** What is kept of the questions of one step. */
interface Kept {
  readonly usage?: {
    readonly input_tokens: number
    readonly output_tokens: number
    readonly usd?: number
    readonly calls: number
  }
  /** What was wrong with answers that were no decision. */
  readonly corrections?: ReadonlyArray<string>
}

/** What came of one question. */
export interface Decided {
  readonly decision?: Decision
  readonly error?: ErrorDetail
  /** What the server asks for before the next question, milliseconds. */
  readonly retryAfterMs?: number | undefined
  readonly checkpoint: Kept
  readonly told: ReadonlyArray<Said>
}

/** A row of the audit about a question. */
interface Said {
  readonly type: "llm.called" | "llm.failed" | "llm.step_decided" | "llm.budget_exceeded"
  readonly summary: string
  readonly data: Record<string, unknown>
  readonly latency_ms?: number
}

/** As often in a row the same call may be chosen. */
const repeats = 3

/** Attempts of one question, wrong answers included. */
export const decideAttempts = 4

const keptOf = (step: StepRow): Kept => step.checkpoint as Kept | undefined ?? {}

const decisionOf = (step: StepRow): Decision | undefined =>
  step.kind === "llm_decide" && step.status === "succeeded" ? step.output as Decision : undefined

/** What has happened so far, as the model is told it. */
const historyOf = (steps: ReadonlyArray<StepRow>, position: number): ReadonlyArray<Turn> =>
  steps.filter((step) => step.position <= position).flatMap((step): ReadonlyArray<Turn> => {
    if (step.position === position) return (keptOf(step).corrections ?? []).map((correction) => ({ correction }))
    const answer = (step.output as { readonly answer?: string } | undefined)?.answer
    if (step.kind === "wait" && answer !== undefined) return [{ answer }]
    const decision = decisionOf(step)
    if (decision === undefined) return []
    const results = steps.filter((one) => one.kind === "tool" && one.stage === step.stage + 1).map((one) => ({
      tool: one.tool ?? "",
      status: one.status,
      output: one.output,
      error: one.error
    }))
    return [{ decision, results }]
  })

const sumOf = (steps: ReadonlyArray<StepRow>) => {
  const used = steps.flatMap((step) => keptOf(step).usage ?? [])
  return {
    tokens: used.reduce((sum, { input_tokens, output_tokens }) => sum + input_tokens + output_tokens, 0),
    usd: used.reduce((sum, { usd = 0 }) => sum + usd, 0)
  }
}

const signature = (decision: Decision): string =>
  decision.action === "call" ? canonicalize(decision.calls) ?? "" : decision.action

export class LlmRunner extends Context.Service<LlmRunner, {
  /** Asks the model what the step's task does next. Never fails; nothing is written. */
  readonly decide: (run: TaskRun, position: number) => Effect.Effect<Decided>
  /** Puts into a draft what came of it: the decision and its steps, another try, or the end. */
  readonly apply: (run: TaskRun, draft: Draft, position: number, decided: Decided) => void
}>()("syris/tasks/LlmRunner") {
  static readonly layer = Layer.effect(
    LlmRunner,
    Effect.gen(function*() {
      const audit = yield* Audit
      const provider = yield* Provider
      const registry = yield* Registry
      const settings = yield* Settings

      const offeredTo = (run: TaskRun, input: DecideInput): ReadonlyArray<OfferedTool> => {
        const granted = settings.safety.scopesOf(run.event.channel)
        return registry.tools().flatMap(({ definition, inputSchema, operatorOnly }) => {
          const { description, name, scopes } = definition
          if (input.tools !== undefined && !input.tools.includes(name)) return []
          if (operatorOnly || name === answerTool || Gates.missingScopes(scopes, granted).length > 0) return []
          return [{ name, description, parameters: inputSchema }]
        })
      }

      /** Why the model may not be asked once more, or nothing. */
      const overBounds = (run: TaskRun, now: number): string | undefined => {
        const { bounds, budget } = settings.llm!
        const steps = [...run.steps.values()]
        const { tokens, usd } = sumOf(steps)
        const asked = steps.filter(({ kind }) => kind === "llm_decide").length
        if (asked > bounds.steps) return `it has decided ${bounds.steps} times (llm.bounds.steps)`
        if (tokens >= budget.perTraceTokens) {
          return `it has used ${tokens} of ${budget.perTraceTokens} tokens (llm.budget.perTraceTokens)`
        }
        if (bounds.usd !== undefined && usd >= bounds.usd) return `it has cost $${usd.toFixed(4)} (llm.bounds.usd)`
        const seconds = (now - Date.parse(run.task.created_at)) / 1_000 - waitedSeconds(steps, now)
        return seconds > bounds.seconds ? `it has worked for ${bounds.seconds} s (llm.bounds.seconds)` : undefined
      }

      /** The last decisions were this very call, each time. */
      const repeated = (run: TaskRun, decision: Decision): boolean => {
        if (decision.action !== "call") return false
        const last = [...run.steps.values()].flatMap((step) => decisionOf(step) ?? []).slice(1 - repeats)
        return last.length === repeats - 1 && last.every((one) => signature(one) === signature(decision))
      }

      /** What is wrong with the inputs that the model chose, or nothing. */
      const wrongInput = Effect.fnUntraced(function*(decision: Decision) {
        if (decision.action !== "call") return undefined
        for (const { input, tool } of decision.calls) {
          const read = yield* Effect.result(registry.tool(tool)?.decodeInput(input) ?? Effect.succeed(undefined))
          if (read._tag === "Failure") return `The input of ${tool} is wrong. ${read.failure}`
        }
        return undefined
      })

      const failed = (
        checkpoint: Kept,
        error: ErrorDetail,
        more: { readonly told?: ReadonlyArray<Said>; readonly latency_ms?: number; readonly retryAfterMs?: number } = {}
      ): Decided => ({
        error,
        checkpoint,
        retryAfterMs: more.retryAfterMs,
        told: [...more.told ?? [], {
          type: "llm.failed",
          summary: error.message,
          data: { error },
          ...(more.latency_ms === undefined ? {} : { latency_ms: more.latency_ms })
        }]
      })

      const decide = Effect.fnUntraced(function*(run: TaskRun, position: number): Effect.fn.Return<Decided> {
        const step = run.steps.get(position)
        const input = step?.input as DecideInput
        const kept = step === undefined ? {} : keptOf(step)
        const now = yield* Clock.currentTimeMillis
        if (provider === undefined || settings.llm === undefined || step === undefined) {
          const message = "No model is configured: set llm in the configuration."
          return failed(kept, { code: "llm.not_configured", message, retryable: false })
        }
        const over = overBounds(run, now)
        if (over !== undefined) {
          const message = `The task was stopped: ${over}.`
          return {
            error: { code: "llm.budget_exceeded", message, retryable: false },
            checkpoint: kept,
            told: [{ type: "llm.budget_exceeded", summary: message, data: {} }]
          }
        }
        const offered = offeredTo(run, input)
        const began = performance.now()
        const answer = yield* Effect.result(provider.complete({
          messages: messagesOf({
            intent: input.intent,
            trust: run.event.trust,
            channel: run.event.channel,
            timezone: run.event.timezone,
            now: new Date(now),
            tools: offered,
            history: historyOf([...run.steps.values()].toSorted((a, b) => a.position - b.position), position)
          }),
          tools: [...offered, ...pseudoTools],
          signal: run.abort.signal
        }))
        const latency_ms = Math.round(performance.now() - began)
        if (answer._tag === "Failure") {
          const { code, detail, retryable, retryAfterMs } = answer.failure
          return failed(kept, { code, message: detail, retryable }, {
            latency_ms,
            ...(retryAfterMs === undefined ? {} : { retryAfterMs })
          })
        }
        const completion = answer.success
        const usage = add(kept, completion.usage, usdOf(completion.usage, settings.llm.price))
        const called: Said = {
          type: "llm.called",
          summary: `${completion.model} was asked.`,
          data: { model: completion.model, finish: completion.finish, ...completion.usage, prompt_hash: promptHash },
          latency_ms
        }
        const read = readDecision(completion, offered)
        const wrong = "invalid" in read ? read.invalid : yield* wrongInput(read)
        if ("invalid" in read || wrong !== undefined) {
          const message = `The model's answer can't be used: ${wrong}`
          return failed(
            { usage, corrections: [...kept.corrections ?? [], wrong ?? ""] },
            { code: "llm.invalid", message, retryable: true },
            { told: [called] }
          )
        }
        if (repeated(run, read)) {
          const message = `The model chose the same call ${repeats} times in a row and was stopped.`
          return failed({ ...kept, usage }, { code: "llm.repeats", message, retryable: false }, { told: [called] })
        }
        const decided: Said = {
          type: "llm.step_decided",
          summary: sentence(read),
          data: { decision: read, prompt_hash: promptHash }
        }
        return { decision: read, checkpoint: { ...kept, usage }, told: [called, decided] }
      })

      /** The steps that a decision leads to, from a stage and a position on. */
      const planned = (run: TaskRun, step: StepRow, decision: Decision): ReadonlyArray<StepRow> => {
        const first = Math.max(...run.steps.keys()) + 1
        const stage = step.stage + 1
        const again: NewStep = { ...asNew(step), stage: stage + 1 }
        const steps: ReadonlyArray<NewStep> = decision.action === "call"
          ? [
            ...decision.calls.map(({ input, tool }): NewStep => ({
              name: tool,
              kind: "tool",
              stage,
              tool,
              input,
              max_attempts: 1,
              retry: { ...defaultRetry, strategy: "none" }
            })),
            again
          ]
          : decision.action === "wait"
          ? [{ ...again, name: "wait", kind: "wait", stage, input: { delay_ms: decision.seconds * 1_000 } }, again]
          : decision.action === "ask"
          ? [{ ...again, name: "ask", kind: "wait", stage, input: { question: decision.question } }, again]
          : []
        return steps.map((one, index) => stepRow(run.task.task_id, first + index, one))
      }

      const apply = (run: TaskRun, draft: Draft, position: number, decided: Decided): void => {
        const step = run.steps.get(position)
        if (step === undefined) return
        for (const { data, latency_ms, summary, type } of decided.told) {
          tell({ audit }, draft, {
            ...stepFact(type, run.task, step, draft.at, summary, data),
            ...(latency_ms === undefined ? {} : { latency_ms })
          })
        }
        change(run, draft, position, { checkpoint: decided.checkpoint })
        const { decision, error } = decided
        if (decision !== undefined) {
          endStep({ audit }, run, draft, position, { output: decision })
          for (const row of planned(run, step, decision)) {
            draft.steps.set(row.position, { row, fresh: true, begins: false })
          }
          return
        }
        if (error === undefined) return
        const ms = error.retryable ? retryAfter(step, error) : undefined
        if (ms === undefined) return endStep({ audit }, run, draft, position, { error })
        retryStep({ audit }, run, draft, position, error, Math.max(ms, decided.retryAfterMs ?? 0), {
          checkpoint: decided.checkpoint
        })
      }

      return LlmRunner.of({ decide, apply })
    })
  )
}

const add = (kept: Kept, usage: Usage, usd: number | undefined): NonNullable<Kept["usage"]> => ({
  input_tokens: (kept.usage?.input_tokens ?? 0) + usage.input_tokens,
  output_tokens: (kept.usage?.output_tokens ?? 0) + usage.output_tokens,
  calls: (kept.usage?.calls ?? 0) + 1,
  ...(usd === undefined ? {} : { usd: (kept.usage?.usd ?? 0) + usd })
})

/** Time that the task let pass on purpose. */
const waitedSeconds = (steps: ReadonlyArray<StepRow>, now: number): number =>
  steps.filter(({ kind }) => kind === "wait").reduce((sum, { ended_at, started_at }) =>
    started_at === undefined
      ? sum
      : sum + ((ended_at === undefined ? now : Date.parse(ended_at)) - Date.parse(started_at)) / 1_000, 0)

const asNew = ({ input, kind, max_attempts, name, retry, stage, tool }: StepRow): NewStep => ({
  name,
  kind,
  stage,
  tool,
  input,
  max_attempts,
  retry
})

const sentence = (decision: Decision): string => {
  switch (decision.action) {
    case "call":
      return `The model chose ${decision.calls.map(({ tool }) => tool).join(", ")}.`
    case "wait":
      return `The model waits for ${decision.seconds} s.`
    case "ask":
      return `The model asks: ${decision.question}`
    case "done":
      return "The model is done."
  }
}
