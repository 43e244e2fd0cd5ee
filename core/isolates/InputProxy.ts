/**
 * The way into a part whose schemas are in an isolate: it is asked what an input means, and what it says of it is kept beside
 * the value, so that whoever judges the call need not ask again.
 *
 * The value is the input as it was given, and never what the isolate made of it: what was shown is what runs.
 */
import { Effect, Schema } from "effect"
import type { Part } from "../../sandbox/Isolate.ts"
import { Risk } from "../contract/Enums.ts"
import { type Apart, type InputOutput, inputReader, outputEncoder } from "../plugin/InputOutput.ts"
import { ToolRefused, ToolUnknown } from "../plugin/Tool.ts"
import { IsolateLost } from "../../sandbox/Isolate.ts"
import { type Access, PluginAway } from "./Access.ts"

/** What an isolate says of an input. */
export interface Judged {
  readonly risk?: Risk
  readonly target?: string
  readonly action?: string
  readonly blastRadius?: number
  /** In the shape of `POST /tasks`. */
  readonly steps?: ReadonlyArray<unknown>
  readonly threw: ReadonlyMap<string, string>
}

/** What was done, and gave back what breaks its schema: a sentence. */
export class InvalidOutput {
  readonly mistake: string
  constructor(mistake: string) {
    this.mistake = mistake
  }
}

/** How long an isolate may think about an input. */
export const readWithinMs = 5_000

const longestSentence = 2_000
const clean = (text: string): string => text.slice(0, longestSentence).replaceAll("\0", "␀").toWellFormed()

interface InputProxy {
  readonly boundary: InputOutput
  /** Of a value that `decodeInput` gave. */
  readonly judged: (input: unknown) => Judged
}

export const inputProxy = (
  access: Access,
  part: Part,
  name: string,
  schemas: { readonly input: object; readonly output?: object | undefined },
  options: { readonly lenient?: boolean } = {}
): InputProxy => {
  const kept = new WeakMap<object, Judged>()
  const keep = (input: object, judged: Judged): object => {
    kept.set(input, judged)
    return input
  }
  const ask = (json: unknown): Effect.Effect<unknown, string> => {
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      return Effect.fail(`The input of ${name}: the fields must be an object.`)
    }
    // Its code is asked when it runs; until then nothing of it depends on the input.
    if (options.lenient === true && access.away() !== undefined) return Effect.succeed(json)
    return Effect.tryPromise({
      try: (signal) =>
        access.invoke({ part, name, member: "read", args: [json as Schema.Json], signal, withinMs: readWithinMs }),
      catch: (error) => sentenceOf(access, name, error)
    }).pipe(
      Effect.flatMap((answer) => {
        const read = readAnswer(answer)
        if (read === undefined) {
          return Effect.fail(`Plugin ${access.plugin} says nothing of use of an input of ${name}.`)
        }
        return typeof read === "string" ? Effect.fail(read) : Effect.succeed(keep(json, read))
      })
    )
  }
  const plain = inputReader(name, Effect.succeed)
  const encode = outputEncoder(name, undefined)
  const apart: Apart = {
    hash: access.hash,
    strange: !access.trusted,
    away: access.away,
    ...(part === "task" ? { steps: (input) => stepsOf(kept.get(input as object)) } : {})
  }
  return {
    boundary: {
      inputSchema: schemas.input as Record<string, unknown>,
      outputSchema: schemas.output as Record<string, unknown> | undefined,
      decodeInput: (input) => Effect.flatMap(plain(input), ask),
      encodeOutput: (output) => output instanceof InvalidOutput ? Effect.fail(output.mistake) : encode(output),
      apart
    },
    judged: (input) => kept.get(input as object) ?? { threw: new Map() }
  }
}

const stepsOf = (judged: Judged | undefined): ReadonlyArray<unknown> => {
  const threw = judged?.threw.get("steps")
  if (threw !== undefined) throw new Error(threw)
  if (judged?.steps === undefined) throw new Error("its plugin does not say what they are")
  return judged.steps
}

/** What the isolate answered, field by field; a sentence where it refuses the input. */
const readAnswer = (answer: unknown): Judged | string | undefined => {
  if (typeof answer !== "object" || answer === null) return undefined
  const { action, blast_radius, mistake, ok, risk, steps, target, threw } = answer as Readonly<Record<string, unknown>>
  if (ok === false) return typeof mistake === "string" ? clean(mistake) : undefined
  if (ok !== true) return undefined
  const known = Risk.literals.find((one) => one === risk)
  return {
    ...(known === undefined ? {} : { risk: known }),
    ...(typeof target === "string" ? { target: clean(target) } : {}),
    ...(typeof action === "string" ? { action: clean(action) } : {}),
    ...(typeof blast_radius === "number" ? { blastRadius: blast_radius } : {}),
    ...(Array.isArray(steps) ? { steps: steps as ReadonlyArray<unknown> } : {}),
    threw: new Map(
      Object.entries(typeof threw === "object" && threw !== null ? threw : {}).flatMap(([key, words]) =>
        typeof words === "string" ? [[key, clean(words)] as const] : []
      )
    )
  }
}

/** It was thrown over there by the function that was asked, and is not how the asking itself went. */
export const isAnswer = (error: unknown): error is Error =>
  error instanceof Error && !(error instanceof PluginAway || error instanceof IsolateLost) &&
  error.name !== "TimeoutError" && error.name !== "AbortError"

/** Why an isolate could not be asked, for whoever only looks. */
export const sentenceOf = (access: Access, what: string, error: unknown): string => {
  if (error instanceof PluginAway) return error.message
  if (error instanceof IsolateLost) {
    return `Plugin ${access.plugin} ended while it was asked of ${what}: ${error.end.reason}.`
  }
  if (error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError")) {
    return `Plugin ${access.plugin} did not answer in time when it was asked of ${what}.`
  }
  return clean(error instanceof Error ? error.message || error.name : String(error))
}

/** The ending in the words of the ledger: what was never sent was not done, what was sent and lost is not known. */
export const endingOf = (access: Access, error: unknown): unknown =>
  error instanceof PluginAway
    ? new ToolRefused(error.message)
    : error instanceof IsolateLost
    ? new ToolUnknown(`Plugin ${access.plugin} ended before it answered: ${error.end.reason}.`)
    : error

/** What a run answered. */
export const readRun = (access: Access, name: string, answer: unknown): unknown => {
  if (typeof answer === "object" && answer !== null) {
    if (Object.hasOwn(answer, "output")) return (answer as { readonly output: unknown }).output
    const { invalid } = answer as { readonly invalid?: unknown }
    if (typeof invalid === "string") return new InvalidOutput(clean(invalid))
  }
  return new InvalidOutput(`The output of ${name} is missing in what plugin ${access.plugin} answered.`)
}
