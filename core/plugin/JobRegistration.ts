/**
 * Checks a kind of job and makes it ready to run. A mistake ends the start with a sentence that names the plugin.
 */
import { Context, Schema } from "effect"
import { Risk, Runtime, ToolEffect } from "../contract/Enums.ts"
import type { RetryPolicy } from "../contract/Task.ts"
import { inputOutput } from "./InputOutput.ts"
import { startingTool } from "./JobTool.ts"
import { dotted, onlyKeys, Refused } from "./PartChecks.ts"
import type { JobKind } from "./Plugin.ts"
import type { PluginCode } from "./PluginCode.ts"
import type { BoundLog } from "./PluginLog.ts"
import type { RegisteredJob } from "./Registry.ts"
import { attemptsOf } from "./TaskCall.ts"
import { type ToolDefinition, ToolRefused } from "./Tool.ts"

/** Makes the tool that starts a job of a kind. */
export type JobTool = (job: RegisteredJob) => ToolDefinition

/** Given by whoever runs jobs. */
export const JobTools = Context.Reference<JobTool>("syris/plugin/JobTools", {
  defaultValue: () => (job) =>
    startingTool(job, () => {
      throw new ToolRefused("Nobody here runs jobs.")
    })
})

const day = 86_400_000

/** What a kind is where it says nothing else. */
export const jobDefaults = {
  runtime: "thread",
  timeoutMs: 600_000,
  memoryMb: 256,
  concurrency: 2,
  maxAttempts: 1,
  retry: { strategy: "exponential", base_delay_ms: 500, max_delay_ms: 60_000, jitter: 0.2 } satisfies RetryPolicy
} as const

const keys = [
  "name",
  "description",
  "input",
  "output",
  "risk",
  "effect",
  "scopes",
  "runtime",
  "limits",
  "concurrency",
  "maxAttempts",
  "retry",
  "run"
]

/** The longest name: the tool that starts it has a prefix before it. */
const longestName = 90

const quoted = (literals: ReadonlyArray<string>): string => literals.map((literal) => `"${literal}"`).join(", ")

export const registerJob = (
  plugin: string,
  given: JobKind,
  { code, log, runtime: place = "inline" }: {
    readonly log: BoundLog
    readonly code: PluginCode | string
    /** Where its plugin runs: in an isolate its jobs run as it does. */
    readonly runtime?: "inline" | Runtime
  }
): RegisteredJob => {
  const refuse = (mistake: string): never => {
    throw new Refused(plugin, "jobs", mistake)
  }
  if (typeof given !== "object" || given === null) return refuse("a job must be an object")
  const { concurrency = jobDefaults.concurrency, description, effect, limits = {}, name, output, risk, runtime } = given
  if (typeof name !== "string" || !dotted.test(name) || name.length > longestName) {
    return refuse(
      `a job is named ${JSON.stringify(name)}: use lower-case letters, digits, _, - and dots, as in report.render`
    )
  }
  const what = `job ${name}`
  onlyKeys(plugin, "jobs", what, given, keys)
  if (description !== undefined && (typeof description !== "string" || description.trim() === "")) {
    return refuse(`${what} needs its description to be a sentence`)
  }
  if (!Schema.isSchema(given.input)) return refuse(`${what} needs an input: use Schema.Struct({ … })`)
  if (output !== undefined && !Schema.isSchema(output)) return refuse(`${what} has an output that is not a Schema`)
  if (typeof given.run !== "function") return refuse(`${what} needs run to be a function`)
  if (risk !== undefined && typeof risk !== "function" && !Risk.literals.some((literal) => literal === risk)) {
    return refuse(`${what} needs risk: ${quoted(Risk.literals)} or a function`)
  }
  if (effect !== undefined && !ToolEffect.literals.some((literal) => literal === effect)) {
    return refuse(`${what} needs effect: ${quoted(ToolEffect.literals)}`)
  }
  const scopes: unknown = given.scopes ?? []
  if (!Array.isArray(scopes)) return refuse(`${what} needs scopes: a list of names`)
  const scope: unknown = scopes.find((item) => typeof item !== "string" || !dotted.test(item))
  if (scope !== undefined) {
    return refuse(`${what} has the scope ${JSON.stringify(scope)}; write it as in kitchen.control`)
  }
  if (runtime !== undefined && !Runtime.literals.some((literal) => literal === runtime)) {
    return refuse(`${what} needs runtime: ${quoted(Runtime.literals)}`)
  }
  if (typeof limits !== "object" || limits === null) return refuse(`${what} needs limits to be an object`)
  onlyKeys(plugin, "jobs", `${what}, limits`, limits, ["timeoutMs", "memoryMb"])
  const { memoryMb = jobDefaults.memoryMb, timeoutMs = jobDefaults.timeoutMs } = limits
  if (!(Number.isSafeInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= day)) {
    return refuse(`${what} needs limits.timeoutMs from 1 to ${day}: whole milliseconds, at most 24 hours`)
  }
  if (!(Number.isSafeInteger(memoryMb) && memoryMb >= 16 && memoryMb <= 65_536)) {
    return refuse(`${what} needs limits.memoryMb from 16 to 65536, a whole number`)
  }
  if (!(Number.isSafeInteger(concurrency) && concurrency >= 1 && concurrency <= 1_000)) {
    return refuse(`${what} needs a concurrency from 1 to 1000, a whole number`)
  }
  const boundary = inputOutput("job", given)
  if (typeof boundary === "string") return refuse(boundary)
  return {
    plugin,
    kind: name,
    description: description ?? name,
    definition: given,
    inputSchema: boundary.inputSchema,
    decodeInput: boundary.decodeInput,
    ...(boundary.apart === undefined ? {} : { apart: boundary.apart }),
    runtime: place === "inline" ? runtime ?? jobDefaults.runtime : place,
    runtimes: place === "inline" ? Runtime.literals : [place],
    timeoutMs,
    memoryMb,
    concurrency,
    ...attempts(given, (mistake) => refuse(`${what} ${mistake}`)),
    code,
    log: log.with({ job: name })
  }
}

const attempts = (
  given: JobKind,
  refuse: (mistake: string) => never
): Pick<RegisteredJob, "maxAttempts" | "retry"> => {
  try {
    const { max_attempts = jobDefaults.maxAttempts, retry } = attemptsOf(given)
    return { maxAttempts: max_attempts, retry: { ...jobDefaults.retry, ...retry } }
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}
