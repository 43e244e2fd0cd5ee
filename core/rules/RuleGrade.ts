/**
 * The worst that a rule can do, from what it does and what it claims: what it creates acts later, so it is graded when it is
 * made (contracts §5). What it takes from an event can be anything, so a risk that hangs on it counts as high.
 */
import { Effect } from "effect"
import { Risk } from "../contract/Enums.ts"
import type { RuleAction } from "../contract/Rule.ts"
import { isLive } from "../plugin/LiveTools.ts"
import type { RegisteredTool, Registry } from "../plugin/Registry.ts"
import type { ReadRule } from "../plugin/RuleReading.ts"
import { targetOf } from "../safety/Gates.ts"
import { adjust, worseThan } from "../safety/Risk.ts"
import { readTaskRequest } from "../tasks/TaskRequest.ts"
import { sayer } from "./RuleActions.ts"
import { takesFromEvent } from "./Template.ts"

export interface Grade {
  readonly risk: Risk
  /** Why, each for a person. */
  readonly reasons: ReadonlyArray<string>
}

/** For what can't be known before it happens. */
const unknowable: Risk = "high"

/** What a rule can reach. */
export interface Reachable {
  readonly registry: Registry["Service"]
  /** A model is asked about what nothing else understands. */
  readonly hasModel: boolean
}

export const gradeOf = Effect.fnUntraced(function*(
  rule: ReadRule,
  reachable: Reachable
): Effect.fn.Return<Grade> {
  const acts = yield* Effect.forEach(rule.definition.then, (action) => gradeAction(action, reachable))
  const grades = [...acts, ...gradeClaim(rule)]
  return {
    risk: worstOf(grades.map(({ risk }) => risk)),
    reasons: grades.map(({ risk, why }) => `${why}: risk ${risk}`)
  }
})

/** What it claims nobody else sees. */
const gradeClaim = ({ condition, definition: { stop } }: ReadRule): ReadonlyArray<Part> => {
  if (stop !== true) return []
  return condition.possible((path) => Object.hasOwn(ofOperator, path))(operatorSubject)
    ? [{ risk: "high", why: "it can claim what the operator says in the chat, so that nothing else understands it" }]
    : [{ risk: "medium", why: "it claims events, so that nothing else sees them" }]
}

/** What is known of what the operator says in the chat. */
const ofOperator = { "source.channel": "chat", "security.trust": "operator" }
const operatorSubject = {
  source: { channel: ofOperator["source.channel"] },
  security: { trust: ofOperator["security.trust"] }
}

interface Part {
  readonly risk: Risk
  readonly why: string
}

const worstOf = (risks: ReadonlyArray<Risk>): Risk => risks.reduce<Risk>((a, b) => worseThan(b, a) ? b : a, "low")

const adjusted = (
  { definition: { effect } }: RegisteredTool,
  base: Risk,
  on: { readonly target: string | undefined; readonly action: string; readonly blast: number }
): Risk =>
  adjust(base, { ...on, irreversible: effect === "irreversible", quiet: false, window: undefined, blastRadius: 5 }).risk

/** Of a call whose input could be anything: all the world, and as many as there are. */
const openRisk = (tool: RegisteredTool): Risk => {
  const { blastRadius, name, risk, target } = tool.definition
  return adjusted(tool, typeof risk === "string" ? risk : unknowable, {
    target: target === undefined ? undefined : "public",
    action: name,
    blast: blastRadius === undefined ? 1 : Infinity
  })
}

/** The risk of a call whose input is known, or could be anything. */
const callRisk = Effect.fnUntraced(function*(tool: RegisteredTool, input: unknown) {
  if (takesFromEvent(input)) return openRisk(tool)
  const decoded = yield* Effect.result(tool.decodeInput(input))
  if (decoded._tag === "Failure") return worstOf([openRisk(tool), unknowable])
  const risk = yield* Effect.try(() => tool.riskOf(decoded.success)).pipe(Effect.orElseSucceed(() => unknowable))
  return adjusted(tool, risk, targetOf(tool, decoded.success))
})

const gradeAction = Effect.fnUntraced(function*(
  action: RuleAction,
  { hasModel, registry }: Reachable
): Effect.fn.Return<Part> {
  if ("notify" in action) {
    const tool = sayer(registry, action.notify.channel)
    const risk = tool === undefined ? unknowable : yield* callRisk(tool, { text: "x" })
    return { risk, why: `it says something on ${action.notify.channel ?? "chat"}` }
  }
  if ("tool" in action) {
    const tool = registry.tool(action.tool)
    const risk = tool === undefined ? unknowable : yield* callRisk(tool, action.input ?? {})
    return { risk, why: `it calls ${action.tool}` }
  }
  if ("task" in action) {
    if (takesFromEvent(action.task)) return { risk: unknowable, why: "it starts a task that the event decides on" }
    const read = yield* Effect.result(readTaskRequest(action.task, registry))
    if (read._tag === "Failure" || read.success.kind !== "steps") {
      return { risk: unknowable, why: "it starts a task whose calls are not known before" }
    }
    const risks = yield* Effect.forEach(read.success.steps, (step) => {
      const tool = step.tool === undefined ? undefined : registry.tool(step.tool)
      if (tool !== undefined) return callRisk(tool, step.input)
      // One that may be there when the rule fires.
      return Effect.succeed<Risk>(step.tool === undefined ? "low" : unknowable)
    })
    return { risk: worstOf(risks), why: `it starts a task of ${risks.length} steps` }
  }
  const { structured, text } = action.emit
  const why = "it makes an event"
  if (takesFromEvent(text) || takesFromEvent(structured)) {
    // Whatever the event says could be understood as an intent.
    return { risk: text === undefined && !mayNameIntent(structured) ? "low" : unknowable, why }
  }
  const named = mayNameIntent(structured) ? (structured as { readonly intent: unknown }).intent : undefined
  const found = typeof named === "string"
    ? registry.intents().find(({ name }) => name === named) ??
      (isLive(named) ? registry.matchIntent(named)?.intent : undefined)
    : typeof text === "string"
    ? registry.matchIntent(text)?.intent
    : undefined
  if (found === undefined) {
    if (isLive(typeof named === "string" ? named : typeof text === "string" ? text.trim().toLowerCase() : "")) {
      return { risk: unknowable, why: `${why} that means a tool which is not there now` }
    }
    return typeof text === "string" && text.trim() !== "" && hasModel
      ? { risk: unknowable, why: `${why} that a model decides on` }
      : { risk: "low", why }
  }
  const tool = found.tool === undefined ? undefined : registry.tool(found.tool)
  return {
    risk: tool === undefined ? unknowable : openRisk(tool),
    why: `${why} that means ${found.name}`
  }
})

const mayNameIntent = (structured: unknown): boolean =>
  typeof structured === "string" || (typeof structured === "object" && structured !== null && "intent" in structured)
