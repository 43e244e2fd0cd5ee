/**
 * Which steps of a task come next: stage by stage, those of one stage at the same time. Pure.
 */
import type { StepRow } from "./TaskRows.ts"

export type Next =
  | { readonly _tag: "Begin"; readonly steps: ReadonlyArray<StepRow> }
  /** Something of the stage is under way or waits. */
  | { readonly _tag: "Wait" }
  | { readonly _tag: "Failed"; readonly step: StepRow }
  | { readonly _tag: "Succeeded"; readonly last: StepRow | undefined }

/**
 * `busy`: steps that are under way, or wait for something. `mayFail`: a call that failed does not fail the task; whoever
 * chose it hears of it.
 */
export const nextSteps = (
  steps: ReadonlyArray<StepRow>,
  busy: (position: number) => boolean,
  mayFail = false
): Next => {
  const open = steps.filter(({ kind, status }) =>
    status !== "succeeded" && status !== "skipped" && !(mayFail && kind === "tool" && status === "failed")
  )
  if (open.length === 0) return { _tag: "Succeeded", last: steps.at(-1) }
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
