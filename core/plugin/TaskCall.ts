/**
 * From what an author writes of a call or a wait, to the JSON that a task keeps of it: names, milliseconds, encoded inputs.
 * Whatever is wrong is thrown as an error whose message is a sentence without subject and full stop.
 */
import { Result, Schema } from "effect"
import type { RetryPolicy } from "../contract/Task.ts"
import { toMillis } from "./DurationInput.ts"
import { explain, isEmptyStruct, unknownKey } from "./Explain.ts"
import { NotPlainJson, toPlainJson } from "./PlainJson.ts"
import type { CallOptions, RetryOptions } from "./TaskDefinition.ts"
import type { ToolDefinition } from "./Tool.ts"

type AnyTool = ToolDefinition<any, any, any>

/** What was given for a tool, by its name or its definition, and its input: as `POST /tasks` takes them. */
export const callOf = (tool: unknown, input: unknown): { readonly tool: string; readonly input: unknown } => {
  if (typeof tool === "string") return { tool, input: plain(input) }
  if (typeof tool !== "object" || tool === null || !("name" in tool) || typeof tool.name !== "string") {
    throw new Error("needs a tool: its name, or what defineTool gave back")
  }
  const definition = tool as AnyTool
  return { tool: definition.name, input: encode(definition, input) }
}

/** What a step's recorded output is to an author who named the tool by its definition. */
export const answerOf = (tool: string | AnyTool, recorded: unknown): unknown => {
  if (typeof tool === "string" || tool.output === undefined) return recorded
  const answer = Schema.decodeUnknownResult(Schema.toCodecJson(tool.output))(recorded)
  if (Result.isSuccess(answer)) return answer.success
  const [first = "it can't be read"] = explain(answer.failure.issue, tool.output.ast, "field")
  throw new Error(`the recorded output of ${tool.name} does not fit its schema: ${first}`)
}

const plain = (input: unknown): unknown => {
  try {
    return toPlainJson(input ?? {})
  } catch (error) {
    if (error instanceof NotPlainJson) throw new Error(`has an input that ${error.message}`)
    throw error
  }
}

const encode = (tool: AnyTool, input: unknown): unknown => {
  const given = input ?? {}
  if (!Schema.isSchema(tool.input) || isEmptyStruct(tool.input.ast)) return plain(given)
  const encoded = Schema.encodeUnknownResult(Schema.toCodecJson(tool.input))(given)
  if (Result.isSuccess(encoded)) return plain(encoded.success)
  const [first = "it can't be encoded"] = explain(encoded.failure.issue, tool.input.ast, "field")
  throw new Error(`has an input that ${tool.name} does not take: ${first}`)
}

/** Longest delay between two attempts, milliseconds. */
const maximumDelayMs = 86_400_000
const strategies = ["exponential", "fixed", "none"]
const retryKeys = ["strategy", "baseDelay", "maxDelay", "jitter"]

/** Only what was given: the rest is the host's default. */
export const attemptsOf = (
  { maxAttempts, retry }: Pick<CallOptions, "maxAttempts" | "retry">
): { readonly max_attempts?: number; readonly retry?: Partial<RetryPolicy> } => {
  if (maxAttempts !== undefined && !(Number.isSafeInteger(maxAttempts) && maxAttempts >= 1 && maxAttempts <= 100)) {
    throw new Error("needs maxAttempts to be a whole number from 1 to 100")
  }
  return {
    ...(maxAttempts === undefined ? {} : { max_attempts: maxAttempts }),
    ...(retry === undefined ? {} : { retry: retryOf(retry) })
  }
}

const retryOf = (retry: RetryOptions): Partial<RetryPolicy> => {
  if (typeof retry !== "object" || retry === null) throw new Error("needs retry to be an object")
  const strange = Object.keys(retry).find((key) => !retryKeys.includes(key))
  if (strange !== undefined) throw new Error(`has a retry, but ${unknownKey(strange, retryKeys, "setting")}`)
  const { baseDelay, jitter, maxDelay, strategy } = retry
  if (strategy !== undefined && !strategies.includes(strategy)) {
    throw new Error(`needs retry.strategy: ${strategies.map((one) => `"${one}"`).join(", ")}`)
  }
  if (jitter !== undefined && !(typeof jitter === "number" && jitter >= 0 && jitter <= 1)) {
    throw new Error("needs retry.jitter to be a number from 0 to 1")
  }
  const delay = (key: string, given: unknown): number => {
    const ms = toMillis(given)
    if (ms !== undefined && ms >= 0 && ms <= maximumDelayMs) return Math.round(ms)
    throw new Error(`needs retry.${key} to be a duration of at most 1 day, such as "5 seconds"`)
  }
  return {
    ...(strategy === undefined ? {} : { strategy }),
    ...(baseDelay === undefined ? {} : { base_delay_ms: delay("baseDelay", baseDelay) }),
    ...(maxDelay === undefined ? {} : { max_delay_ms: delay("maxDelay", maxDelay) }),
    ...(jitter === undefined ? {} : { jitter })
  }
}

/** Longest wait: a year, milliseconds. */
const maximumWaitMs = 365 * 86_400_000

/** The input of a wait by its length. */
export const waitOf = (duration: unknown): { readonly delay_ms: number } => {
  const ms = toMillis(duration)
  if (ms !== undefined && ms >= 0 && ms <= maximumWaitMs) return { delay_ms: Math.round(ms) }
  throw new Error("needs a wait that is a duration of at most a year, such as \"5 minutes\"")
}

/** The input of a wait by its end. */
export const untilOf = (at: unknown): { readonly until: string } => {
  if (at instanceof Date && !Number.isNaN(at.getTime())) return { until: at.toISOString() }
  throw new Error("needs an until that is a valid Date")
}
