/**
 * The body of `POST /tasks`, and of whatever else asks for a task in the same words, read.
 *
 * - A request is taken whole or not at all; each mistake is a sentence that names the field.
 * - An input is checked against its tool's schema here and kept as it came: what is stored is plain JSON.
 */
import { Effect, Schema } from "effect"
import type { Labels } from "../contract/Task.ts"
import { asSentences, check, unknownKey, withStop } from "../plugin/Explain.ts"
import { isTooLong, toPlainJson } from "../plugin/PlainJson.ts"
import type { RegisteredTask, Registry } from "../plugin/Registry.ts"
import { stepInputMistakes } from "./StepInput.ts"
import { DefinedBody, type StepBody, StepList, StepsBody } from "./TaskBody.ts"
import {
  defaultMaxAttempts,
  defaultPriority,
  defaultRetry,
  maximumSteps,
  type NewStep,
  type NewTask
} from "./TaskPlan.ts"

/** The task can't be made as it was asked for. */
export class TaskRefused extends Schema.TaggedError<TaskRefused>()("TaskRefused", {
  /** A sentence that says what to change. */
  detail: Schema.String,
  /** Further mistakes, each a sentence. */
  more: Schema.Array(Schema.String)
}) {
  override get message() {
    return [this.detail, ...this.more].join(" ")
  }
}

/** A task as it was asked for, and the thread that it belongs to. */
export interface RequestedTask extends NewTask {
  readonly thread_id?: string
}

const checkSteps = check(StepsBody, "field")
const checkDefined = check(DefinedBody, "field")
const checkStepList = check(Schema.Struct({ steps: StepList }), "field")

/** A few mistakes are enough for one answer. */
const shown = 20

const refuse = (sentences: readonly [string, ...ReadonlyArray<string>]) =>
  Effect.fail(new TaskRefused({ detail: sentences[0], more: sentences.slice(1, shown) }))

/** What passed, or the refusal with every mistake of it. */
const passed = <A>(
  checked: { readonly ok: true; readonly value: A } | {
    readonly ok: false
    readonly mistakes: readonly [string, ...Array<string>]
  }
): Effect.Effect<A, TaskRefused> => {
  if (checked.ok) return Effect.succeed(checked.value)
  const [first, ...rest] = checked.mistakes
  return refuse([asSentences([first]), ...rest.slice(0, shown).map((mistake) => asSentences([mistake]))])
}

/** The value as JSON has it, in fresh objects. */
const plain = (value: unknown, what: string): Effect.Effect<unknown, TaskRefused> =>
  Effect.try({
    try: () => {
      const json = toPlainJson(value ?? null)
      if (isTooLong(json)) throw new Error("is longer than 1 MiB")
      return json
    },
    catch: (error) =>
      new TaskRefused({
        detail: withStop(`${what} ${error instanceof Error ? error.message : String(error)}`),
        more: []
      })
  })

const newStep = (body: StepBody, stage: number): NewStep => {
  const kind = body.kind ?? "tool"
  return {
    name: body.name,
    kind,
    stage,
    ...(body.tool === undefined ? {} : { tool: body.tool }),
    input: body.input ?? {},
    max_attempts: body.max_attempts ?? defaultMaxAttempts,
    retry: { ...defaultRetry, ...body.retry }
  }
}

/** The steps of a list that has its shape, each input checked. */
const readSteps = Effect.fnUntraced(function*(
  list: typeof StepList.Type,
  registry: Registry["Service"]
): Effect.fn.Return<ReadonlyArray<NewStep>, TaskRefused> {
  const mistakes: Array<string> = []
  const steps: Array<NewStep> = []
  const isList = (element: (typeof list)[number]): element is ReadonlyArray<StepBody> => Array.isArray(element)
  for (const [stage, element] of list.entries()) {
    const placed = isList(element)
      ? element.map((body, i) => [body, `steps[${stage}][${i}]`] as const)
      : [[element, `steps[${stage}]`] as const]
    if (placed.length === 0) {
      mistakes.push(`steps[${stage}]: a list of steps that run at the same time has at least one.`)
    }
    for (const [body, at] of placed) {
      const step = newStep(body, stage)
      steps.push(step)
      if (steps.length > maximumSteps) {
        return yield* refuse([
          `A task has at most ${maximumSteps.toLocaleString("en")} steps: make several tasks of it.`
        ])
      }
      if (mistakes.length >= shown) continue
      for (const mistake of yield* stepInputMistakes(step, registry)) mistakes.push(`${at}.${withStop(mistake)}`)
    }
  }
  if (steps.length === 0) return yield* refuse(["The field \"steps\" is empty: a task has at least one step."])
  const [first, ...rest] = mistakes
  return first === undefined ? steps : yield* refuse([first, ...rest])
})

