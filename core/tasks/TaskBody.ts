/**
 * The body of `POST /tasks`, as a schema. What a schema can't say (known tools, their inputs) is in `TaskRequest.ts`.
 */
import { Schema, Struct } from "effect"
import { StepKind } from "../contract/Enums.ts"
import { Labels, RetryPolicy } from "../contract/Task.ts"

const text = (maximum: number) => {
  const expected = `a text of 1 to ${maximum} characters`
  return Schema.String.check(Schema.isMinLength(1, { expected }), Schema.isMaxLength(maximum, { expected }))
}
const whole = (minimum: number, maximum: number) =>
  Schema.Int.check(
    Schema.isBetween({ minimum, maximum }, { expected: `a whole number from ${minimum} to ${maximum}` })
  )

export const StepBody = Schema.Struct({
  name: text(200),
  /** Default `tool`. */
  kind: Schema.optionalKey(StepKind),
  /** Of a step of kind `tool`: what it calls. */
  tool: Schema.optionalKey(text(100)),
  /** `tool`: the tool's input. `wait`: `{delay_ms}` or `{until}`. `llm_decide`: `{intent, tools?}`. */
  input: Schema.optionalKey(Schema.Unknown),
  /** Default 3. */
  max_attempts: Schema.optionalKey(whole(1, 100)),
  /** What it does not say is as usual: exponential from 500 ms to a minute, a fifth of it by lot. */
  retry: Schema.optionalKey(RetryPolicy.mapFields(Struct.map(Schema.optionalKey)))
})
export type StepBody = typeof StepBody.Type

/** One after the other; a list in the list is steps that run at the same time. */
export const StepList = Schema.Array(Schema.Union([StepBody, Schema.Array(StepBody)]))

const common = {
  /** What a person calls it. Default: the only step's name, the definition's name, or the first label. */
  name: Schema.optionalKey(text(200)),
  labels: Schema.optionalKey(Labels),
  /** 0 to 9, the highest first. Default 5. */
  priority: Schema.optionalKey(whole(0, 9)),
  thread_id: Schema.optionalKey(text(200))
}
export const StepsBody = Schema.Struct({ steps: StepList, ...common })
export const DefinedBody = Schema.Struct({
  /** One that a plugin defines, by name. */
  task: text(200),
  input: Schema.optionalKey(Schema.Unknown),
  ...common
})

/** Either the steps themselves, or the name of a task that a plugin defines. */
export const TaskBody = Schema.Union([StepsBody, DefinedBody])
