/** Money, tokens and budgets as a person reads them. */
import type { BudgetState, Cost } from "syris/records"
import type { Tone } from "../../parts/Badge.tsx"
import { number } from "../../parts/counted.ts"

const cents = new Intl.NumberFormat("en", { style: "currency", currency: "USD" })
const small = new Intl.NumberFormat("en", { style: "currency", currency: "USD", maximumSignificantDigits: 2 })

/** US dollars; less than a cent with two digits that count. */
export const money = (usd: number): string =>
  usd === 0 || usd >= 0.01 ? cents.format(usd) : usd < 0.0001 ? "under $0.0001" : small.format(usd)

export const tokens = number

/** The price of a row, and what is not in it. */
export const costInWords = ({ questions, unpriced, usd }: Pick<Cost, "questions" | "unpriced" | "usd">): string => {
  if (unpriced === 0) return money(usd)
  return unpriced >= questions ? "no price known" : `${money(usd)} and ${unpriced} without a price`
}

/** `llm.budget.models.small.perDayUsd` is of the model `small`. */
const modelOf = (budget: string): string | undefined => /^llm\.budget\.models\.(.+)\.[^.]+$/s.exec(budget)?.[1]

export interface BudgetWords {
  readonly name: string
  /** One sentence. */
  readonly words: string
  /** How much of it is used, 0 to 1; only of a day's. */
  readonly part: number | undefined
  readonly tone: Tone
}

const scopes: Readonly<Record<BudgetState["scope"], string>> = { trace: "One trace", task: "One task", day: "Today" }

export const budgetInWords = ({ budget, left, most, scope, unit, used }: BudgetState): BudgetWords => {
  const amount = (value: number) => unit === "usd" ? money(value) : `${tokens(value)} tokens`
  const model = modelOf(budget)
  const name = `${scopes[scope]}, ${unit === "usd" ? "money" : "tokens"}${
    model === undefined ? "" : `, model ${model}`
  }`
  if (used === undefined || left === undefined) {
    return { name, words: `At most ${amount(most)} each.`, part: undefined, tone: "plain" }
  }
  const part = most === 0 ? 1 : used / most
  return {
    name,
    words: left <= 0
      ? `Used up: ${amount(used)} of ${amount(most)}.`
      : `${amount(left)} left of ${amount(most)}; ${amount(used)} used.`,
    part,
    tone: part >= 1 ? "bad" : part >= 0.8 ? "warn" : "good"
  }
}
