/**
 * What has happened in a task, as the model is told it. Pure.
 *
 * A list of steps may have several questions to a model in it. Each is a chain of decisions of its own, and is told what the
 * list did before it.
 */
import type { ToolResult, Turn } from "../llm/Prompt.ts"
import { askedOver } from "./LlmConsent.ts"
import { decidedBy, decisionOf } from "./LlmSteps.ts"
import type { StepRow } from "./TaskRows.ts"

/** A turn in which the model decided. */
export type DecidedTurn = Extract<Turn, { readonly decision: unknown }>

type Steps = ReadonlyMap<number, StepRow>

const resultOf = ({ error, name, output, status, tool }: StepRow): ToolResult => ({
  tool: tool ?? name,
  status,
  output,
  error
})

const byPosition = (steps: Steps): ReadonlyArray<StepRow> =>
  [...steps.values()].toSorted((a, b) => a.position - b.position)

/** The decisions from the first of the chain to this step. */
const chainOf = (steps: Steps, step: StepRow): ReadonlyArray<StepRow> => {
  const before = decidedBy(step)
  const previous = before === undefined ? undefined : steps.get(before)
  return previous === undefined ? [step] : [...chainOf(steps, previous), step]
}

/** What the list did before the stage in which the chain began, as it ended. */
const earlier = (steps: Steps, root: StepRow): ReadonlyArray<ToolResult> =>
  byPosition(steps)
    .filter((step) => step.ended_at !== undefined && (chainOf(steps, step)[0] ?? step).stage < root.stage)
    .toSorted((a, b) => Date.parse(a.ended_at ?? "") - Date.parse(b.ended_at ?? ""))
    .flatMap((step): ReadonlyArray<ToolResult> => {
      if (step.kind === "tool") return [resultOf(step)]
      const decision = decisionOf(step)
      return decision?.action === "done" ? [{ tool: step.name, status: step.status, output: decision.answer }] : []
    })

const turnsAfter = (steps: Steps, step: StepRow): ReadonlyArray<Turn> => {
  const decision = decisionOf(step)
  // What the host itself asked is nothing that the model said.
  if (decision === undefined || askedOver(step) !== undefined) return []
  const followed = byPosition(steps).filter((one) => decidedBy(one) === step.position)
  return [
    { decision, results: followed.filter(({ kind }) => kind === "tool").map(resultOf) },
    ...followed.flatMap(({ kind, output }): ReadonlyArray<Turn> => {
      const answer = kind === "wait" ? (output as { readonly answer?: string } | undefined)?.answer : undefined
      return answer === undefined ? [] : [{ answer }]
    })
  ]
}

/** Everything before the question of `step`, oldest first. */
export const historyOf = (steps: Steps, step: StepRow): ReadonlyArray<Turn> => {
  const chain = chainOf(steps, step)
  const before = earlier(steps, chain[0] ?? step)
  return [...(before.length === 0 ? [] : [{ before }]), ...chain.flatMap((one) => turnsAfter(steps, one))]
}
