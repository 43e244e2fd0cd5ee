/**
 * Whether a call may run: risk × autonomy, what the operator's policy says, where its words come from, and the overrides
 * that hold at every level (contracts §5).
 *
 * - Pure and in memory: a decision asks nobody.
 * - Every reason is said, so that "why was I asked?" has an answer.
 * - Verdicts are ordered (ALLOW, CONFIRM, PREVIEW, HARD_BLOCK) and an override only moves up: nothing makes an A0 runnable.
 */
import { Context, Effect, Layer } from "effect"
import type { SqlError } from "effect/sql"
import type { Autonomy, Risk, Trust, Verdict } from "../contract/Enums.ts"
import { Health } from "../health/Health.ts"
import type { RegisteredTool } from "../plugin/Registry.ts"
import { Settings } from "../plugin/Settings.ts"
import { isMarked, Redactor } from "../secrets/Redactor.ts"
import { Admission } from "./Admission.ts"
import { Control } from "./Control.ts"
import type { PolicyRule } from "./Policy.ts"
import { destinationIn } from "./Provenance.ts"
import { QuietHours } from "./QuietHours.ts"
import { actsOutside, adjust, lift, worseThan } from "./Risk.ts"
import { Standing } from "./Standing.ts"

/** contracts §5: rows are the autonomy level, columns the risk. */
export const matrix: Readonly<Record<Autonomy, Readonly<Record<Risk, Verdict>>>> = {
  A0: { low: "PREVIEW", medium: "PREVIEW", high: "PREVIEW", critical: "PREVIEW" },
  A1: { low: "CONFIRM", medium: "CONFIRM", high: "CONFIRM", critical: "HARD_BLOCK" },
  A2: { low: "ALLOW", medium: "CONFIRM", high: "CONFIRM", critical: "HARD_BLOCK" },
  A3: { low: "ALLOW", medium: "ALLOW", high: "CONFIRM", critical: "HARD_BLOCK" },
  A4: { low: "ALLOW", medium: "ALLOW", high: "ALLOW", critical: "CONFIRM" }
}

const strictness: ReadonlyArray<Verdict> = ["ALLOW", "CONFIRM", "PREVIEW", "HARD_BLOCK"]

/** The stricter of two. */
export const stricter = (a: Verdict, b: Verdict): Verdict => strictness.indexOf(a) >= strictness.indexOf(b) ? a : b

/** Where the words of a call come from. */
export interface GateSource {
  readonly channel: string
  readonly connector_id: string
  readonly actor_id: string
}

export interface GateQuestion {
  readonly tool: RegisteredTool
  /** As `decodeInput` gave it. */
  readonly input: unknown
  /** The same as it is stored. */
  readonly json: unknown
  /** The tool's own risk for this input. */
  readonly risk: Risk
  readonly autonomy: Autonomy
  /** The worst of all that is in the trace. */
  readonly trust: Trust
  readonly source: GateSource
  /** What the channel was granted. */
  readonly granted: ReadonlyArray<string>
  /** A model chose it, or wrote what is in it. */
  readonly by_model: boolean
  /** The answer to an event, on the channel that it came from. */
  readonly reply?: {
    /** What the channel is worth by itself, whatever else is in the trace. */
    readonly to: Trust
    /** It says what was looked up, or what somebody else wrote. */
    readonly discloses: boolean
  } | undefined
  /** Nothing will run: what the database would count then is foreseen from memory. */
  readonly dry?: boolean | undefined
  readonly at: Date
}

/** The audit type that a verdict is told as. */
export type GateType =
  | "gate.required"
  | "gate.preview"
  | "gate.hard_blocked"
  | "gate.antiflap_block"
  | "gate.scope_violation"

export interface GateAnswer {
  readonly verdict: Verdict
  /** Nothing where it may run. */
  readonly type: GateType | undefined
  /** After all adjusters. */
  readonly risk: Risk
  readonly reasons: ReadonlyArray<string>
  /** What tool and policy say of this input, in one word to compare: an approval holds only while it stays. */
  readonly basis: string
  /** It was not the matrix that decided: only the operator may call the tool, or the operator steers with it. */
  readonly by?: "operator_only" | "steering"
}

/** What a decision looks at besides the question. */
export interface GateState {
  readonly match: (tool: string, subject: unknown, now: number) => {
    readonly config: PolicyRule | undefined
    readonly standing: PolicyRule | undefined
  }
  readonly health: () => string
  readonly quiet: (at: Date) => { readonly quiet: boolean; readonly window?: string }
  /** A call that touches more things than this counts as one more risk. */
  readonly blastRadius: number
  readonly recent: Admission["Service"]["recent"]
  /** Whether a value carries a secret that the host knows. */
  readonly hasSecret: (json: unknown) => boolean
}

