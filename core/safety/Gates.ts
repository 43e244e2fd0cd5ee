/**
 * Whether a call may run: risk × autonomy, then whether the channel was granted the tool's scopes.
 *
 * Pure and in memory: a decision asks nobody. Every reason is said, so that "why?" has an answer.
 */
import type { Autonomy, Risk, ToolEffect, Verdict } from "../contract/Enums.ts"

/** contracts §5: rows are the autonomy level, columns the risk. */
const matrix: Record<Autonomy, Record<Risk, Verdict>> = {
  A0: { low: "PREVIEW", medium: "PREVIEW", high: "PREVIEW", critical: "PREVIEW" },
  A1: { low: "CONFIRM", medium: "CONFIRM", high: "CONFIRM", critical: "HARD_BLOCK" },
  A2: { low: "ALLOW", medium: "CONFIRM", high: "CONFIRM", critical: "HARD_BLOCK" },
  A3: { low: "ALLOW", medium: "ALLOW", high: "CONFIRM", critical: "HARD_BLOCK" },
  A4: { low: "ALLOW", medium: "ALLOW", high: "ALLOW", critical: "CONFIRM" }
}

export interface GateQuestion {
  readonly effect: ToolEffect
  readonly risk: Risk
  readonly autonomy: Autonomy
}

export interface GateAnswer {
  readonly verdict: Verdict
  readonly reasons: ReadonlyArray<string>
}

/** Looking is not acting: a read of low risk is allowed at every level. */
export const decide = (question: GateQuestion): GateAnswer => {
  if (question.effect === "read" && question.risk === "low") {
    return { verdict: "ALLOW", reasons: ["a read of low risk is allowed at every level"] }
  }
  return {
    verdict: matrix[question.autonomy][question.risk],
    reasons: [`risk ${question.risk} at autonomy ${question.autonomy}`]
  }
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
