/**
 * A decision that need not be written by itself: a model's that begins nothing but reads. It is so here at once, and is
 * written with whatever is written of its task next, mostly the end of the first read.
 *
 * Nothing is lost with a host that dies in between: the answer of the model is on record (`Completions.ts`), so the step
 * decides the same again without asking anybody, and reads may be done again. What was never written was never told.
 */
import type { Draft, TaskRun, Unwritten } from "./TaskRun.ts"

/** What has not been written for so long is written by itself: a read may wait for its turn. Milliseconds. */
export const writtenAfterMs = 100

/** Whether a completed draft of a decision may wait for the next write. */
export const mayWait = (run: TaskRun, draft: Draft): boolean => {
  const begun = new Set(draft.starts.map(({ position }) => position))
  const { asked, calls, end, ended, left, row, settlement } = draft
  return run.task.kind === "llm_plan" && run.wish === null && begun.size > 0 &&
    draft.starts.every((start) => start._tag === "Direct" && start.work.tool.definition.effect === "read") &&
    // Nothing else is under way or waited for, and nothing ends or moves but what was decided.
    draft.flight.size === begun.size && draft.waits.size === 0 &&
    [...draft.steps.values()].every(({ row }) =>
      begun.has(row.position) || row.kind === "llm_decide" && (row.status === "succeeded" || row.status === "pending")
    ) &&
    asked.length + calls.length + ended.length + left.length === 0 && end === undefined && settlement === undefined &&
    row.status === undefined && !row.put_off
}

/** Takes a draft for what is, before it is written. Every draft from now on has it, until one of them is written. */
export const keepUnwritten = (run: TaskRun, draft: Draft): Unwritten => {
  const begun = new Set(draft.starts.map(({ position }) => position))
  const unwritten: Unwritten = {
    // What has begun here has begun, whatever is wished of the task when it is written.
    steps: new Map(
      [...draft.steps].map(([position, { fresh, row, ...step }]) =>
        begun.has(position) ? [position, { row, fresh, begins: false }] : [position, { ...step, row, fresh }]
      )
    ),
    tellings: draft.tellings.map((telling) =>
      telling.told_when === "begun" ? { ...telling, told_when: "moved" } : telling
    )
  }
  run.unwritten = unwritten
  for (const [position, { row }] of draft.steps) run.steps.set(position, row)
  run.flight.clear()
  for (const position of draft.flight) run.flight.add(position)
  return unwritten
}