/** The scopes that a grant does not cover. A grant is a list of names, `prefix.*` or `*`. */
export const missingScopes = (
  required: ReadonlyArray<string>,
  granted: ReadonlyArray<string>
): ReadonlyArray<string> =>
  required.filter((scope) =>
    !granted.some((grant) =>
      grant === "*" || grant === scope || (grant.endsWith(".*") && scope.startsWith(grant.slice(0, -1)))
    )
  )

/** What a tool does to what; the tool's own functions may throw, and then it is as if they were not there. */
export const targetOf = ({ definition }: RegisteredTool, input: unknown) => {
  const ask = <A>(of: ((input: any) => A) | undefined): A | undefined => {
    try {
      return of?.(input)
    } catch {
      return undefined
    }
  }
  const target: unknown = ask(definition.target)
  const action: unknown = ask(definition.action)
  const blast: unknown = ask(definition.blastRadius)
  return {
    target: typeof target === "string" ? target : undefined,
    action: typeof action === "string" ? action : definition.name,
    // A tool that can't say how many things it touches counts as one that touches all.
    blast: definition.blastRadius === undefined ? 1 : typeof blast === "number" && blast >= 0 ? blast : Infinity
  }
}

/** Whether the anti-flap cooldown holds for a tool at all. */
export const hasCooldown = ({ definition }: RegisteredTool): boolean =>
  definition.target !== undefined && definition.effect !== "read" && definition.guarantee !== "transactional"

const blocked = (type: GateType, risk: Risk, basis: string, ...reasons: ReadonlyArray<string>): GateAnswer => ({
  verdict: "HARD_BLOCK",
  type,
  risk,
  reasons,
  basis
})

const typeOf: Record<Verdict, GateType | undefined> = {
  ALLOW: undefined,
  CONFIRM: "gate.required",
  PREVIEW: "gate.preview",
  HARD_BLOCK: "gate.hard_blocked"
}

/** The decision. A tool's own functions are called and may be wrong; nothing else is. */
export const decide = (question: GateQuestion, state: GateState): GateAnswer => {
  const { at, autonomy, by_model, granted, input, json, reply, source, tool, trust } = question
  const { definition } = tool
  const { name, scopes } = definition
  const own = `tool ${question.risk}`
  if (tool.operatorOnly && (trust !== "operator" || by_model)) {
    const whose = by_model ? "a model chose it" : `the words are ${trust}`
    return {
      ...blocked("gate.hard_blocked", question.risk, own, `only the operator may call ${name}; ${whose}`),
      by: "operator_only"
    }
  }
  const missing = missingScopes(scopes, granted)
  if (missing.length > 0) {
    return blocked(
      "gate.scope_violation",
      question.risk,
      own,
      ...missing.map((scope) => `scope ${scope} is not granted to ${source.channel}`)
    )
  }
  if (tool.steering !== undefined) {
    const asks = tool.steering.asks?.(input, { autonomy }) === true
    const verdict = asks ? "CONFIRM" : "ALLOW"
    const reason = asks ? "it gives the system more freedom" : "the operator steers the system"
    return { verdict, type: typeOf[verdict], risk: question.risk, reasons: [reason], basis: own, by: "steering" }
  }
  const subject = {
    input: json,
    tool: name,
    source: { channel: source.channel, connector_id: source.connector_id },
    actor: { actor_id: source.actor_id },
    security: { trust },
    state: { autonomy, time: at, health: state.health() }
  }
  const { config, standing } = state.match(name, subject, at.getTime())
  // A standing rule only loosens: what was approved stays approved with it and without it.
  const basis = config === undefined ? own : `${own}; policy ${config.hash}`
  const base = config?.risk ?? question.risk
  const reasons: Array<string> = [
    config === undefined ? `the tool says risk ${base}` : `policy ${config.id} says risk ${base}${because(config)}`
  ]
  const untrusted = trust === "untrusted" && actsOutside(definition, json) &&
    // Words of the house go back to where the question came from; what a model wrote, what was looked up for a stranger,
    // and an address out of the content ask.
    !(reply !== undefined && !reply.discloses && !by_model && destinationIn(json) === undefined)
  const secret = state.hasSecret(json)
  const handles = secret || scopes.some((scope) => scope === "secrets" || scope.startsWith("secrets."))
  // The answer to the operator, on the operator's own channel, is never held.
  if (reply?.to === "operator") {
    return { verdict: "ALLOW", type: undefined, risk: base, reasons: ["an answer to the operator"], basis }
  }
  // Looking is not acting.
  if (definition.effect === "read" && base === "low" && !untrusted && !handles) {
    return { verdict: "ALLOW", type: undefined, risk: base, reasons: ["a read of low risk"], basis }
  }
  const { action, blast, target } = targetOf(tool, input)
  const quiet = state.quiet(at)
  const adjusted = adjust(base, {
    target,
    action,
    blast,
    irreversible: definition.effect === "irreversible",
    quiet: quiet.quiet,
    window: quiet.window,
    blastRadius: state.blastRadius
  })
  reasons.push(...adjusted.reasons)
  const risk = untrusted ? lift(adjusted.risk) : adjusted.risk
  if (risk !== adjusted.risk) {
    reasons.push("untrusted content is in this trace, and it acts on the outside: one more risk")
  }
  let verdict = matrix[autonomy][risk]
  reasons.push(`risk ${risk} at autonomy ${autonomy}: ${verdict}`)
  if (verdict === "CONFIRM" && config === undefined && standing !== undefined) {
    if (worseThan(risk, standing.risk)) {
      reasons.push(`the standing rule ${standing.id} holds up to risk ${standing.risk}`)
    } else {
      verdict = "ALLOW"
      reasons.push(`the standing rule ${standing.id} allows it`)
    }
  }
  const override = (to: Verdict, reason: string): void => {
    reasons.push(reason)
    verdict = stricter(verdict, to)
  }
  if (untrusted) {
    const where = destinationIn(json)
    override(
      "CONFIRM",
      where === undefined
        ? "untrusted content never acts on the outside without a person"
        : `untrusted content may have chosen ${where}: a person looks at it`
    )
  }
  if (by_model && trust === "untrusted" && definition.effect !== "read" && !untrusted) {
    override("CONFIRM", "a model chose it on untrusted words")
  }
  if (tool.actsLater?.(input, { trust }) === true) override("CONFIRM", "it makes something that acts later")
  if (handles) override("CONFIRM", secret ? "its input carries a secret" : "it handles secrets")
  if (quiet.quiet && risk !== "low") override("CONFIRM", `quiet hours (${quiet.window ?? "now"}) and risk ${risk}`)
  if (question.dry === true && target !== undefined && hasCooldown(tool) && state.recent(name, action, target)) {
    override("HARD_BLOCK", `it did the same to ${target} a moment ago`)
    return { verdict, type: "gate.antiflap_block", risk, reasons, basis }
  }
  return { verdict, type: typeOf[verdict], risk, reasons, basis }
}

