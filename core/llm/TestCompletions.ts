/**
 * For tests: questions that are on record, over a model that answers as a test says, on a database.
 */
import { Effect, Layer } from "effect"
import { newId } from "../database/Ids.ts"
import { HostLease } from "../health/HostLease.ts"
import { readConfiguration, Settings } from "../plugin/Settings.ts"
import type { LlmConfiguration } from "../plugin/Configuration.ts"
import { makeRedaction, Redactor } from "../secrets/Redactor.ts"
import { type Completion, type CompletionFailed, type CompletionRequest, Provider } from "./CompletionProvider.ts"
import { type CompletionQuestion, Completions } from "./Completions.ts"
import type { ContextFacts } from "./ContextFacts.ts"

export const facts: ContextFacts = {
  intent: "tea",
  trust: "operator",
  channel: "chat",
  timezone: "UTC",
  now: "2026-07-01T12:00:00.000Z",
  history: [],
  thread: { lines: [], left_out: 0 },
  tasks: [],
  approvals: [],
  memories: [],
  more: { tasks: 0, approvals: 0, memories: 0 }
}

/** A question of a task of its own, of 1 000 tokens. */
export const questionOf = (given: Partial<CompletionQuestion> = {}): CompletionQuestion => ({
  purpose: "decide",
  trace_id: newId(),
  event_id: newId(),
  task_id: newId(),
  step_id: newId(),
  question: 0,
  bundle: {
    messages: [{ role: "user", content: "tea" }],
    tools: [],
    parts: [{ part: "message", tokens: 1_000, budget: 2_000, left_out: 0, trust: "operator" }],
    prompt_hash: "p"
  },
  facts,
  ...given
})

/** An answer of 100 tokens. */
export const answerOf = (text: string, given: Partial<Completion> = {}): Completion => ({
  text,
  calls: [],
  usage: { input_tokens: 90, output_tokens: 10 },
  model: "m-2026",
  configured: "m",
  finish: "stop",
  ...given
})

/** One host; each has its own id. It knows the secret `hunter22`. */
export const hostOf = (
  llm: Partial<LlmConfiguration>,
  answer: (request: CompletionRequest, count: number) => Effect.Effect<Completion, CompletionFailed>,
  timezone = "UTC"
) => {
  const asked: Array<CompletionRequest> = []
  const redaction = makeRedaction(undefined, () => {})
  const settings = Effect.orDie(
    readConfiguration(
      { timezone, llm: { provider: "openai", baseURL: "http://127.0.0.1:1/v1", model: "m", ...llm } },
      "test"
    )
  )
  return {
    asked,
    redaction,
    layer: Completions.layer.pipe(
      Layer.provide([
        Layer.effect(Settings, settings),
        Layer.succeed(Redactor, redaction),
        Layer.succeed(HostLease, { hostId: newId(), restartReason: undefined, lost: Effect.never }),
        Layer.succeed(Provider, {
          model: "m",
          complete: (request) =>
            Effect.suspend(() => {
              asked.push(request)
              return answer(request, asked.length)
            })
        })
      ]),
      Layer.fresh
    )
  }
}
