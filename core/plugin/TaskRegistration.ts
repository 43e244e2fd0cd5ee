/**
 * Checks a task's definition and makes it ready to be started.
 */
import { Schema } from "effect"
import { Labels } from "../contract/Task.ts"
import { unknownKey, withStop } from "./Explain.ts"
import { inputOutput } from "./InputOutput.ts"
import type { BoundLog } from "./PluginLog.ts"
import type { RegisteredTask } from "./Registry.ts"
import type { TaskDefinition } from "./TaskDefinition.ts"
import { requestSteps } from "./TaskSteps.ts"

const noFields = Schema.Struct({})

/** The task, or what is wrong with its definition: a sentence without its full stop. */
export const registerTask = (plugin: string, given: unknown, log: BoundLog): RegisteredTask | string => {
  const problem = problemOf(given)
  if (problem !== undefined) return problem
  const definition = given as TaskDefinition
  const boundary = inputOutput("task", { ...definition, input: definition.input ?? noFields })
  if (typeof boundary === "string") return boundary
  const { name, steps } = definition
  return {
    plugin,
    definition,
    inputSchema: boundary.inputSchema,
    decodeInput: boundary.decodeInput,
    encodeOutput: boundary.encodeOutput,
    stepsOf: steps === undefined ? undefined : (input) => {
      try {
        return boundary.apart?.steps?.(input) ?? requestSteps(steps(input))
      } catch (error) {
        const why = error instanceof Error ? error.message || error.name : String(error)
        throw new Error(withStop(why), { cause: error })
      }
    },
    ...(boundary.apart?.strange === true ? { strange: true } : {}),
    log: log.with({ task: name })
  }
}

const taskKeys = ["name", "description", "input", "output", "labels", "priority", "steps", "run"]
const namePattern = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/
const isLabels = Schema.is(Labels)

/** What is wrong with a task's definition, but for its schemas: a sentence without its full stop. */
export const problemOf = (given: unknown): string | undefined => {
  if (typeof given !== "object" || given === null) return "a task must be what defineTask gives back"
  const task = given as Record<string, unknown>
  const { labels, name, priority } = task
  if (typeof name !== "string" || !namePattern.test(name) || name.length > 100) {
    return `a task is named ${JSON.stringify(name)}, but a name has parts of lower-case letters, digits, _ and -, ` +
      "joined by dots, as in backup.nightly"
  }
  const say = (rest: string): string => `task ${name} ${rest}`
  const unknown = Object.keys(task).find((key) => !taskKeys.includes(key))
  if (unknown !== undefined) return `task ${name}: ${unknownKey(unknown, taskKeys, "property")}`
  if (typeof task["description"] !== "string" || task["description"].trim() === "") return say("needs a description")
  for (const key of ["input", "output"]) {
    if (task[key] !== undefined && !Schema.isSchema(task[key])) return say(`has an ${key} that is not a Schema`)
  }
  if (task["steps"] !== undefined && task["run"] !== undefined) {
    return say("has both steps and run: keep one of the two")
  }
  if (task["steps"] === undefined && task["run"] === undefined) return say("needs steps or run")
  for (const key of ["steps", "run"]) {
    if (task[key] !== undefined && typeof task[key] !== "function") return say(`needs ${key} to be a function`)
  }
  if (task["steps"] !== undefined && task["output"] !== undefined) {
    return say("has steps, so it has no output of its own: remove output, or write it as run")
  }
  if (labels !== undefined && !isLabels(labels)) {
    return say("needs labels to be a list of words, or words with values: at most 32, of at most 200 characters")
  }
  if (priority !== undefined && !(Number.isSafeInteger(priority) && Number(priority) >= 0 && Number(priority) <= 9)) {
    return say("needs a priority from 0 to 9, a whole number")
  }
  return undefined
}
