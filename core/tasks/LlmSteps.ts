/**
 * The steps that a model's decision leads to: where they come in, and how they are known again. Each bears the position of
 * the decision that it follows (`decided_by`) in its checkpoint. Pure.
 *
 * - What was chosen runs before the model is asked again, and both before whatever the task's list has next.
 * - A call is tried once: whether to try again is the model's to say.
 */
import type { Decision } from "../llm/Decision.ts"
import { defaultRetry, type NewStep } from "./TaskPlan.ts"
import { stepRow, type StepRow } from "./TaskRows.ts"

/** The position of the decision that a step follows; nothing for a step that nobody's decision added. */
export const decidedBy = (step: StepRow): number | undefined =>
  (step.checkpoint as { readonly decided_by?: number } | undefined)?.decided_by

/** A model chose the call. */
export const chosenByModel = (step: StepRow): boolean => step.kind === "tool" && decidedBy(step) !== undefined

/** What was decided; nothing while it is not, and for a step of another kind. */
export const decisionOf = (step: StepRow): Decision | undefined =>
  step.kind === "llm_decide" && step.status === "succeeded" ? step.output as Decision : undefined

/** Where the steps come in: what was chosen, and the next decision. */
const stagesOf = (steps: Iterable<StepRow>, step: StepRow): readonly [chosen: number, again: number] => {
  const open = [...steps].some((one) =>
    one.position !== step.position && one.stage >= step.stage && one.status !== "succeeded"
  )
  // Stages below that of an open step have ended, so what is put there comes next.
  return open ? [step.stage - 1, step.stage] : [step.stage + 1, step.stage + 2]
}

const chosen = ({ max_attempts, retry }: StepRow, decision: Decision, stage: number): ReadonlyArray<NewStep> => {
  const wait = (name: string, input: object): NewStep => ({ name, kind: "wait", stage, input, max_attempts, retry })
  switch (decision.action) {
    case "call":
      return decision.calls.map(({ input, tool }) => ({
        name: tool,
        kind: "tool",
        stage,
        tool,
        input,
        max_attempts: 1,
        retry: { ...defaultRetry, strategy: "none" }
      }))
    case "wait":
      return [wait("wait", { delay_ms: decision.seconds * 1_000 })]
    case "ask":
      return [wait("ask", { question: decision.question })]
    case "done":
      return []
  }
}

/** What a decision of `step` leads to, as new rows: what was chosen, then the question what comes next. */
export const plannedSteps = (
  steps: ReadonlyMap<number, StepRow>,
  step: StepRow,
  decision: Decision
): ReadonlyArray<StepRow> => {
  if (decision.action === "done") return []
  const [stage, next] = stagesOf(steps.values(), step)
  const { input, kind, max_attempts, name, retry, tool } = step
  const again: NewStep = { name, kind, stage: next, tool, input, max_attempts, retry }
  const first = Math.max(...steps.keys()) + 1
  return [...chosen(step, decision, stage), again].map((one, i) => ({
    ...stepRow(step.task_id, first + i, one),
    checkpoint: { decided_by: step.position }
  }))
}
