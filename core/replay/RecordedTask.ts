/**
 * A task as it was asked for, read back from its record: of one that a plugin defines, its steps are made anew by that
 * definition.
 */
import { Effect } from "effect"
import { Registry } from "../plugin/Registry.ts"
import type { NewStep, NewTask } from "../tasks/TaskPlan.ts"
import { definedTask } from "../tasks/TaskRequest.ts"
import type { StepRow } from "../tasks/TaskRows.ts"
import { isGiven } from "./Recorded.ts"
import type { TaskRecord } from "./Records.ts"

/** The task, or why it can't be made any more. */
export const readTask = Effect.fnUntraced(function*(
  task: TaskRecord,
  steps: ReadonlyArray<StepRow>
): Effect.fn.Return<NewTask | string, never, Registry> {
  const registry = yield* Registry
  const { definition, input, kind, labels, name, priority } = task
  if (definition !== undefined) {
    const defined = registry.task(definition)
    if (defined === undefined) return `No plugin defines the task ${definition} any more.`
    const made = yield* Effect.result(definedTask(defined, input ?? {}, registry, { name, labels, priority }))
    return made._tag === "Success" ? made.success : made.failure.message
  }
  return {
    name,
    kind,
    labels,
    priority,
    steps: steps.filter(isGiven).map(({ input, kind, max_attempts, name, retry, stage, tool }): NewStep => ({
      name,
      kind,
      stage,
      ...(tool === undefined ? {} : { tool }),
      input,
      max_attempts,
      retry
    }))
  }
})
