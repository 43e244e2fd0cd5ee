/**
 * A model that only remembers: what was looked up for a question is what was stored with it, and its answer is the stored
 * one, if the question is still the same. Nobody is asked.
 */
import canonicalize from "canonicalize"
import { Context, Effect, Layer } from "effect"
import { type Completion, CompletionFailed, Provider } from "../llm/CompletionProvider.ts"
import { type CompletionQuestion, Completions, type StoredRequest } from "../llm/Completions.ts"
import { requestHash } from "../llm/RequestHash.ts"
import type { ContextFacts } from "../llm/ContextFacts.ts"
import { keptJson } from "../llm/Kept.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { Compaction } from "../tasks/Compaction.ts"
import { ContextGather } from "../tasks/ContextGather.ts"
import { LlmRunner } from "../tasks/LlmRunner.ts"
import type { CompletionRecord } from "./Records.ts"
import { Scene } from "./Scene.ts"

/** Why the last question has no answer on record; nothing where it has one. */
export type Unanswerable =
  | { readonly because: "missing" }
  | { readonly because: "other"; readonly why: string }

export class Recollection extends Context.Service<Recollection, {
  /** Since the last time that it was asked for. */
  readonly unanswerable: () => Unanswerable | undefined
  last: Unanswerable | undefined
  /** Which question of its step is asked next. */
  question: number
}>()("syris/replay/Recollection") {
  static readonly layer = Layer.sync(Recollection, () => {
    const state: Recollection["Service"] = {
      unanswerable: () => {
        const { last } = state
        state.last = undefined
        return last
      },
      last: undefined,
      question: 0
    }
    return Recollection.of(state)
  })
}

const none = new CompletionFailed({
  code: "llm.refused",
  detail: "A replay asks no model.",
  retryable: false
})

const layerProvider = Layer.succeed(Provider, { model: "records", complete: () => Effect.fail(none) })

/** The question as it is on record: the one that was answered, else the last. */
const recorded = (
  completions: ReadonlyArray<CompletionRecord>,
  { purpose, question, step_id }: Pick<CompletionQuestion, "purpose" | "question" | "step_id">
): CompletionRecord | undefined => {
  const same = completions.filter((one) =>
    one.step_id === step_id && one.question === question && one.purpose === purpose
  )
  return same.find(({ answer }) => answer !== undefined) ?? same.at(-1)
}

const layerGather = Layer.effect(
  ContextGather,
  Effect.gen(function*() {
    const recollection = yield* Recollection
    const redactor = yield* Redactor
    const scene = yield* Scene
    return ContextGather.of({
      gather: ({ history, intent, run, step }) =>
        Effect.sync(() => {
          const found = recorded(scene.records().completions, {
            purpose: "decide",
            question: recollection.question,
            step_id: step.step_id
          })
          const empty: ContextFacts = {
            intent,
            trust: run.event.trust,
            channel: run.event.channel,
            timezone: run.event.timezone,
            now: scene.moment().toISOString(),
            history,
            thread: { lines: [], left_out: 0 },
            tasks: [],
            approvals: [],
            memories: [],
            more: { tasks: 0, approvals: 0, memories: 0 }
          }
          // What was looked up elsewhere is as it was; what this task did is as the replay has it.
          const facts = (found?.facts ?? empty) as ContextFacts
          return {
            ...facts,
            intent: redactor.redactText(intent),
            trust: run.event.trust,
            channel: run.event.channel,
            timezone: run.event.timezone,
            history: keptJson(history, redactor)
          }
        })
    })
  })
)

interface Named {
  readonly name: string
}

const listedNames = (names: ReadonlyArray<string>): string =>
  names.length <= 5 ? names.join(", ") : `${names.slice(0, 5).join(", ")} and ${names.length - 5} more`

/** What is different of two questions, as a sentence. */
export const differenceOf = (
  was: { readonly request: StoredRequest; readonly prompt_hash: string },
  would: { readonly request: StoredRequest; readonly prompt_hash: string }
): string => {
  const namesIn = (tools: ReadonlyArray<Named>) => tools.map(({ name }) => name)
  const [before, after] = [namesIn(was.request.tools), namesIn(would.request.tools)]
  const added = after.filter((name) => !before.includes(name))
  const removed = before.filter((name) => !after.includes(name))
  const changed = would.request.tools.filter((tool) => {
    const old = was.request.tools.find(({ name }) => name === tool.name)
    return old !== undefined && canonicalize(old) !== canonicalize(tool)
  }).map(({ name }) => name)
  const said = [
    ...(was.prompt_hash === would.prompt_hash ? [] : ["the prompts are others"]),
    ...(added.length === 0 ? [] : [`it would be offered ${listedNames(added)}, too`]),
    ...(removed.length === 0 ? [] : [`it would not be offered ${listedNames(removed)}`]),
    ...(changed.length === 0 ? [] : [`what it is told of ${listedNames(changed)} is different`])
  ]
  const [first = "what it is told is different"] = said
  return `The question to the model would be another one: ${[first, ...said.slice(1)].join("; ")}.`
}

export const layerRecordedCompletions = Layer.effect(
  Completions,
  Effect.gen(function*() {
    const redactor = yield* Redactor
    const recollection = yield* Recollection
    const scene = yield* Scene
    return Completions.of({
      // What other traces have used of a day is on record with the decision (`Deciders.ts`).
      spent: Effect.succeed(undefined),
      ask: Effect.fnUntraced(function*(question: CompletionQuestion) {
        const { answer, bundle, maxTokens } = question
        const found = recorded(scene.records().completions, question)
        if (found === undefined) {
          recollection.last = { because: "missing" }
          return yield* none
        }
        const request: StoredRequest = keptJson({
          messages: bundle.messages,
          tools: bundle.tools,
          ...(answer === undefined ? {} : { answer }),
          ...(maxTokens === undefined ? {} : { max_tokens: maxTokens })
        }, redactor)
        const request_hash = requestHash(request)
        if (request_hash !== found.request_hash) {
          const was = { request: found.request as StoredRequest, prompt_hash: found.prompt_hash }
          recollection.last = {
            because: "other",
            why: differenceOf(was, { request, prompt_hash: bundle.prompt_hash })
          }
          return yield* none
        }
        if (found.answer === undefined) {
          if (found.error === undefined) {
            recollection.last = { because: "missing" }
            return yield* none
          }
          return yield* new CompletionFailed(found.error as never)
        }
        const given = found.answer as Completion
        return {
          ...given,
          text: given.text,
          completion_id: found.completion_id,
          request_hash,
          latency_ms: found.latency_ms ?? 0,
          repeated: true
        }
      })
    })
  })
)

/** A replay summarizes nothing. */
const layerNoCompaction = Layer.succeed(Compaction, Compaction.of({ compact: () => Effect.void }))

export const layerRecollection = LlmRunner.layer.pipe(
  Layer.provide([layerProvider, layerGather, layerRecordedCompletions, layerNoCompaction])
)
