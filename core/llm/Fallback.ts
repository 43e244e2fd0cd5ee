/**
 * One question to the first model of several that answers.
 *
 * - On to the next after `llm.timeout`, `llm.silent`, `llm.rate_limited`, `llm.unavailable` and `llm.cut`: what another
 *   model, or another time, may do better. `llm.refused`, `llm.invalid` and `llm.too_large` end the question: the request, the
 *   key or the address is wrong, and another model would hide that. `llm.aborted` and an interruption end it at once.
 * - A model that is told to wait for at most 10 seconds (429) is waited for, once in a question, before the next is asked.
 * - A model that failed 5 times in a row is passed over (`Breaker.ts`), and `Health` says so as `model NAME`. Where all are,
 *   the one that is due first is asked all the same: there is nobody better.
 * - With one model, each question is asked once, whatever happened before.
 * - A request may name those that are asked for it (`models`); the others are left out as if they were not there.
 * - What a failed model handed on of its text is taken back with `onRestart` before another one's follows.
 */
import { Cause, Clock, Effect, Exit, Option } from "effect"
import type { Health } from "../health/Health.ts"
import type { ModelSettings } from "../plugin/Settings.ts"
import { type Admission, Breaker } from "./Breaker.ts"
import {
  type Completion,
  CompletionFailed,
  type CompletionProvider,
  type CompletionRequest,
  failed,
  type Tried
} from "./CompletionProvider.ts"
import { aborted, fieldsOf } from "./Failure.ts"
import { usdOf } from "./Price.ts"
import { makeTextRelay, type TextRelay } from "./TextRelay.ts"

/** One model of the chain. */
export interface Link {
  /** As the operator knows it, unique in the chain. */
  readonly name: string
  readonly provider: CompletionProvider
  readonly price: ModelSettings["price"]
}

interface Guarded extends Link {
  readonly breaker: Breaker
}

interface Question {
  readonly request: CompletionRequest
  readonly relay: TextRelay
  /** Those that gave no answer, in order. */
  readonly tried: Array<Tried>
  waited: boolean
}

/** The longest that a model is waited for instead of asking the next, milliseconds. */
const longestWaitMs = 10_000

export const makeFallback = (
  links: readonly [Link, ...ReadonlyArray<Link>],
  health: Pick<Health["Service"], "degrade" | "recover">
): CompletionProvider => {
  const chain: ReadonlyArray<Guarded> = links.map((link) => ({ ...link, breaker: new Breaker() }))

  const settle = Effect.fnUntraced(function*(
    { breaker, name }: Guarded,
    admission: Admission,
    exit: Exit.Exit<Completion, CompletionFailed>
  ) {
    if (Exit.isSuccess(exit)) return breaker.succeeded() ? yield* health.recover(`model ${name}`) : undefined
    const failure = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    if (failure === undefined || !failure.retryable || failure.atLimit === true) return breaker.released(admission)
    const ms = breaker.failed(admission, yield* Clock.currentTimeMillis)
    if (ms === undefined) return
    const until = chain.length === 1
      ? "It is the only one, so it is asked all the same."
      : `The others are asked first for ${ms / 1000} s.`
    yield* health.degrade(`model ${name}`, `It gives no answer, the last time because of ${failure.code}. ${until}`)
  })

  const attempt = (link: Guarded, { relay, request, tried }: Question) =>
    Effect.suspend(() => {
      const { end, onText } = relay.begin()
      const { models: _models, onRestart: _onRestart, onText: _onText, ...rest } = request
      return link.provider.complete({ ...rest, ...(onText === undefined ? {} : { onText }) }).pipe(
        Effect.ensuring(Effect.sync(end)),
        Effect.tapError(({ code }) => Effect.sync(() => void tried.push({ model: link.name, code })))
      )
    })

  const ask = (link: Guarded, admission: Admission, question: Question) => {
    const mayWait = link !== linksFor(question.request).at(-1)
    return attempt(link, question).pipe(
      Effect.catch((failure) => {
        const { code, retryAfterMs } = failure
        if (
          !mayWait || question.waited || code !== "llm.rate_limited" || retryAfterMs === undefined ||
          retryAfterMs > longestWaitMs
        ) return Effect.fail(failure)
        question.waited = true
        return Effect.andThen(Effect.sleep(retryAfterMs), attempt(link, question))
      }),
      Effect.onExit((exit) => settle(link, admission, exit))
    )
  }

  /** Those that may be asked for it. */
  const linksFor = ({ models }: CompletionRequest): ReadonlyArray<Guarded> =>
    models === undefined ? chain : chain.filter(({ name }) => models.includes(name))

  /** What the caller is told: more than the last failure where there is more than one model. */
  const ended = (failure: CompletionFailed, passedOver: ReadonlyArray<Guarded>, tried: ReadonlyArray<Tried>) => {
    if (chain.length === 1 || failure.code === "llm.aborted") return failure
    const asked = tried.map(({ code, model }) => `${model} (${code})`).join(", ")
    const waiting = passedOver.map(({ name }) => name).join(", ")
    return new CompletionFailed({
      ...fieldsOf(failure),
      detail: `${failure.detail} Asked in this order: ${asked}.` +
        (waiting === "" ? "" : ` Passed over, after failures in a row: ${waiting}.`),
      // One that could not answer now is no worse than if it had been the only one.
      retryable: failure.retryable || passedOver.length > 0 || tried.length > 1,
      tried
    })
  }

  const askAll = Effect.fnUntraced(function*(question: Question) {
    const passedOver: Array<Guarded> = []
    let failure: CompletionFailed | undefined
    const links = linksFor(question.request)
    if (links.length === 0) return yield* failed("llm.refused", "None of the configured models may be asked this.")
    for (const link of links) {
      const admission = link.breaker.admit(yield* Clock.currentTimeMillis)
      if (admission === "passed_over") {
        passedOver.push(link)
        continue
      }
      const asked = yield* Effect.result(ask(link, admission, question))
      if (asked._tag === "Success") return answered(asked.success, link, question)
      failure = asked.failure
      if (!failure.retryable) break
    }
    if (failure !== undefined) return yield* ended(failure, passedOver, question.tried)
    const [link = chain[0]!] = passedOver.toSorted((a, b) => (a.breaker.dueAt ?? 0) - (b.breaker.dueAt ?? 0))
    const asked = yield* Effect.result(ask(link, "passed_over", question))
    if (asked._tag === "Success") return answered(asked.success, link, question)
    return yield* ended(asked.failure, passedOver.filter((other) => other !== link), question.tried)
  })

  const complete = Effect.fn("Fallback.complete")(function*(request: CompletionRequest) {
    const { signal } = request
    if (signal?.aborted === true) return yield* aborted()
    const relay = makeTextRelay(request)
    const answer = askAll({ request, relay, tried: [], waited: false })
    return yield* (signal === undefined ? answer : Effect.raceFirst(answer, untilAborted(signal))).pipe(
      Effect.ensuring(Effect.sync(relay.end))
    )
  })
  return { model: links[0].provider.model, complete }
}

const answered = (completion: Completion, { name, price }: Link, { tried }: Question): Completion => {
  const usd = usdOf(completion.usage, price)
  return { ...completion, configured: name, tried, ...(usd === undefined ? {} : { usd }) }
}

/** Fails when the signal says so. */
export const untilAborted = (signal: AbortSignal): Effect.Effect<never, CompletionFailed> =>
  Effect.callback((resume) => {
    const abort = (): void => resume(Effect.fail(aborted()))
    if (signal.aborted) return abort()
    signal.addEventListener("abort", abort, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", abort))
  })
