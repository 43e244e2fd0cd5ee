/**
 * What a server of the Model Context Protocol asks the operator while one of its tools runs.
 */
import { Schema } from "effect"

const Known = Schema.optionalKey

/** One thing that is asked for, in the server's own words. */
export const QuestionField = Schema.Struct({
  name: Schema.String,
  type: Schema.Literals(["text", "number", "integer", "boolean", "choice", "choices"]),
  required: Schema.Boolean,
  title: Known(Schema.String),
  description: Known(Schema.String),
  /** Of `choice` and `choices`: what may be answered. */
  choices: Known(Schema.Array(Schema.Struct({ value: Schema.String, title: Known(Schema.String) }))),
  /** Of a number; of a text its characters; of choices how many. */
  minimum: Known(Schema.Finite),
  maximum: Known(Schema.Finite),
  format: Known(Schema.Literals(["email", "uri", "date", "date-time"])),
  /** What is answered where nothing else is. */
  default: Known(Schema.Json)
})
export type QuestionField = typeof QuestionField.Type

export const Question = Schema.Struct({
  question_id: Schema.String,
  /** What a person calls it; never used again. */
  number: Schema.Int,
  server: Schema.String,
  /** The server's own name for it. */
  tool: Schema.String,
  trace_id: Schema.String,
  task_id: Known(Schema.String),
  /** The server's words. */
  message: Schema.String,
  fields: Schema.Array(QuestionField),
  asked_at: Schema.String
})
export type Question = typeof Question.Type
