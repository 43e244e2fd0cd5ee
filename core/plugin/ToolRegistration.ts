/**
 * Checks a tool's definition and makes it ready to run: its schemas, limits, pin.
 *
 * The pin is SHA-256 over the canonical JSON of name, description, input schema, effect, risk (where it is not a
 * function), scopes (sorted) and guarantee, and of a plugin in an isolate the hash of its code: the same definition has the
 * same pin on every machine.
 */
import canonicalize from "canonicalize"
import { Schema } from "effect"
import { createHash } from "node:crypto"
import { Guarantee, Risk, ToolEffect, Trust } from "../contract/Enums.ts"
import { toMillis } from "./DurationInput.ts"
import { unknownKey } from "./Explain.ts"
import { inputOutput } from "./InputOutput.ts"
import { isNotifying } from "./Notifying.ts"
import { askingOf } from "./AsksAtLeast.ts"
import { isForOperatorOnly, steeringOf } from "./OperatorOnly.ts"
import type { BoundLog } from "./PluginLog.ts"
import type { RegisteredTool } from "./Registry.ts"
import type { ToolDefinition } from "./Tool.ts"

const defaultTimeoutMs = 30_000
export const maximumTimeoutMs = 3_600_000
const defaultConcurrency = 10

export interface ToolOverride {
  readonly concurrency?: number
  readonly timeoutMs?: number
}

/** The tool, or what is wrong with its definition: a sentence without its full stop. */
export const registerTool = (
  plugin: string,
  given: unknown,
  log: BoundLog,
  override: ToolOverride = {}
): RegisteredTool | string => {
  const problem = problemOf(given)
  if (problem !== undefined) return problem
  const definition = given as ToolDefinition
  const boundary = inputOutput("tool", definition)
  if (typeof boundary === "string") return boundary
  const { apart, ...schemas } = boundary
  return {
    plugin,
    definition,
    ...schemas,
    ...(apart === undefined ? {} : { strange: apart.strange, away: apart.away }),
    pin: pinOf(definition, boundary.inputSchema, apart?.hash),
    timeoutMs: override.timeoutMs ?? toMillis(definition.timeout) ?? defaultTimeoutMs,
    concurrency: override.concurrency ?? definition.concurrency ?? defaultConcurrency,
    riskOf: riskOf(definition),
    operatorOnly: isForOperatorOnly(definition),
    steering: steeringOf(definition),
    actsLater: askingOf(definition),
    notifies: isNotifying(definition),
    log: log.with({ tool: definition.name })
  }
}

const toolKeys = [
  "name",
  "description",
  "input",
  "output",
  "effect",
  "risk",
  "scopes",
  "guarantee",
  "trust",
  "target",
  "action",
  "blastRadius",
  "timeout",
  "concurrency",
  "bind",
  "preview",
  "probe",
  "compensate",
  "run"
]
const namePattern = /^[a-z0-9_-]+(\.[a-z0-9_-]+)+$/
const scopePattern = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/

/** What is wrong with a tool's definition, but for its schemas: a sentence without its full stop. */
export const problemOf = (given: unknown): string | undefined => {
  if (typeof given !== "object" || given === null) return "a tool must be what defineTool gives back"
  const tool = given as Record<string, unknown>
  const { name } = tool
  if (typeof name !== "string" || !namePattern.test(name) || name.length > 100) {
    return `a tool is named ${JSON.stringify(name)}, but a name has parts of lower-case letters, digits, _ and -, ` +
      "joined by dots, as in coffee.brew"
  }
  const say = (rest: string): string => `tool ${name} ${rest}`
  const unknown = Object.keys(tool).find((key) => !toolKeys.includes(key))
  if (unknown !== undefined) return `tool ${name}: ${unknownKey(unknown, toolKeys, "property")}`
  if (typeof tool["description"] !== "string" || tool["description"].trim() === "") return say("needs a description")
  if (!Schema.isSchema(tool["input"])) return say("needs an input: use Schema.Struct({ … })")
  if (tool["output"] !== undefined && !Schema.isSchema(tool["output"])) return say("has an output that is not a Schema")
  for (
    const [key, literals] of [["effect", ToolEffect], ["guarantee", Guarantee], ["trust", Trust], [
      "risk",
      Risk
    ]] as const
  ) {
    const value = tool[key]
    if ((key === "guarantee" || key === "trust") && value === undefined) continue
    if (key === "risk" && typeof value === "function") continue
    if (!literals.literals.some((literal) => literal === value)) {
      return say(
        `needs ${key}: ${literals.literals.map((literal) => `"${literal}"`).join(", ")}` +
          (key === "risk" ? " or a function" : "")
      )
    }
  }
  const { scopes } = tool
  if (!Array.isArray(scopes)) return say("needs scopes: a list of names, [] for none")
  const scope: unknown = scopes.find((item) => typeof item !== "string" || !scopePattern.test(item))
  if (scope !== undefined) return say(`has the scope ${JSON.stringify(scope)}; write it as in kitchen.control`)
  for (const key of ["run", "bind", "preview", "probe", "compensate", "target", "action", "blastRadius"]) {
    if (typeof tool[key] !== "function" && (key === "run" || tool[key] !== undefined)) {
      return say(`needs ${key} to be a function`)
    }
  }
  const { effect, guarantee = "none" } = tool
  if (guarantee === "probe" && tool["probe"] === undefined) return say("has guarantee \"probe\" and no probe function")
  if (guarantee !== "probe" && tool["probe"] !== undefined) {
    return say("has a probe function: give it guarantee \"probe\"")
  }
  if (guarantee === "transactional" && effect === "irreversible") {
    return say("can't be transactional and irreversible: a transaction can be taken back")
  }
  if (effect === "read" && tool["compensate"] !== undefined) return say("only reads, so it has nothing to compensate")
  const { concurrency, timeout } = tool
  if (concurrency !== undefined && !(Number.isSafeInteger(concurrency) && Number(concurrency) >= 1)) {
    return say("needs a concurrency of 1 or more, a whole number")
  }
  if (timeout !== undefined) {
    const ms = toMillis(timeout)
    if (ms === undefined || !(ms > 0 && ms <= maximumTimeoutMs)) {
      return say("needs a timeout above zero and of at most 1 hour, such as \"30 seconds\"")
    }
  }
  return undefined
}

const pinOf = (definition: ToolDefinition, inputSchema: object, code: string | undefined): string => {
  const text = canonicalize({
    name: definition.name,
    description: definition.description,
    input: inputSchema,
    effect: definition.effect,
    ...(typeof definition.risk === "function" ? {} : { risk: definition.risk }),
    scopes: [...definition.scopes].sort(),
    guarantee: definition.guarantee ?? "none",
    ...(code === undefined ? {} : { code })
  })
  return createHash("sha256").update(text ?? "").digest("hex")
}

const riskOf = ({ name, risk }: ToolDefinition): (input: any) => Risk => {
  if (typeof risk !== "function") return () => risk
  return (input) => {
    const given: unknown = risk(input)
    if (Risk.literals.some((literal) => literal === given)) return given as Risk
    throw new Error(
      `The risk of ${name} must be one of ${Risk.literals.join(", ")}, but its function gave something else.`
    )
  }
}