const nameOf = (steps: ReadonlyArray<NewStep>, labels: Labels): string => {
  const [first, ...more] = steps.map((step) => step.name)
  if (more.length === 0) return first ?? "task"
  const [label] = Array.isArray(labels) ? labels as ReadonlyArray<string> : Object.keys(labels)
  return label ?? `${first} and ${more.length} more`.slice(0, 200).toWellFormed()
}

/** A task that a plugin defines, for an input that is plain JSON. */
export const definedTask = Effect.fnUntraced(function*(
  task: RegisteredTask,
  input: unknown,
  registry: Registry["Service"],
  given: { readonly name?: string; readonly labels?: Labels; readonly priority?: number } = {}
): Effect.fn.Return<NewTask, TaskRefused> {
  const { definition, stepsOf } = task
  const decoded = yield* task.decodeInput(input).pipe(
    Effect.catch((sentence) => refuse([`input: ${withStop(sentence)}`]))
  )
  const plan = {
    name: given.name ?? definition.name,
    definition: definition.name,
    input,
    labels: given.labels ?? definition.labels ?? [],
    priority: given.priority ?? definition.priority ?? defaultPriority
  }
  if (stepsOf === undefined) return { ...plan, kind: "code", steps: [] }
  const says = (detail: string) =>
    withStop(`The steps that ${definition.name} makes of this input can't run: ${detail}`)
  const steps = yield* Effect.try({
    try: () => stepsOf(decoded),
    catch: (error) => new TaskRefused({ detail: error instanceof Error ? error.message : String(error), more: [] })
  }).pipe(
    Effect.flatMap((made) => plain({ steps: made }, "what it makes")),
    Effect.flatMap((json) => passed(checkStepList(json))),
    Effect.flatMap((json) => readSteps(json.steps, registry)),
    Effect.mapError(({ detail, more }) => new TaskRefused({ detail: says(detail), more }))
  )
  return { ...plan, kind: "steps", steps }
})

/** The task that a body asks for. Never throws, whatever the body is. */
export const readTaskRequest = Effect.fnUntraced(function*(
  body: unknown,
  registry: Registry["Service"]
): Effect.fn.Return<RequestedTask, TaskRefused> {
  const json = yield* plain(body, "The task")
  const has = (key: string) => typeof json === "object" && json !== null && key in json
  if (has("task") && has("steps")) {
    return yield* refuse([
      "The fields \"task\" and \"steps\" exclude each other: name a plugin's task, or give the steps."
    ])
  }
  if (has("task")) {
    const { input, task, thread_id, ...given } = yield* passed(checkDefined(json))
    const registered = registry.task(task)
    if (registered === undefined) {
      const known = registry.tasks().map(({ definition }) => definition.name)
      return yield* refuse([
        known.length === 0
          ? "task: no plugin here defines a task; give the steps."
          : `task: ${withStop(unknownKey(task, known, "task"))}`
      ])
    }
    const planned = yield* definedTask(registered, input ?? {}, registry, given)
    return { ...planned, ...(thread_id === undefined ? {} : { thread_id }) }
  }
  const { labels = [], name, priority = defaultPriority, steps: list, thread_id } = yield* passed(checkSteps(json))
  const steps = yield* readSteps(list, registry)
  return {
    name: name ?? nameOf(steps, labels),
    kind: "steps",
    labels,
    priority,
    steps,
    ...(thread_id === undefined ? {} : { thread_id })
  }
})
