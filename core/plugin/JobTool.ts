/**
 * The tool by which a job is started: `job.run.<kind>`, gated like every other, whose run stores the job in the transaction of
 * its outcome.
 *
 * - What the kind takes is checked where every input is: before anybody is asked.
 * - A runtime or limits may be asked for, as far as the kind has them; limits can only be lowered.
 */
import { Effect, Schema } from "effect"
import type { SqlClient } from "effect/sql"
import { type Lane, type Risk, Runtime } from "../contract/Enums.ts"
import { check } from "./Explain.ts"
import { decodedElsewhere, inputReader, outputEncoder } from "./InputOutput.ts"
import type { RegisteredJob } from "./Registry.ts"
import type { ToolDefinition, TransactionalContext } from "./Tool.ts"

const prefix = "job.run."

/** Of the tool that starts jobs of a kind. */
export const jobToolName = (kind: string): string => `${prefix}${kind}`

/** The kind that a tool starts jobs of, if it is one that does. */
export const startedKind = (tool: string | undefined): string | undefined =>
  tool?.startsWith(prefix) === true ? tool.slice(prefix.length) : undefined

/** Where an event goes whose call is one of this tool. */
export const laneOf = (tool: string | undefined): Extract<Lane, "fast" | "sandbox"> =>
  startedKind(tool) === undefined ? "fast" : "sandbox"

/** What a call of the tool asks for, checked. */
export interface AskedJob {
  /** Of the kind, as it came: plain JSON. */
  readonly input: Schema.Json
  /** The same as the kind's functions take it. */
  readonly decoded: unknown
  readonly runtime: Runtime
  readonly limits: { readonly timeout_ms: number; readonly memory_mb: number }
}

export interface StartedJob {
  readonly job_id: string
  readonly kind: string
  readonly message: string
}

export type StartJob = (
  asked: AskedJob,
  context: TransactionalContext
) => Effect.Effect<StartedJob, unknown, SqlClient.SqlClient>

const Limit = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))
const Asked = Schema.Struct({
  input: Schema.optionalKey(Schema.Json),
  runtime: Schema.optionalKey(Runtime),
  limits: Schema.optionalKey(Schema.Struct({
    timeout_ms: Schema.optionalKey(Limit),
    memory_mb: Schema.optionalKey(Limit)
  }))
})
const Started = Schema.Struct({ job_id: Schema.String, kind: Schema.String, message: Schema.String })

const startedSchema = {
  type: "object",
  properties: { job_id: { type: "string" }, kind: { type: "string" }, message: { type: "string" } },
  required: ["job_id", "kind", "message"]
}

/** Smallest heap that anything runs in, MiB. */
const leastMemory = 16

const schemaOf = ({ inputSchema, memoryMb, runtimes, timeoutMs }: RegisteredJob): Record<string, unknown> => {
  const { $defs, ...input } = inputSchema as Record<string, unknown>
  return {
    type: "object",
    properties: {
      input,
      runtime: { type: "string", enum: runtimes },
      limits: {
        type: "object",
        properties: {
          timeout_ms: { type: "integer", minimum: 1, maximum: timeoutMs },
          memory_mb: { type: "integer", minimum: leastMemory, maximum: memoryMb }
        },
        additionalProperties: false
      }
    },
    ...(Array.isArray(input["required"]) && input["required"].length > 0 ? { required: ["input"] } : {}),
    additionalProperties: false,
    ...($defs === undefined ? {} : { $defs })
  }
}

const decoder = (job: RegisteredJob): (input: unknown) => Effect.Effect<AskedJob, string> => {
  const { kind, memoryMb, runtimes, timeoutMs } = job
  const read = check(Schema.toCodecJson(Asked), "field")
  const outer = inputReader(jobToolName(kind), (json) => {
    const checked = read(json)
    return checked.ok ? Effect.succeed(checked.value) : Effect.fail(checked.mistakes[0])
  })
  return Effect.fnUntraced(function*(given) {
    const { input = {}, limits = {}, runtime = job.runtime }: typeof Asked.Type = yield* outer(given)
    if (!runtimes.includes(runtime)) {
      return yield* Effect.fail(
        `${kind} runs in ${runtimes.join(" or ")}, as its plugin does, and not in ${runtime}: leave runtime out.`
      )
    }
    const { memory_mb = memoryMb, timeout_ms = timeoutMs } = limits
    if (timeout_ms > timeoutMs) {
      return yield* Effect.fail(
        `${kind} may run for ${timeoutMs} ms, and you ask for ${timeout_ms}: limits can only be lowered.`
      )
    }
    if (memory_mb > memoryMb || memory_mb < leastMemory) {
      return yield* Effect.fail(
        `${kind} may have ${leastMemory} to ${memoryMb} MiB of memory, and you ask for ${memory_mb}.`
      )
    }
    return { input, decoded: yield* job.decodeInput(input), runtime, limits: { timeout_ms, memory_mb } }
  })
}

const raised: Readonly<Record<Risk, Risk>> = { low: "medium", medium: "high", high: "critical", critical: "critical" }

/**
 * The kind's own risk. What can't be taken back is one more, as with every tool: the tool itself only stores a row, so it can't
 * say so by its effect.
 */
const riskOf = ({ definition: { effect, risk = "low" } }: RegisteredJob): ToolDefinition["risk"] => {
  const lifted = (given: Risk): Risk => effect === "irreversible" ? raised[given] ?? given : given
  return typeof risk === "function" ? ({ decoded }: AskedJob) => lifted(risk(decoded)) : lifted(risk)
}

/** The tool of a kind; `start` stores the job. */
export const startingTool = (job: RegisteredJob, start: StartJob): ToolDefinition => {
  const { apart, definition, description, kind } = job
  const name = jobToolName(kind)
  const tool: ToolDefinition<any, any, "transactional"> = {
    name,
    description: `Start a job: ${description}`,
    input: Schema.Any,
    output: Started,
    effect: definition.effect === "read" ? "read" : "write",
    risk: riskOf(job),
    scopes: definition.scopes ?? [],
    guarantee: "transactional",
    concurrency: 100,
    preview: ({ limits, runtime }: AskedJob) =>
      `It would start the job ${kind} in a ${runtime === "thread" ? "thread" : `${runtime} isolate`}, for at most ${
        limits.timeout_ms / 1000
      } s with ${limits.memory_mb} MiB.`,
    run: (asked: AskedJob, context) => start(asked, context)
  }
  return decodedElsewhere(tool, {
    inputSchema: schemaOf(job),
    outputSchema: startedSchema,
    decodeInput: decoder(job),
    encodeOutput: outputEncoder(name, Started),
    ...(apart === undefined ? {} : { apart })
  })
}