const because = ({ reason }: PolicyRule): string => reason === undefined ? "" : ` (${reason})`

/**
 * An approved call, when it is about to run: what was shown holds, at the level that the operator has set since. What only
 * the operator may do, and what nobody granted, is refused today as ever.
 */
export const approvedAt = (risk: Risk, autonomy: Autonomy, today: GateAnswer): GateAnswer => {
  if (today.type === "gate.scope_violation" || today.by === "operator_only") return today
  const verdict = today.by === "steering" ? "ALLOW" : matrix[autonomy][risk]
  if (verdict === "ALLOW" || verdict === "CONFIRM") {
    return { verdict: "ALLOW", type: undefined, risk, reasons: ["a person said yes"], basis: today.basis }
  }
  return {
    verdict,
    type: typeOf[verdict],
    risk,
    reasons: [`it was approved at risk ${risk}, and autonomy ${autonomy} lets nothing of that risk run`],
    basis: today.basis
  }
}

/**
 * A call that was begun without a yes, when it may be sent again: what was decided then holds, unless the operator has
 * lowered the level since, or today it is refused altogether.
 */
export const begunAt = (before: Autonomy, autonomy: Autonomy, today: GateAnswer): GateAnswer =>
  today.verdict === "CONFIRM" && autonomy >= before
    ? { ...today, verdict: "ALLOW", type: undefined, reasons: ["it was begun when nobody had to be asked"] }
    : today

export class Gates extends Context.Service<Gates, {
  readonly decide: (question: GateQuestion) => GateAnswer
  /** What an approved call of this risk may do at the level of now. */
  readonly approvedAt: (risk: Risk, autonomy: Autonomy, today: GateAnswer) => GateAnswer
  /** What a call that was begun at the level `before` may do at the level of now. */
  readonly begunAt: (before: Autonomy, autonomy: Autonomy, today: GateAnswer) => GateAnswer
  /** The policy version that decisions are made by: the oldest of all that is in memory. */
  readonly policyVersion: () => number
  /** Reads anew what decisions look at, after a statement found it changed. */
  readonly refresh: Effect.Effect<void, SqlError.SqlError>
}>()("syris/safety/Gates") {
  static readonly layer = Layer.effect(
    Gates,
    Effect.gen(function*() {
      const { safety } = yield* Settings
      const admission = yield* Admission
      const control = yield* Control
      const health = yield* Health
      const quietHours = yield* QuietHours
      const redactor = yield* Redactor
      const standing = yield* Standing
      const state: GateState = {
        match: standing.match,
        health: health.status,
        quiet: quietHours.now,
        blastRadius: safety.blastRadius,
        recent: admission.recent,
        hasSecret: (json) => redactor.redactJson(json) !== json || isMarked(json)
      }
      return Gates.of({
        decide: (question) => decide(question, state),
        approvedAt,
        begunAt,
        policyVersion: () => Math.min(control.current().policy_version, standing.version(), quietHours.version()),
        refresh: Effect.asVoid(Effect.all([standing.refresh, quietHours.refresh, control.refresh]))
      })
    })
  )
}
