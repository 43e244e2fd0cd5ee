/**
 * Steps of kind `llm_decide`: a model chooses what a task does next. Its decision is stored before it is acted on, so a
 * crash never draws it twice; what it chose are steps like any other, through gates and ledger.
 *
 * - An answer that can't be used is told to the model, and asked for again as often as the step has attempts.
 * - Whatever comes back is made storable and free of known secrets here. Whatever goes wrong is an end of the step: a
 *   question never loses its task.
 * - Bounds (`llm.bounds`, `llm.budget`) are looked at before each question; a model that goes round in circles is stopped.
 */
import { Cause, Clock, Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Audit } from "../audit/Audit.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { type CompletionFailed, type OfferedTool, Provider } from "../llm/CompletionProvider.ts"
import { type Decision, pseudoTools, readDecision, withoutSecrets } from "../llm/Decision.ts"
import { usdOf } from "../llm/Price.ts"
import { messagesOf, promptHash } from "../llm/Prompt.ts"
import { Registry } from "../plugin/Registry.ts"
import { type LlmSettings, Settings } from "../plugin/Settings.ts"
import * as Gates from "../safety/Gates.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { addUsage, circleOf, exceeded, rounds, type Used } from "./LlmBounds.ts"
import { decidedSaid, llmFact, type Said } from "./LlmFacts.ts"
import { historyOf } from "./LlmHistory.ts"
import { plannedSteps } from "./LlmSteps.ts"
import { endStep, retryAfter, retryStep, tell } from "./StepRunner.ts"
import { answerTool } from "./TaskAnswer.ts"
import type { StepRow } from "./TaskRows.ts"
import { change, type Draft, type TaskRun } from "./TaskRun.ts"

/** The input of a step of kind `llm_decide`. */
export interface DecideInput {
  /** What is wanted, in the words that came in. */
  readonly intent: string
  /** The tools that may be used, by name. Default: all that the channel's scopes allow. */
  readonly tools?: ReadonlyArray<string>
}

