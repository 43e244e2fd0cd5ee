/**
 * Which steps of a task come next: stage by stage, those of one stage at the same time. Pure.
 */
import { chosenByModel } from "./LlmSteps.ts"
import type { StepRow } from "./TaskRows.ts"

export type Next =
  | { readonly _tag: "Begin"; readonly steps: ReadonlyArray<StepRow> }
  /** Something of the stage is under way or waits. */
  | { readonly _tag: "Wait" }
  | { readonly _tag: "Failed"; readonly step: StepRow }
  | { readonly _tag: "Succeeded"; readonly last: StepRow | undefined }

/** `busy`: steps that are under way, or wait for something. */
export const nextSteps = (steps: ReadonlyArray<StepRow>, busy: (position: number) => boolean): Next => {
  const open = steps.filter((step) =>
    // A call that a model chose does not fail the task: the model hears of it.
    step.status !== "succeeded" && step.status !== "skipped" && !(step.status === "failed" && chosenByModel(step))
  )
  if (open.length === 0) return { _tag: "Succeeded", last: lastOf(steps) }
  const stage = Math.min(...open.map((step) => step.stage))
  const now = open.filter((step) => step.stage === stage)
  const failed = now.find(({ status }) => status === "failed")
  // What runs beside a step that failed is awaited, and nothing more begins.
  if (failed !== undefined) {
    return now.some(({ position }) => busy(position)) ? { _tag: "Wait" } : { _tag: "Failed", step: failed }
  }
  const begin = now.filter((step) => step.status === "pending" && !busy(step.position))
  return begin.length > 0 ? { _tag: "Begin", steps: begin } : { _tag: "Wait" }
}

/** Of the last stage: what a model adds comes after the list by position, and not by stage. */
const lastOf = (steps: ReadonlyArray<StepRow>): StepRow | undefined =>
  steps.toSorted((a, b) => a.stage - b.stage || a.position - b.position).at(-1)
