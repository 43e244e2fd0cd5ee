/**
 * What a model may use in one task, and what it has used: decisions, money, time. And whether it goes round in circles. Pure.
 * What is reserved before a question is in `core/llm/Budget.ts`.
 */
import canonicalize from "canonicalize"
import type { Usage } from "../llm/CompletionProvider.ts"
import type { Decision } from "../llm/Decision.ts"
import type { Turn } from "../llm/Prompt.ts"
import type { LlmSettings } from "../plugin/Settings.ts"
import type { DecidedTurn } from "./LlmHistory.ts"
import { askedOver } from "./LlmConsent.ts"
import { decidedBy, decisionOf } from "./LlmSteps.ts"
import type { StepRow } from "./TaskRows.ts"

/** What the questions of one step have used, as its checkpoint keeps it. */
export interface Used {
  readonly input_tokens: number
  readonly output_tokens: number
  /** US dollars, where the configuration has a price. */
  readonly usd?: number
  /** Questions, those without an answer too. */
  readonly calls: number
  /** Time until their answers, milliseconds. */
  readonly ms: number
}

/** One question more; `usage` is missing where no answer came. */
export const addUsage = (before: Used | undefined, ms: number, usage?: Usage, usd?: number): Used => {
  const cost = before?.usd === undefined && usd === undefined ? undefined : (before?.usd ?? 0) + (usd ?? 0)
  return {
    input_tokens: (before?.input_tokens ?? 0) + (usage?.input_tokens ?? 0),
    output_tokens: (before?.output_tokens ?? 0) + (usage?.output_tokens ?? 0),
    calls: (before?.calls ?? 0) + 1,
    ms: (before?.ms ?? 0) + Math.round(ms),
    ...(cost === undefined ? {} : { usd: cost })
  }
}

const usedOf = (step: StepRow): Used | undefined => (step.checkpoint as { readonly usage?: Used } | undefined)?.usage

const sum = <A>(all: Iterable<A>, of: (one: A) => number): number => [...all].reduce((total, one) => total + of(one), 0)

/** How long a call took; what it waited for a person or a host counts no more than the tool may take. */
const tookMs = (step: StepRow, timeoutMs: (tool: string) => number): number =>
  step.started_at === undefined || step.ended_at === undefined
    ? 0
    : Math.min(Date.parse(step.ended_at) - Date.parse(step.started_at), timeoutMs(step.tool ?? ""))

/** What model and tools took. Calls of one decision run at the same time; waits and pauses are no work. */
const workedMs = (steps: ReadonlyArray<StepRow>, timeoutMs: (tool: string) => number): number => {
  const tools = steps.filter(({ kind }) => kind === "tool")
  const together = Map.groupBy(tools, (step) => decidedBy(step) ?? `alone ${step.position}`)
  return sum(steps, (step) => usedOf(step)?.ms ?? 0) +
    sum(together.values(), (calls) => Math.max(...calls.map((call) => tookMs(call, timeoutMs))))
}

/** A bound that was reached. */
export interface Exceeded {
  readonly bound: string
  /** Of what has happened, as the end of a sentence. */
  readonly why: string
}

export interface BoundsRequest {
  readonly bounds: LlmSettings["bounds"]
  readonly steps: ReadonlyArray<StepRow>
  readonly timeoutMs: (tool: string) => number
}

/** Why the model may not be asked once more, or nothing. */
export const exceeded = ({ bounds, steps, timeoutMs }: BoundsRequest): Exceeded | undefined => {
  const decided = steps.filter((step) => decisionOf(step) !== undefined && askedOver(step) === undefined).length
  if (decided >= bounds.steps) return { bound: "llm.bounds.steps", why: `it has decided ${decided} times` }
  const usd = sum(steps, (step) => usedOf(step)?.usd ?? 0)
  if (bounds.usd !== undefined && usd >= bounds.usd) {
    return { bound: "llm.bounds.usd", why: `it has cost $${usd.toFixed(4)}` }
  }
  return workedMs(steps, timeoutMs) >= bounds.seconds * 1_000
    ? { bound: "llm.bounds.seconds", why: `it has worked for ${bounds.seconds} s` }
    : undefined
}

/** Rounds of the same calls with the same results, of which the last is not begun. */
export const rounds = 3

const callsOf = (decision: Decision): string | undefined =>
  decision.action === "call" ? canonicalize(decision.calls) : undefined

const outcomeOf = ({ decision, results }: DecidedTurn): string | undefined =>
  canonicalize([decision.action, callsOf(decision), results])

/**
 * How many decisions a circle has that this one would begin for the third time: the same calls with the same results, one
 * after the other. A wait or a word of a person in between may have changed the world: then there is none.
 */
export const circleOf = (history: ReadonlyArray<Turn>, decision: Decision): number | undefined => {
  const isCall = (turn: Turn): turn is DecidedTurn => "decision" in turn && turn.decision.action === "call"
  const turns = history.slice(history.findLastIndex((turn) => !isCall(turn)) + 1).filter(isCall)
  for (let size = 1; size * (rounds - 1) <= turns.length; size++) {
    const recent = turns.slice(-size * (rounds - 1)).map(outcomeOf)
    const first = turns.at(-size)
    const same = recent.every((one, i) => one === recent[i % size])
    if (same && first !== undefined && callsOf(first.decision) === callsOf(decision)) return size
  }
  return undefined
}
