/** What goes into a part and what comes out of it, by its schemas. */
import { Effect } from "effect"
import type { InputOutput } from "../../core/plugin/InputOutput.ts"
import { NotPlainJson, toPlainJson } from "../../core/plugin/PlainJson.ts"
import type { ReadAnswer, RunAnswer } from "../protocol/Answers.ts"
import { maximumFrame } from "../protocol/Frames.ts"

/** Decodes an input and asks the definition's functions about it; each that throws is told by name. */
export const read = (
  boundary: InputOutput,
  given: unknown,
  functions: Readonly<Record<string, (input: any) => unknown>>
): ReadAnswer => {
  const result = Effect.runSync(Effect.result(boundary.decodeInput(given)))
  if (result._tag === "Failure") return { ok: false, mistake: result.failure }
  const facts: Record<string, unknown> = {}
  const threw: Record<string, string> = {}
  for (const [key, ask] of Object.entries(functions)) {
    try {
      const value = ask(result.success)
      if (value !== undefined) facts[key] = toPlainJson(value)
    } catch (error) {
      threw[key] = error instanceof Error ? error.message || error.name : String(error)
    }
  }
  return {
    ok: true,
    input: toPlainJson(given ?? {}),
    ...facts,
    ...(Object.keys(threw).length === 0 ? {} : { threw })
  } as ReadAnswer
}

export const decoded = (boundary: InputOutput, given: unknown): unknown => {
  const result = Effect.runSync(Effect.result(boundary.decodeInput(given)))
  if (result._tag === "Success") return result.success
  throw new Error(result.failure)
}

/** What the rest of a message needs. */
const envelope = 1_024

export const encoded = (name: string, boundary: InputOutput, value: unknown): RunAnswer => {
  const result = Effect.runSync(Effect.result(boundary.encodeOutput(value)))
  if (result._tag === "Failure") return { invalid: result.failure }
  const text = JSON.stringify(result.success)
  const short = maximumFrame - envelope
  const fits = text.length * 3 <= short || (text.length <= short && new TextEncoder().encode(text).length <= short)
  return fits ? { output: result.success as never } : { invalid: `The output of ${name} is longer than 1 MiB.` }
}

/** `what`: the subject of the sentence. */
export const plain = (what: string, value: unknown): unknown => {
  try {
    return toPlainJson(value ?? null)
  } catch (error) {
    throw error instanceof NotPlainJson ? new Error(`${what} ${error.message}.`) : error
  }
}
