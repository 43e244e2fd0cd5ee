/**
 * For tests: models that a test decides for, and what their decisions lead to by the real runner.
 */
import { Effect, Layer } from "effect"
import { Provider } from "../llm/CompletionProvider.ts"
import { Completions } from "../llm/Completions.ts"
import type { Decision } from "../llm/Decision.ts"
import { Compaction } from "./Compaction.ts"
import { ContextGather } from "./ContextGather.ts"
import { LlmRunner } from "./LlmRunner.ts"
import { decisionOf } from "./LlmSteps.ts"

/** The real runner, that asks nobody. */
export const layerDecides = (decide: LlmRunner["Service"]["decide"]) =>
  Layer.effect(LlmRunner, Effect.map(LlmRunner, (real) => LlmRunner.of({ ...real, decide }))).pipe(
    Layer.provide(LlmRunner.layer),
    Layer.provide([
      Layer.mock(Completions)({}),
      Layer.mock(ContextGather)({}),
      Layer.mock(Compaction)({}),
      Layer.succeed(Provider, undefined)
    ])
  )

export interface ScriptedDecisions {
  /** What each turn comes to; then it is done. */
  readonly script: ReadonlyArray<Decision>
  /** Its answers are said to be on record. */
  readonly recorded?: boolean
  /** They are: none is asked for again. */
  readonly kept?: boolean
}

/** A model that decides this, turn by turn. */
export const scriptedDecisions = ({ kept = true, recorded = true, script }: ScriptedDecisions) => {
  const answers = new Map<string, Decision>()
  /** The turns in which it was asked. */
  const asked: Array<number> = []
  const decide: LlmRunner["Service"]["decide"] = (run, position) =>
    Effect.sync(() => {
      const step = run.steps.get(position)
      if (step === undefined) throw new Error(`There is no step ${position}.`)
      const turn = [...run.steps.values()].filter((one) => decisionOf(one) !== undefined).length
      const known = answers.get(step.step_id)
      if (known === undefined) asked.push(turn)
      const decision = known ?? script[turn] ?? { action: "done", answer: "All is done." }
      if (kept) answers.set(step.step_id, decision)
      return {
        decision,
        recorded,
        checkpoint: { ...step.checkpoint as object },
        told: [{ type: "llm.step_decided", summary: `Turn ${turn}.`, data: { decision } }]
      }
    })
  return { asked, decide }
}
