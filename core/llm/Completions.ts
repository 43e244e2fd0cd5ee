/**
 * Questions to a model that are on record: what a question may use is reserved before anybody is asked, and settled with
 * its answer.
 *
 * - Nothing is asked that is not stored first: where the database is away, or a budget has no room, there is no question.
 * - What is sent and what comes back is free of known secrets, and stored as it is: whoever asks goes on with what a reader
 *   of the row finds.
 * - The answer is stored before it is handed on. After a crash the same question is answered from its row, and its failure
 *   too: nobody is paid twice. One that nobody knows the answer of is asked anew, and its reservation stays.
 */
import { Clock, Context, Effect, Layer, Schedule } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { newId } from "../database/Ids.ts"
import { isRefusal, isTransient } from "../database/Transient.ts"
import { HostLease } from "../health/HostLease.ts"
import { chainOf, type LlmSettings, Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { answerTokens, BudgetReached, planOf, type Reached } from "./Budget.ts"
import { dayOf } from "./BudgetDay.ts"
import { type AnswerShape, type Completion, CompletionFailed, Provider, failed } from "./CompletionProvider.ts"
import type { ContextBundle, ContextFacts } from "./ContextFacts.ts"
import { fieldsOf } from "./Failure.ts"
import { keptCompletion, keptJson, keptWithText } from "./Kept.ts"
import { requestHash } from "./RequestHash.ts"

export interface CompletionQuestion {
  readonly purpose: "decide" | "summarize" | "sample"
  readonly trace_id: string
  readonly event_id: string
  readonly task_id: string
  readonly step_id: string
  /** Which one of the step for this purpose, from 0. */
  readonly question: number
  readonly bundle: ContextBundle
  readonly facts: ContextFacts
  readonly signal?: AbortSignal | undefined
  /** As in `CompletionRequest`. Of an answer that is stored already it is given the whole text. */
  readonly onText?: ((delta: string) => void) | undefined
  readonly onRestart?: (() => void) | undefined
  /** The operator said that it may go over the budgets. */
  readonly allowed?: boolean | undefined
  readonly answer?: AnswerShape | undefined
  /** Of the answer. Default: the server's own, and 1 500 are reserved. */
  readonly maxTokens?: number | undefined
}

/** An answer that is on record. */
export interface Completed extends Completion {
  readonly completion_id: string
  readonly request_hash: string
  readonly latency_ms: number
  /** It was stored before this question: nobody was asked. */
  readonly repeated: boolean
}

export class Completions extends Context.Service<Completions, {
  readonly ask: (
    question: CompletionQuestion
  ) => Effect.Effect<Completed, CompletionFailed | BudgetReached | SqlError.SqlError>
  /** The budget of this day in which no question at all has room any more, or nothing. */
  readonly spent: Effect.Effect<BudgetReached | undefined, SqlError.SqlError>
}>()("syris/llm/Completions") {
  static readonly layer = Layer.effect(Completions, Effect.suspend(() => make))
}

/** What is stored of a request; its hash is over the canonical JSON of exactly this. */
export interface StoredRequest {
  readonly messages: ContextBundle["messages"]
  readonly tools: ContextBundle["tools"]
  readonly answer?: AnswerShape
  readonly max_tokens?: number
}

/** What a bundle is taken to use: what its parts say, or a token for three bytes of what is sent. */
export const inputTokensOf = ({ messages, parts, tools }: ContextBundle): number =>
  parts.length > 0
    ? parts.reduce((sum, { tokens }) => sum + tokens, 0)
    : Math.ceil(Buffer.byteLength(JSON.stringify([messages, tools])) / 3)

/** What a failure is stored as. */
type StoredFailure = ReturnType<typeof fieldsOf> & Pick<CompletionFailed, "tried">

type Reservation =
  | {
    readonly outcome: "answered"
    readonly completion_id: string
    readonly request_hash: string
    readonly latency_ms: number | null
    readonly answer: Completion | null
    readonly error: StoredFailure | null
  }
  | {
    readonly outcome: "reserved"
    readonly model: string
    readonly only: boolean
    readonly spent: ReadonlyArray<string>
  }
  | ({ readonly outcome: "refused" } & Reached)

/** Of these no token was used: the question was not answered at all. */
const free = new Set(["llm.rate_limited", "llm.unavailable", "llm.refused"])

/** An answer that was paid for is stored as soon as the database is back, within about 15 s. */
const keepTrying = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("1 second")]).pipe(
  Schedule.upTo({ duration: "15 seconds" })
)

