/**
 * Steps of kind `llm_decide`: a model chooses what a task does next. Its decision is stored before it is acted on, so a
 * crash never draws it twice; what it chose are steps like any other, through gates and ledger.
 *
 * - An answer that can't be used is told to the model, and asked for again as often as the step has attempts.
 * - Whatever comes back is made storable and free of known secrets here. Whatever goes wrong is an end of the step: a
 *   question never loses its task.
 * - Bounds (`llm.bounds`) are looked at before each question, and budgets (`llm.budget`) reserved for it; a model that goes
 *   round in circles is stopped.
 * - What is decided is read out of what is stored of the answer (`core/llm/Completions.ts`): after a crash, and in a replay, it
 *   is the same.
 */
import { Cause, Clock, Context, Effect, Exit, Layer } from "effect"
import { Audit } from "../audit/Audit.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import { type BudgetReached, questionOf, sentenceOf } from "../llm/Budget.ts"
import { type CompletionFailed, type OfferedTool, Provider } from "../llm/CompletionProvider.ts"
import { Completions } from "../llm/Completions.ts"
import { renderContext } from "../llm/Context.ts"
import { type Decision, readDecision, withoutSecrets } from "../llm/Decision.ts"
import { promptsOf } from "../llm/prompts/Prompts.ts"
import { LiveReplies, type LiveReply } from "../pipeline/LiveReplies.ts"
import { ToolRanking } from "../llm/ToolRanking.ts"
import { Registry } from "../plugin/Registry.ts"
import { type LlmSettings, Settings } from "../plugin/Settings.ts"
import * as Gates from "../safety/Gates.ts"
import { worstOf } from "../safety/Provenance.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { Compaction } from "./Compaction.ts"
import { ContextGather } from "./ContextGather.ts"
import { addUsage, circleOf, exceeded, rounds, type Used } from "./LlmBounds.ts"
import { askedOver, type Consent, consentOf } from "./LlmConsent.ts"
import { calledSaid, decidedSaid, llmFact, type Said } from "./LlmFacts.ts"
import { historyOf } from "./LlmHistory.ts"
import { decidedBy, plannedSteps } from "./LlmSteps.ts"
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
  /** Words that nobody vouches for were among what the model was shown (`TaskTrust.ts`). */
  readonly trust?: "untrusted"
  /** The host itself asks the operator whether the task may go over this budget (`LlmConsent.ts`). */
  readonly asks_over?: string
}

