/**
 * What is wrong with the input of a step, by its kind. Nothing of it is changed: the step keeps its input as it came.
 */
import { Effect, Schema } from "effect"
import { check, unknownKey } from "../plugin/Explain.ts"
import { absentTool, isLive } from "../plugin/LiveTools.ts"
import type { Registry } from "../plugin/Registry.ts"
import type { NewStep } from "./TaskPlan.ts"

const year = 365 * 86_400_000
const zoned = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/i

const WaitInput = Schema.Struct({
  delay_ms: Schema.optionalKey(
    Schema.Int.check(
      Schema.isBetween({ minimum: 0, maximum: year }, { expected: "milliseconds from 0 to a year, a whole number" })
    )
  ),
  until: Schema.optionalKey(
    Schema.String.check(
      Schema.makeFilter((value: string) => zoned.test(value) && Date.parse(value) >= 0, {
        expected: "a moment in ISO 8601 with its zone, such as 2026-01-31T12:00:00Z"
      })
    )
  )
})

const DecideInput = Schema.Struct({
  /** What is to be reached, in words. */
  intent: Schema.String.check(
    Schema.isMinLength(1, { expected: "a text of 1 to 10000 characters" }),
    Schema.isMaxLength(10_000, { expected: "a text of 1 to 10000 characters" })
  ),
  /** The tools that the model may choose from. */
  tools: Schema.optionalKey(Schema.Array(Schema.String.check(Schema.isMaxLength(200))))
})

const checkWait = check(WaitInput, "field")
const checkDecide = check(DecideInput, "field")

const noSuchTool = (name: string, registry: Registry["Service"]): string =>
  isLive(name) ? absentTool(name) : unknownKey(name, registry.tools().map(({ definition }) => definition.name), "tool")

const waitMistakes = (input: unknown): ReadonlyArray<string> => {
  const checked = checkWait(input)
  if (!checked.ok) return checked.mistakes
  return (checked.value.delay_ms === undefined) === (checked.value.until === undefined)
    ? ["a wait takes either delay_ms or until"]
    : []
}

const decideMistakes = (input: unknown, registry: Registry["Service"]): ReadonlyArray<string> => {
  const checked = checkDecide(input)
  if (!checked.ok) return checked.mistakes
  return (checked.value.tools ?? []).flatMap((name) =>
    registry.tool(name) === undefined ? [noSuchTool(name, registry)] : []
  )
}

/** Each mistake begins with its field: `tool: …`, `input: …`. */
export const stepInputMistakes = Effect.fnUntraced(function*(
  step: NewStep,
  registry: Registry["Service"]
): Effect.fn.Return<ReadonlyArray<string>> {
  if (step.kind !== "tool") {
    const mistakes = step.kind === "wait" ? waitMistakes(step.input) : decideMistakes(step.input, registry)
    return [
      ...(step.tool === undefined ? [] : ["tool: only a step of kind \"tool\" has one"]),
      ...mistakes.map((mistake) => `input: ${mistake}`)
    ]
  }
  if (step.tool === undefined) return ["tool: it is missing; name the tool that the step calls"]
  const tool = registry.tool(step.tool)
  if (tool === undefined) return [`tool: ${noSuchTool(step.tool, registry)}`]
  return yield* Effect.match(tool.decodeInput(step.input), {
    onSuccess: () => [],
    onFailure: (sentence) => [`input: ${sentence}`]
  })
})