/** The checkpoint of such a step. */
interface Kept {
  readonly usage?: Used
  /** What was wrong with the last answers that were no decision. */
  readonly corrections?: ReadonlyArray<string>
  /** The decision that it follows (`LlmSteps.ts`). */
  readonly decided_by?: number
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

/** Attempts of one question, wrong answers included. */
export const decideAttempts = 4

/** Corrections that the model is reminded of. */
const mostCorrections = 4
/** Of one correction, characters. */
const longestCorrection = 2_000

/** Of a tool that is not there any more, milliseconds. */
const usualTimeoutMs = 30_000

const keptOf = (step: StepRow): Kept => step.checkpoint as Kept | undefined ?? {}

const corrected = (kept: Kept, correction: string): Kept => ({
  ...kept,
  corrections: [...kept.corrections ?? [], correction].slice(-mostCorrections)
})

/** Text that can be kept and is no longer than a correction. */
const storable = (text: string): string => text.replaceAll("\0", "\u{fffd}").slice(0, longestCorrection).toWellFormed()

const failed = (
  checkpoint: Kept,
  error: ErrorDetail,
  more: { readonly told?: ReadonlyArray<Said>; readonly latency_ms?: number; readonly retryAfterMs?: number } = {}
): Decided => ({
  error,
  checkpoint,
  retryAfterMs: more.retryAfterMs,
  told: [...more.told ?? [], {
    type: error.code === "llm.budget_exceeded" ? error.code : "llm.failed",
    summary: error.message,
    data: { error },
    ...(more.latency_ms === undefined ? {} : { latency_ms: more.latency_ms })
  }]
})

export class LlmRunner extends Context.Service<LlmRunner, {
  /** Asks the model what the step's task does next. Never fails; nothing is written. */
  readonly decide: (run: TaskRun, position: number) => Effect.Effect<Decided>
  /** Puts into a draft what came of it: the decision and its steps, another try, or the end. */
  readonly apply: (run: TaskRun, draft: Draft, position: number, decided: Decided) => void
}>()("syris/tasks/LlmRunner") {
  static readonly layer = Layer.effect(LlmRunner, Effect.suspend(() => make))
}

const make = Effect.gen(function*() {
  const audit = yield* Audit
  const provider = yield* Provider
  const redactor = yield* Redactor
  const registry = yield* Registry
  const settings = yield* Settings
  const sql = yield* SqlClient.SqlClient

  const offeredTo = (run: TaskRun, input: DecideInput): ReadonlyArray<OfferedTool> => {
    const granted = settings.safety.scopesOf(run.event.channel)
    return registry.tools().flatMap(({ definition, inputSchema, operatorOnly }) => {
      const { description, name, scopes } = definition
      if (input.tools !== undefined && !input.tools.includes(name)) return []
      if (operatorOnly || name === answerTool || Gates.missingScopes(scopes, granted).length > 0) return []
      return [{ name, description, parameters: inputSchema }]
    })
  }

  /** Tokens that other tasks of the trace have used. */
  const usedElsewhere = Effect.fnUntraced(function*({ task }: TaskRun) {
    const [row] = yield* sql<{ readonly tokens: number }>`
      select coalesce(sum((s.checkpoint -> 'usage' ->> 'input_tokens')::float8 +
                          (s.checkpoint -> 'usage' ->> 'output_tokens')::float8), 0) as tokens
      from tasks t join steps s on s.task_id = t.task_id
      where t.trace_id = ${task.trace_id} and t.task_id <> ${task.task_id} and s.kind = 'llm_decide'`
    return row?.tokens ?? 0
  })

  const boundReached = Effect.fnUntraced(function*(run: TaskRun, llm: LlmSettings) {
    const reached = exceeded({
      settings: llm,
      steps: [...run.steps.values()],
      elsewhere: yield* usedElsewhere(run),
      timeoutMs: (tool) => registry.tool(tool)?.timeoutMs ?? usualTimeoutMs
    })
    return reached === undefined ? undefined : `The task was stopped: ${reached.why} (${reached.bound}).`
  })

  /** What is wrong with the inputs that the model chose, or nothing. */
  const wrongInput = Effect.fnUntraced(function*(decision: Decision) {
    if (decision.action !== "call") return undefined
    for (const { input, tool } of decision.calls) {
      const read = yield* Effect.result(registry.tool(tool)?.decodeInput(input) ?? Effect.void)
      if (read._tag === "Failure") return `The input of ${tool} is wrong. ${read.failure}`
    }
    return undefined
  })

  /** There is no answer. One that was too large is told to the model: a shorter one may do. */
  const unanswered = (kept: Kept, { code, detail, retryable, retryAfterMs }: CompletionFailed, latency_ms: number) => {
    const tooLarge = code === "llm.too_large"
    return failed(
      tooLarge ? corrected(kept, `It was too large: ${detail}`) : kept,
      { code, message: detail, retryable: retryable || tooLarge },
      { latency_ms, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
    )
  }

  const ask = Effect.fnUntraced(function*(run: TaskRun, step: StepRow) {
    const kept = keptOf(step)
    if (provider === undefined || settings.llm === undefined) {
      const message = "No model is configured: set llm in the configuration."
      return failed(kept, { code: "llm.not_configured", message, retryable: false })
    }
    const bound = yield* Effect.result(boundReached(run, settings.llm))
    if (bound._tag === "Failure") {
      const message = "What the trace has used can't be read: the database is away."
      return failed(kept, { code: "llm.failed", message, retryable: true })
    }
    if (bound.success !== undefined) {
      return failed(kept, { code: "llm.budget_exceeded", message: bound.success, retryable: false })
    }
    const input = step.input as DecideInput
    const offered = offeredTo(run, input)
    const history = historyOf(run.steps, step)
    const began = yield* Clock.currentTimeMillis
    const answer = yield* Effect.result(provider.complete({
      messages: messagesOf({
        intent: input.intent,
        trust: run.event.trust,
        channel: run.event.channel,
        timezone: run.event.timezone,
        now: new Date(began),
        tools: offered,
        history: [...history, ...(kept.corrections ?? []).map((correction) => ({ correction }))]
      }),
      tools: [...offered, ...pseudoTools],
      signal: run.abort.signal
    }))
    const latency_ms = (yield* Clock.currentTimeMillis) - began
    if (answer._tag === "Failure") {
      return unanswered({ ...kept, usage: addUsage(kept.usage, latency_ms) }, answer.failure, latency_ms)
    }
    const { finish, model, usage } = answer.success
    const now = { ...kept, usage: addUsage(kept.usage, latency_ms, usage, usdOf(usage, settings.llm.price)) }
    const called: Said = {
      type: "llm.called",
      summary: `${model} was asked.`,
      data: { model, finish, ...usage, prompt_hash: promptHash },
      latency_ms
    }
    const given = readDecision(answer.success, offered)
    // Secrets go first: what is checked is what will run.
    const read = "invalid" in given ? given : withoutSecrets(given, redactor)
    const wrong = "invalid" in read ? read.invalid : yield* wrongInput(read)
    if ("invalid" in read || wrong !== undefined) {
      const correction = storable(redactor.redactText(wrong ?? ""))
      const message = `The model's answer can't be used: ${correction}`
      return failed(corrected(now, correction), { code: "llm.invalid", message, retryable: true }, { told: [called] })
    }
    const circle = circleOf(history, read)
    if (circle !== undefined) {
      const what = circle === 1 ? "chose the same call" : `went round the same ${circle} calls`
      const message = `The model ${what} ${rounds} times in a row with the same result each time, and was stopped.`
      const correction =
        `You ${what} again and again with the same result: do something else, or say that it can't be done.`
      return failed(corrected(now, correction), { code: "llm.repeats", message, retryable: false }, { told: [called] })
    }
    return { decision: read, checkpoint: now, told: [called, decidedSaid(read)] }
  })

  const decide = (run: TaskRun, position: number): Effect.Effect<Decided> =>
    Effect.suspend(() => {
      const step = run.steps.get(position)
      return step === undefined ? Effect.succeed({ checkpoint: {}, told: [] }) : ask(run, step).pipe(
        Effect.catchCause((cause) => {
          if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
          const error = Cause.squash(cause)
          const why = storable(redactor.redactText(error instanceof Error ? error.message : String(error)))
          const message = `The model could not be asked, by a fault of this host: ${why}`
          return Effect.as(
            Effect.logError("A model could not be asked.", cause),
            failed(keptOf(step), { code: "llm.failed", message, retryable: true })
          )
        })
      )
    })

  const apply = (run: TaskRun, draft: Draft, position: number, decided: Decided): void => {
    const step = run.steps.get(position)
    if (step === undefined) return
    for (const said of decided.told) tell({ audit }, draft, llmFact(said, run.task, step, draft.at))
    const { checkpoint, decision, error } = decided
    change(run, draft, position, { checkpoint })
    if (decision !== undefined) {
      endStep({ audit }, run, draft, position, { output: decision })
      // Of a task that is canceled nothing more is planned.
      for (const row of run.wish === "cancel" ? [] : plannedSteps(run.steps, step, decision)) {
        draft.steps.set(row.position, { row, fresh: true, begins: false, planned: true })
      }
      return
    }
    if (error === undefined) return
    const ms = error.retryable ? retryAfter(step, error) : undefined
    if (ms === undefined) return endStep({ audit }, run, draft, position, { error })
    retryStep({ audit }, run, draft, position, error, Math.max(ms, decided.retryAfterMs ?? 0), { checkpoint })
  }

  return LlmRunner.of({ decide, apply })
})
