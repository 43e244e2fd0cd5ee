/**
 * The question of the host's own whether a task may go over a budget (`llm.budget.atLimit: "ask"`): how it is known again,
 * and what was said to it. It is a step of kind `llm_decide` whose checkpoint names the budget; no model was asked. Pure.
 *
 * - There is one such question in a task at most. Only a plain yes is a yes.
 * - Only who speaks for the operator is asked: nobody else spends the operator's money.
 */
import { decidedBy } from "./LlmSteps.ts"
import type { StepRow } from "./TaskRows.ts"

/** The budget about which the operator was asked; nothing for a step in which a model decided. */
export const askedOver = (step: StepRow): string | undefined =>
  (step.checkpoint as { readonly asks_over?: string } | undefined)?.asks_over

export interface Consent {
  /** The position of the question. */
  readonly position: number
  readonly budget: string
  /** Nothing: it is still open, or nobody said anything for a day. */
  readonly allowed: boolean | undefined
}

const isYes = (answer: string): boolean => /^\s*yes\s*[.!]*\s*$/i.test(answer)

/** What the operator was asked in a task and said; nothing where there was no such question. */
export const consentOf = (steps: Iterable<StepRow>): Consent | undefined => {
  const all = [...steps]
  const asked = all.find((step) => askedOver(step) !== undefined)
  if (asked === undefined) return undefined
  const wait = all.find((step) => step.kind === "wait" && decidedBy(step) === asked.position)
  const answer = (wait?.output as { readonly answer?: string } | undefined)?.answer
  return {
    position: asked.position,
    budget: askedOver(asked) ?? "",
    allowed: answer === undefined ? undefined : isYes(answer)
  }
}