/** What a server says may be anything: a count is kept as one that the table takes. */
const counted = (tokens: number): number => Number.isFinite(tokens) ? Math.min(Math.max(0, Math.ceil(tokens)), 1e9) : 0

const usedBy = ({ usage, usd }: Completion) => ({
  input_tokens: counted(usage.input_tokens),
  output_tokens: counted(usage.output_tokens),
  usd
})

/** Another host asked the same, and had its answer first. */
const superseded = failed("llm.aborted", "Another host had the answer to this question first.")

const make = Effect.gen(function*() {
  const provider = yield* Provider
  const redactor = yield* Redactor
  const settings = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const { hostId } = yield* HostLease

  /** `question` is JSON. */
  const reserve = (question: string, { choices, others }: ReturnType<typeof planOf>) =>
    Effect.map(
      sql<{ readonly made: Reservation }>`
        select reserve_completion(${question}::jsonb, ${JSON.stringify(choices)}::jsonb,
                                  ${JSON.stringify(others)}::jsonb) as made`,
      ([row]) => row!.made
    )

  interface Settled {
    readonly model: string | undefined
    readonly answer: Completion | undefined
    readonly error: StoredFailure | undefined
    /** Nothing: it stays as it was reserved. */
    readonly used:
      | { readonly input_tokens: number; readonly output_tokens: number; readonly usd?: number | undefined }
      | undefined
    readonly latency_ms: number
    readonly at: Date
  }

  /** Stores what came of a question. Harmless to repeat. */
  const settle = (completion_id: string, { answer, at, error, latency_ms, model, used }: Settled) =>
    sql<{ readonly completion_id: string }>`
      update completions
      set answered_at = ${at}, latency_ms = ${latency_ms}, model = coalesce(${model ?? null}, model),
          answer = ${answer === undefined ? null : JSON.stringify(answer)}::jsonb,
          error = ${error === undefined ? null : JSON.stringify(error)}::jsonb,
          input_tokens = coalesce(${used?.input_tokens ?? null}::int, input_tokens),
          output_tokens = coalesce(${used?.output_tokens ?? null}::int, output_tokens),
          usd = case when ${used === undefined} then usd else ${used?.usd ?? null}::float8 end
      where completion_id = ${completion_id}::uuid and answered_at is null`.pipe(
      Effect.retry({ schedule: keepTrying, while: isTransient })
    )

  /** What is stored for the same question, by whichever host. */
  const storedAnswer = Effect.fnUntraced(function*({ purpose, question, step_id }: CompletionQuestion) {
    const [row] = yield* sql<{
      readonly completion_id: string
      readonly request_hash: string
      readonly latency_ms: number | null
      readonly answer: Completion
    }>`
      select completion_id, request_hash, latency_ms, answer from completions
      where step_id = ${step_id}::uuid and purpose = ${purpose} and question = ${question} and answer is not null`
    return row
  })

  const repeat = (
    { onText }: CompletionQuestion,
    { answer, completion_id, latency_ms, request_hash }: {
      readonly answer: Completion
      readonly completion_id: string
      readonly latency_ms: number | null
      readonly request_hash: string
    }
  ): Completed => {
    if (answer.text !== undefined) {
      try {
        onText?.(answer.text)
      } catch {
        // Whoever listens can't spoil the answer.
      }
    }
    // JSON has no `undefined`: an answer without text has lost the field.
    return { ...answer, text: answer.text, completion_id, request_hash, latency_ms: latency_ms ?? 0, repeated: true }
  }

  const ask = Effect.fn("Completions.ask")(function*(question: CompletionQuestion) {
    const { llm, timezone } = settings
    if (provider === undefined || llm === undefined) {
      return yield* failed("llm.refused", "No model is configured: set llm in the configuration.")
    }
    const { allowed = false, answer, bundle, event_id, maxTokens, purpose, step_id, task_id, trace_id } = question
    const began = yield* Clock.currentTimeMillis
    const sent = keptWithText<StoredRequest>({
      messages: bundle.messages,
      tools: bundle.tools,
      ...(answer === undefined ? {} : { answer }),
      ...(maxTokens === undefined ? {} : { max_tokens: maxTokens })
    }, redactor)
    const request = sent.kept
    const wanted = { input_tokens: inputTokensOf(bundle), output_tokens: maxTokens ?? answerTokens }
    const completion_id = newId()
    const request_hash = requestHash(request)
    const plan = planOf(llm, wanted, dayOf(timezone, began), allowed)
    const asked = JSON.stringify({
      completion_id,
      purpose,
      trace_id,
      event_id,
      task_id,
      step_id,
      question: question.question,
      host_id: hostId,
      asked_at: new Date(began).toISOString(),
      prompt_hash: bundle.prompt_hash,
      request_hash,
      parts: bundle.parts,
      ...wanted
    })
    const facts = keptWithText(question.facts, redactor).text
    const made = yield* reserve(`${asked.slice(0, -1)},"request":${sent.text},"facts":${facts}}`, plan)
    if (made.outcome === "refused") {
      const { outcome: _, ...reached } = made
      return yield* reachedOf(reached)
    }
    if (made.outcome === "answered") {
      if (made.answer !== null) return repeat(question, { ...made, answer: made.answer })
      return yield* new CompletionFailed(made.error ?? fieldsOf(superseded))
    }
    const models = modelsOf(llm, made)
    // Paid for is paid for: nothing ends this host between an answer and its row but its own end.
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.gen(function*() {
        const asked = yield* Effect.result(restore(provider.complete({
          messages: request.messages,
          tools: request.tools,
          ...(models === undefined ? {} : { models }),
          ...(answer === undefined ? {} : { answer }),
          ...(maxTokens === undefined ? {} : { maxTokens }),
          ...(question.signal === undefined ? {} : { signal: question.signal }),
          ...(question.onText === undefined ? {} : { onText: question.onText }),
          ...(question.onRestart === undefined ? {} : { onRestart: question.onRestart })
        })))
        const now = yield* Clock.currentTimeMillis
        const latency_ms = Math.round(now - began)
        const end = { latency_ms, at: new Date(now) }
        if (asked._tag === "Failure") {
          const error: StoredFailure = keptJson({
            ...fieldsOf(asked.failure),
            ...(asked.failure.tried === undefined ? {} : { tried: asked.failure.tried })
          }, redactor)
          const used = free.has(error.code) ? { input_tokens: 0, output_tokens: 0, usd: 0 } : undefined
          yield* settle(completion_id, { ...end, model: undefined, answer: undefined, error, used })
          return yield* new CompletionFailed(error)
        }
        const kept = keptCompletion(asked.success, redactor)
        const settled = yield* Effect.result(settle(completion_id, {
          ...end,
          model: kept.configured,
          answer: kept,
          error: undefined,
          used: usedBy(kept)
        }))
        if (settled._tag === "Success") return { ...kept, completion_id, request_hash, latency_ms, repeated: false }
        if (!isRefusal(settled.failure)) return yield* Effect.fail(settled.failure)
        const first = yield* storedAnswer(question)
        if (first === undefined) return yield* Effect.fail(settled.failure)
        yield* settle(completion_id, {
          ...end,
          model: kept.configured,
          answer: undefined,
          error: fieldsOf(superseded),
          used: usedBy(kept)
        })
        return repeat(question, first)
      })
    )
  })

  const spent = Effect.gen(function*() {
    const { llm, timezone } = settings
    if (llm === undefined) return undefined
    const day = dayOf(timezone, yield* Clock.currentTimeMillis)
    const { choices } = planOf(llm, { input_tokens: 0, output_tokens: answerTokens }, day, false)
    let first: Reached | undefined
    for (const { budgets } of choices) {
      const days = budgets.filter(({ scope }) => scope === "day")
      if (days.length === 0) return undefined
      const [row] = yield* sql<{ readonly reached: Reached | null }>`
        select budget_reached('{}'::jsonb, ${JSON.stringify(days)}::jsonb) as reached`
      if (row?.reached === null || row === undefined) return undefined
      first ??= row.reached
    }
    return first === undefined ? undefined : reachedOf(first)
  })

  return Completions.of({ ask, spent })
})

/** Without those fields that only the database was told. */
const reachedOf = ({ budget, model, most, scope, unit, until, used, wanted }: Reached): BudgetReached =>
  new BudgetReached({
    budget,
    scope,
    unit,
    most,
    used,
    wanted,
    ...(until === undefined ? {} : { until }),
    ...(model === undefined ? {} : { model })
  })

/** Those of the chain that may be asked; nothing: all. */
const modelsOf = (
  llm: LlmSettings,
  { model, only, spent }: Extract<Reservation, { readonly outcome: "reserved" }>
): ReadonlyArray<string> | undefined =>
  only
    ? [model]
    : spent.length === 0
    ? undefined
    : chainOf(llm).map(({ name }) => name).filter((name) => !spent.includes(name))
