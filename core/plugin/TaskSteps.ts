/**
 * The steps that a definition gives back, as `POST /tasks` takes them.
 */
import { unknownKey } from "./Explain.ts"
import { attemptsOf, callOf, untilOf, waitOf } from "./TaskCall.ts"
import type { TaskStep } from "./TaskDefinition.ts"

const stepKeys = ["name", "tool", "input", "maxAttempts", "retry", "wait", "until"]

/** Lists in the list stay lists: they are parallel. Throws an error whose message is a sentence without its full stop. */
export const requestSteps = (given: unknown): ReadonlyArray<unknown> => {
  if (!Array.isArray(given)) throw new Error("steps must give back a list, at once")
  let count = 0
  const read = (step: unknown): unknown => requestStep(step, ++count)
  const steps = (given as ReadonlyArray<unknown>).map((item) => {
    if (!Array.isArray(item)) return read(item)
    if (item.length === 0) throw new Error(`the list after step ${count} is empty: leave it out`)
    if (item.some((one) => Array.isArray(one))) {
      throw new Error(`the list after step ${count} has a list in it: steps are one after the other, or side by side`)
    }
    return item.map(read)
  })
  if (steps.length === 0) throw new Error("there are none: a task has at least one step")
  return steps
}

/** `count` is its number among all steps, from 1. */
const requestStep = (given: unknown, count: number): unknown => {
  if (typeof given !== "object" || given === null) throw new Error(`step ${count} must be an object`)
  const step = given as TaskStep & Record<string, unknown>
  const { name } = step
  if (typeof name !== "string" || name.trim() === "" || name.length > 200) {
    throw new Error(`step ${count} needs a name of 1 to 200 characters`)
  }
  const what = `step ${count} (${name})`
  const strange = Object.keys(step).find((key) => !stepKeys.includes(key))
  if (strange !== undefined) throw new Error(`${what}: ${unknownKey(strange, stepKeys, "property")}`)
  const kinds = (["tool", "wait", "until"] as const).filter((key) => step[key] !== undefined)
  if (kinds.length !== 1) {
    throw new Error(
      kinds.length === 0
        ? `${what} needs one of tool, wait, until`
        : `${what} has ${kinds.join(" and ")}: it can be one of them`
    )
  }
  const useless = step.tool === undefined
    ? ["input", "maxAttempts", "retry"].find((key) => step[key] !== undefined)
    : undefined
  if (useless !== undefined) throw new Error(`${what} waits, so it has no ${useless}`)
  try {
    return step.tool !== undefined
      ? { name, ...callOf(step.tool, step.input), ...attemptsOf(step) }
      : { name, kind: "wait", input: step.wait === undefined ? untilOf(step.until) : waitOf(step.wait) }
  } catch (error) {
    throw new Error(`${what} ${error instanceof Error ? error.message : String(error)}`)
  }
}
