/**
 * How bad a call can be: the base is the policy's word or the tool's, and each adjuster adds one (contracts §5). Pure.
 *
 * Adjusters never lower; the sum ends at critical. The lift of untrusted content comes last and ends at high: a person may
 * still say yes to paying the bill that came by mail.
 */
import { Risk } from "../contract/Enums.ts"
import type { ToolDefinition } from "../plugin/Tool.ts"
import { hasAddress } from "./Provenance.ts"

const order: ReadonlyArray<Risk> = Risk.literals

/** So many levels more, critical at most. */
const raised = (risk: Risk, by: number): Risk =>
  order[Math.min(order.indexOf(risk) + by, order.length - 1)] ?? "critical"

/** Whether the first is worse than the second. */
export const worseThan = (a: Risk, b: Risk): boolean => order.indexOf(a) > order.indexOf(b)

/** Names of targets that are many people, or everybody. */
const many =
  /^(group|public|everyone|everybody|all|broadcast|channel|list|room|team)\b|^[#*]|^@(all|everyone|here|channel)\b/i
/** Words that take something away for good. */
const takesAway =
  /(^|[._\-\s])(delete|remove|destroy|wipe|erase|drop|purge|format|truncate|overwrite|uninstall|shred)([._\-\s]|$)/i

/** Whether a target is a group or public: named so (`group:family`, `public`, `#general`, `@all`), or several in one. */
export const isMany = (target: string): boolean => many.test(target.trim()) || /[^\s,;][,;]\s*[^\s,;]/.test(target)

export interface Adjusters {
  readonly target: string | undefined
  readonly action: string
  /** How many things it touches. */
  readonly blast: number
  readonly irreversible: boolean
  readonly quiet: boolean
  readonly window: string | undefined
  readonly blastRadius: number
}

/** The base with every adjuster that applies, and why. */
export const adjust = (base: Risk, by: Adjusters): { readonly risk: Risk; readonly reasons: ReadonlyArray<string> } => {
  const reasons: Array<string> = []
  if (by.target !== undefined && isMany(by.target)) {
    reasons.push(`the target ${by.target} is a group or public: one more risk`)
  }
  if (by.irreversible) reasons.push("it can't be taken back: one more risk")
  else if (takesAway.test(by.action)) reasons.push(`${by.action} takes something away: one more risk`)
  if (by.blast > by.blastRadius) {
    const how = Number.isFinite(by.blast)
      ? `${by.blast} things, more than ${by.blastRadius}`
      : "nobody knows how many things"
    reasons.push(`it touches ${how}: one more risk`)
  }
  if (by.quiet) reasons.push(`quiet hours (${by.window ?? "now"}): one more risk`)
  return { risk: raised(base, reasons.length), reasons }
}

/** For untrusted content: one more, high at most; what is worse already stays. */
export const lift = (risk: Risk): Risk => risk === "critical" ? risk : risk === "high" ? risk : raised(risk, 1)

/**
 * Whether a call can act on the outside world. What is written in the host's own database, in the outcome's transaction,
 * stays inside; a read goes out where its input names an address.
 */
export const actsOutside = (
  { effect, guarantee }: Pick<ToolDefinition, "effect" | "guarantee">,
  json: unknown
): boolean => guarantee !== "transactional" && (effect !== "read" || hasAddress(json))
