/**
 * What the audit says of questions to a model and of its decisions.
 */
import type { Fact } from "../audit/Audit.ts"
import type { Completed } from "../llm/Completions.ts"
import type { ContextBundle } from "../llm/ContextFacts.ts"
import type { ChosenCall, Decision } from "../llm/Decision.ts"
import { stepFact } from "./TaskFacts.ts"
import type { StepRow, TaskRow } from "./TaskRows.ts"

/** A row of the audit about a question. */
export interface Said {
  readonly type: "llm.called" | "llm.failed" | "llm.step_decided" | "llm.budget_exceeded" | "llm.budget_allowed"
  readonly summary: string
  readonly data: Record<string, unknown>
  readonly latency_ms?: number
}

/** Longest input of a call, as JSON, that the audit shows: the step has it whole. */
const longestInput = 1_000
const longestText = 500

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

const brief = (text: string): string =>
  text.length <= longestText ? text : `${text.slice(0, longestText - 1).toWellFormed()}…`

const briefCall = ({ input, tool }: ChosenCall) =>
  JSON.stringify(input).length <= longestInput ? { tool, input } : { tool }

const briefDecision = (decision: Decision) => ({
  ...decision,
  ...(decision.action === "call" ? { calls: decision.calls.map(briefCall) } : {}),
  ...(decision.action === "ask" ? { question: brief(decision.question) } : {}),
  ...(decision.action === "done" ? { answer: brief(decision.answer) } : {})
})

/** Told when a decision is stored. */
export const decidedSaid = (decision: Decision, { prompt_hash }: ContextBundle): Said => ({
  type: "llm.step_decided",
  summary: sentence(decision),
  data: { decision: briefDecision(decision), prompt_hash }
})

/** Told of an answer; what was sent and said is with its `completion_id` (`GET /llm/context`). */
export const calledSaid = (
  { completion_id, configured, finish, latency_ms, model, repeated, request_hash, tried = [], usage, usd }: Completed,
  { parts, prompt_hash }: ContextBundle
): Said => ({
  type: "llm.called",
  summary: repeated ? `${model} was asked before; its answer was kept.` : `${model} was asked.`,
  data: {
    model,
    ...(configured === undefined || configured === model ? {} : { configured }),
    finish,
    ...usage,
    ...(usd === undefined ? {} : { usd }),
    prompt_hash,
    request_hash,
    completion_id,
    parts: Object.fromEntries(parts.flatMap(({ part, tokens }) => tokens === 0 ? [] : [[part, tokens]])),
    ...(repeated ? { repeated } : {}),
    ...(tried.length === 0 ? {} : { tried })
  },
  latency_ms
})

export const llmFact = ({ data, latency_ms, summary, type }: Said, task: TaskRow, step: StepRow, at: Date): Fact => ({
  ...stepFact(type, task, step, at, summary, data),
  ...(latency_ms === undefined ? {} : { latency_ms })
})
