/**
 * A tool that runs in an isolate, as one of the registry: gated, written down and bounded like any other.
 *
 * - What it gives back is untrusted, whatever the plugin says.
 * - Its pin is of its code, too: an approval ends with a change of the code.
 * - A call that was under way when its isolate ended is unknown; for a read that is failed.
 */
import { Schema } from "effect"
import type { Risk } from "../contract/Enums.ts"
import { decodedElsewhere } from "../plugin/InputOutput.ts"
import type { JobKind } from "../plugin/Plugin.ts"
import type { ToolContext, ToolDefinition } from "../plugin/Tool.ts"
import type { DescribedJob, DescribedTool } from "../../sandbox/protocol/Described.ts"
import type { Access } from "./Access.ts"
import { secretAsk, toolAsks } from "./Broker.ts"
import { endingOf, inputProxy, type Judged, readRun, readWithinMs, sentenceOf } from "./InputProxy.ts"

type Json = Schema.Json

/** `name`: as the registry has it. */
export const toolProxy = (access: Access, name: string, said: Omit<DescribedTool, "name">): ToolDefinition => {
  const { boundary, judged } = inputProxy(access, "tool", name, {
    input: said.input_schema,
    output: said.output_schema
  })
  const has = new Set(said.has)
  const invoke = async (member: string, args: ReadonlyArray<Json>, ctx: ToolContext) => {
    try {
      return await access.invoke({
        part: "tool",
        name,
        member,
        args,
        facts: factsOf(ctx),
        asks: toolAsks(access, ctx),
        signal: ctx.signal
      })
    } catch (error) {
      throw endingOf(access, error)
    }
  }
  const { concurrency, timeout_ms } = said
  return decodedElsewhere<ToolDefinition>({
    name,
    description: said.description,
    input: Schema.Any,
    effect: said.effect,
    risk: said.risk ?? ((input) => riskOf(name, judged(input))),
    scopes: said.scopes,
    guarantee: said.guarantee ?? "none",
    trust: "untrusted",
    timeout: timeout_ms ?? access.timeoutMs,
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(has.has("target") ? { target: (input) => fact(judged(input), "target") } : {}),
    ...(has.has("action") ? { action: (input) => fact(judged(input), "action") } : {}),
    ...(has.has("blastRadius") ? { blastRadius: (input) => fact(judged(input), "blastRadius") } : {}),
    ...(has.has("bind") ? { bind: (input, ctx) => bound(access, name, input as Json, ctx) } : {}),
    ...(has.has("preview")
      ? { preview: async (input, ctx) => words(await invoke("preview", [input as Json], ctx)) }
      : {}),
    ...(has.has("probe")
      ? { probe: async (input, ctx) => await invoke("probe", [input as Json], ctx) as "done" | "not_done" | "unknown" }
      : {}),
    ...(has.has("compensate")
      ? {
        compensate: async (input, output, ctx) => void await invoke("compensate", [input as Json, output as Json], ctx)
      }
      : {}),
    run: async (input, ctx) => readRun(access, name, await invoke("run", [input as Json], ctx))
  }, boundary)
}

/** What it threw is told as its own words. */
const bound = async (
  access: Access,
  name: string,
  input: Json,
  { secret, signal }: Pick<ToolContext, "secret" | "signal">
): Promise<unknown> => {
  try {
    return await access.invoke({
      part: "tool",
      name,
      member: "bind",
      args: [input],
      asks: { secret: secretAsk(access, (whose, key) => secret(whose, key)) },
      signal,
      withinMs: readWithinMs
    })
  } catch (error) {
    throw new Error(sentenceOf(access, name, error))
  }
}

/** The kind of a job: its run is no business of this, since it gets an isolate of its own. */
export const jobProxy = (access: Access, said: DescribedJob): JobKind => {
  const { name } = said
  const { boundary, judged } = inputProxy(access, "job", name, { input: said.input_schema })
  const { concurrency, description, effect, limits, max_attempts, retry, risk, runtime, scopes } = said
  return decodedElsewhere<JobKind>({
    name,
    input: Schema.Any,
    ...(description === undefined ? {} : { description }),
    ...(risk !== undefined
      ? { risk }
      : said.risk_varies === true
      ? { risk: (input) => riskOf(name, judged(input)) }
      : {}),
    ...(effect === undefined ? {} : { effect }),
    ...(scopes === undefined ? {} : { scopes }),
    ...(runtime === undefined ? {} : { runtime }),
    limits: { ...limits, memoryMb: Math.min(limits?.memoryMb ?? access.memoryMb, access.memoryMb) },
    ...(concurrency === undefined ? {} : { concurrency }),
    ...(max_attempts === undefined ? {} : { maxAttempts: max_attempts }),
    ...(retry === undefined ? {} : { retry: retry as NonNullable<JobKind["retry"]> }),
    run: () => {
      throw new Error(`The job ${name} runs in an isolate of its own.`)
    }
  }, boundary)
}

const riskOf = (name: string, { risk, threw }: Judged): Risk => {
  if (risk !== undefined) return risk
  throw new Error(threw.get("risk") ?? `The plugin does not say what the risk of ${name} is.`)
}

/** Throws where its function threw: whoever asks knows what that means. */
const fact = <K extends "target" | "action" | "blastRadius">(judged: Judged, key: K): NonNullable<Judged[K]> => {
  const value = judged[key]
  if (value === undefined) throw new Error(judged.threw.get(key) ?? `It does not say its ${key}.`)
  return value
}

const words = (given: unknown): string => typeof given === "string" ? given : String(given)

const factsOf = (ctx: ToolContext): Readonly<Record<string, Json>> => ({
  idempotencyKey: ctx.idempotencyKey,
  traceId: ctx.traceId,
  trust: ctx.trust,
  now: ctx.now().getTime(),
  ...(ctx.taskId === undefined ? {} : { taskId: ctx.taskId }),
  ...(ctx.stepId === undefined ? {} : { stepId: ctx.stepId })
})