/** What came of one question. */
export interface Decided {
  readonly decision?: Decision
  /** The answer that it was read from is on record: the same question decides the same again, and nobody is asked. */
  readonly recorded?: boolean
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

/** Its budget is used up. */
const stopped = (kept: Kept, why: string): Decided =>
  failed(kept, { code: "llm.budget_exceeded", message: `The task was stopped: ${why}`, retryable: false })

const allowedSaid = ({ event }: TaskRun, budget: string): Said => ({
  type: "llm.budget_allowed",
  summary: `${event.actor_id} said that the task may go over ${budget}.`,
  data: { budget, by: event.actor_id }
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
  const completions = yield* Completions
  const liveReplies = yield* LiveReplies
  const { gather } = yield* ContextGather
  const { compact } = yield* Compaction
  const rank = yield* ToolRanking
  const scope = yield* Effect.scope
  const prompts = promptsOf(settings.llm?.prompts)

  const offeredTo = (run: TaskRun, input: DecideInput): ReadonlyArray<OfferedTool> => {
    const granted = settings.safety.scopesOf(run.event.channel)
    return registry.tools().flatMap(({ definition, inputSchema, operatorOnly, strange = false }) => {
      const { description, name, scopes } = definition
      if (input.tools !== undefined && !input.tools.includes(name)) return []
      if (operatorOnly || name === answerTool || Gates.missingScopes(scopes, granted).length > 0) return []
      return [{ name, description, parameters: inputSchema, ...(strange ? { trust: "untrusted" as const } : {}) }]
    })
  }

  const boundReached = (run: TaskRun, bounds: LlmSettings["bounds"]): string | undefined => {
    const reached = exceeded({
      bounds,
      steps: [...run.steps.values()],
      timeoutMs: (tool) => registry.tool(tool)?.timeoutMs ?? usualTimeoutMs
    })
    return reached === undefined ? undefined : `The task was stopped: ${reached.why} (${reached.bound}).`
  }

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
  const unanswered = (
    kept: Kept,
    { code, detail, retryable, retryAfterMs }: CompletionFailed,
    latency_ms: number,
    told: ReadonlyArray<Said>
  ) => {
    const tooLarge = code === "llm.too_large"
    return failed(
      tooLarge ? corrected(kept, `It was too large: ${detail}`) : kept,
      { code, message: detail, retryable: retryable || tooLarge },
      { told, latency_ms, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) }
    )
  }

  const overBudget = (run: TaskRun, kept: Kept, reached: BudgetReached, consent: Consent | undefined): Decided => {
    const why = `${sentenceOf(reached)} (${reached.budget}).`
    const mayAsk = settings.llm?.budget.atLimit === "ask" && run.event.trust === "operator" && consent === undefined
    if (!mayAsk) {
      const until = reached.until === undefined ? "" : ` The day ends at ${reached.until}.`
      return stopped(kept, `${why}${until}`)
    }
    return {
      decision: { action: "ask", question: questionOf(reached) },
      checkpoint: { ...kept, asks_over: reached.budget },
      told: [{
        type: "llm.budget_exceeded",
        summary: `The operator is asked: ${why}`,
        data: { budget: reached.budget, used: reached.used, most: reached.most, asked: true }
      }]
    }
  }

  const ask = Effect.fnUntraced(function*(run: TaskRun, step: StepRow, live: LiveReply | undefined) {
    const kept = keptOf(step)
    const { llm } = settings
    if (provider === undefined || llm === undefined) {
      const message = "No model is configured: set llm in the configuration."
      return failed(kept, { code: "llm.not_configured", message, retryable: false })
    }
    const bound = boundReached(run, llm.bounds)
    if (bound !== undefined) return failed(kept, { code: "llm.budget_exceeded", message: bound, retryable: false })
    const consent = consentOf(run.steps.values())
    const follows = consent !== undefined && decidedBy(step) === consent.position
    // An operator who has the task tried again later wants it done, if there is room.
    if (follows && consent.allowed !== true && step.ordinal === 0) {
      return stopped(kept, `you did not say that it may go over ${consent.budget}.`)
    }
    const input = step.input as DecideInput
    const tools = offeredTo(run, input)
    const history = historyOf(run.steps, step)
    const corrections = (kept.corrections ?? []).map((correction) => ({ correction }))
    const began = yield* Clock.currentTimeMillis
    const asked = yield* Effect.result(Effect.gen(function*() {
      const facts = yield* gather({
        run,
        step,
        intent: input.intent,
        history: [...history, ...corrections],
        now: new Date(began)
      })
      const bundle = renderContext(facts, { tools, prompts, budgets: llm.context, rank })
      const completion = yield* completions.ask({
        purpose: "decide",
        trace_id: run.task.trace_id,
        event_id: run.event.event_id,
        task_id: run.task.task_id,
        step_id: step.step_id,
        question: kept.usage?.calls ?? 0,
        bundle,
        facts,
        signal: run.abort.signal,
        onText: live?.onText,
        onRestart: live?.onRestart,
        allowed: consent?.allowed === true
      })
      return { bundle, completion, facts }
    }))
    const latency_ms = (yield* Clock.currentTimeMillis) - began
    const allowed = follows && kept.usage === undefined ? [allowedSaid(run, consent.budget)] : []
    if (asked._tag === "Failure") {
      const { failure } = asked
      if (failure._tag === "BudgetReached") return overBudget(run, kept, failure, consent)
      if (failure._tag === "CompletionFailed") {
        return unanswered({ ...kept, usage: addUsage(kept.usage, latency_ms) }, failure, latency_ms, allowed)
      }
      const message =
        "The database is away: a question to the model that can't be recorded is not asked, and no such answer is used."
      return failed(kept, { code: "llm.failed", message, retryable: true })
    }
    const { bundle, completion, facts } = asked.success
    const stained = worstOf(bundle.parts.map(({ trust }) => trust)) === "untrusted"
    const now: Kept = {
      ...kept,
      usage: addUsage(kept.usage, completion.latency_ms, completion.usage, completion.usd),
      ...(stained ? { trust: "untrusted" } : {})
    }
    const told = [...allowed, calledSaid(completion, bundle)]
    // Not only what fitted: an answer that is stored was given before the thread grew.
    const given = readDecision(completion, tools)
    // Secrets go first: what is checked is what will run.
    const read = "invalid" in given ? given : withoutSecrets(given, redactor)
    const wrong = "invalid" in read ? read.invalid : yield* wrongInput(read)
    if ("invalid" in read || wrong !== undefined) {
      const correction = storable(redactor.redactText(wrong ?? ""))
      const message = `The model's answer can't be used: ${correction}`
      return failed(corrected(now, correction), { code: "llm.invalid", message, retryable: true }, { told })
    }
    const circle = circleOf(history, read)
    if (circle !== undefined) {
      const what = circle === 1 ? "chose the same call" : `went round the same ${circle} calls`
      const message = `The model ${what} ${rounds} times in a row with the same result each time, and was stopped.`
      const correction =
        `You ${what} again and again with the same result: do something else, or say that it can't be done.`
      return failed(corrected(now, correction), { code: "llm.repeats", message, retryable: false }, { told })
    }
    if (read.action === "done") yield* Effect.forkIn(compact(facts, run, step), scope)
    return { decision: read, recorded: true, checkpoint: now, told: [...told, decidedSaid(read, bundle)] }
  })

  const decide = (run: TaskRun, position: number): Effect.Effect<Decided> =>
    Effect.suspend(() => {
      const step = run.steps.get(position)
      if (step === undefined) return Effect.succeed({ checkpoint: {}, told: [] })
      // What a step of a list says is no answer to the event.
      const live = run.task.kind === "llm_plan" ? liveReplies.begin(run.event) : undefined
      return ask(run, step, live).pipe(
        Effect.onExit((exit) =>
          Effect.sync(() => live?.end(Exit.isSuccess(exit) && exit.value.decision?.action === "done"))
        ),
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
    // Another step of the task has asked it meanwhile.
    if (checkpoint.asks_over !== undefined && [...run.steps.values()].some((one) => askedOver(one) !== undefined)) {
      const message = `The task was stopped: you are asked already whether it may go over ${checkpoint.asks_over}.`
      return endStep({ audit }, run, draft, position, {
        error: { code: "llm.budget_exceeded", message, retryable: false }
      })
    }
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
