/**
 * What a question may use: the budgets that hold for it, in the order in which they are told, and the sentences about them.
 * Pure. They are counted and held in the database (`reserve_completion` in `migrations/0006_completions.sql`).
 */
import { Schema } from "effect"
import { chainOf, type LlmSettings } from "../plugin/Settings.ts"
import { usdOf } from "./Price.ts"

/** The most that an answer is taken to use where nobody says, tokens. */
export const answerTokens = 1_500

/** One budget, as the database is asked about it. */
export interface Budget {
  /** The setting. */
  readonly budget: string
  readonly scope: "trace" | "task" | "day"
  readonly unit: "tokens" | "usd"
  readonly most: number
  /** What the question wants of it. */
  readonly wanted: number
  /** Of a day: from, and before; ISO 8601. */
  readonly since?: string
  readonly until?: string
  /** Only what this model used, by its name in the configuration. */
  readonly model?: string
}

/** There is no room for the question in a budget. Nobody was asked. */
export class BudgetReached extends Schema.TaggedError<BudgetReached>()("BudgetReached", {
  budget: Schema.String,
  scope: Schema.Literals(["trace", "task", "day"]),
  unit: Schema.Literals(["tokens", "usd"]),
  most: Schema.Finite,
  used: Schema.Finite,
  wanted: Schema.Finite,
  /** When the day ends. */
  until: Schema.optionalKey(Schema.String),
  model: Schema.optionalKey(Schema.String)
}) {
  override get message() {
    return sentenceOf(this)
  }
}

export type Reached = Pick<BudgetReached, "budget" | "scope" | "unit" | "most" | "used" | "wanted" | "until" | "model">

export const amount = (value: number, unit: Budget["unit"]): string =>
  unit === "tokens"
    ? `${value.toLocaleString("en")} tokens`
    : `$${value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 })}`

const byWhom = ({ model, scope }: Pick<Reached, "model" | "scope">): string =>
  scope === "day" ? model === undefined ? "today" : `by ${model} today` : `by this ${scope}`

/** What was used, and why there is no room, as a sentence without its stop. */
export const sentenceOf = (reached: Reached): string => {
  const { most, unit, used, wanted } = reached
  const left = used >= most ? "" : `, and the next question may take ${amount(wanted, unit)}`
  const shown = unit === "tokens" ? used.toLocaleString("en") : amount(used, unit)
  return `${shown} of ${amount(most, unit)} are used ${byWhom(reached)}${left}`
}

/** What the operator is asked. */
export const questionOf = ({ model, most, scope, unit }: Reached): string => {
  const budget = scope === "day" ? "Today's budget" : `The budget of this ${scope}`
  const of = model === undefined ? "for models" : `for ${model}`
  return `${budget} of ${amount(most, unit)} ${of} is used: may this task go on? yes or no`
}

/** What a question is taken to use. */
export interface Wanted {
  readonly input_tokens: number
  readonly output_tokens: number
}

/** One model that may be asked, and what holds for it. */
export interface Choice {
  readonly model: string
  /** Only this one is asked; else those after it, too. */
  readonly only: boolean
  readonly usd: number | undefined
  readonly budgets: ReadonlyArray<Budget>
}

export interface Day {
  readonly since: string
  readonly until: string
}

export interface BudgetPlan {
  /** The first for which there is room is asked. */
  readonly choices: ReadonlyArray<Choice>
  /** Of the models after the first: where there is no room, the model is left out. */
  readonly others: ReadonlyArray<Budget>
}

/** A budget that is configured. */
export type Limit = Pick<Budget, "budget" | "scope" | "unit" | "most" | "model">

/** All that are configured, in the order in which they are looked at. */
export const limitsOf = ({ models, ...budget }: LlmSettings["budget"]): ReadonlyArray<Limit> => {
  const limit = (name: string, scope: Limit["scope"], unit: Limit["unit"], most: number | undefined, model?: string) =>
    most === undefined ? [] : [{
      budget: `llm.budget.${name}`,
      scope,
      unit,
      most,
      ...(model === undefined ? {} : { model })
    }]
  return [
    ...limit("perTraceTokens", "trace", "tokens", budget.perTraceTokens),
    ...limit("perTaskTokens", "task", "tokens", budget.perTaskTokens),
    ...limit("perTaskUsd", "task", "usd", budget.perTaskUsd),
    ...limit("perDayTokens", "day", "tokens", budget.perDayTokens),
    ...limit("perDayUsd", "day", "usd", budget.perDayUsd),
    ...Object.entries(models).flatMap(([model, { perDayTokens, perDayUsd }]) => [
      ...limit(`models.${model}.perDayTokens`, "day", "tokens", perDayTokens, model),
      ...limit(`models.${model}.perDayUsd`, "day", "usd", perDayUsd, model)
    ])
  ]
}

/** Whom a question may be put to, and which budgets hold. `allowed`: the operator said that it may go over them. */
export const planOf = (llm: LlmSettings, wanted: Wanted, day: Day, allowed: boolean): BudgetPlan => {
  const limits = allowed ? [] : limitsOf(llm.budget)
  const tokens = wanted.input_tokens + wanted.output_tokens
  const asBudgets = (some: ReadonlyArray<Limit>, usd: number | undefined): ReadonlyArray<Budget> =>
    some.map((limit) => ({
      ...limit,
      wanted: limit.unit === "tokens" ? tokens : usd ?? 0,
      ...(limit.scope === "day" ? { since: day.since, until: day.until } : {})
    }))
  const own = (model: string, usd: number | undefined) => asBudgets(limits.filter((one) => one.model === model), usd)
  const chain = chainOf(llm).map(({ name, settings }) => ({ name, usd: usdOf(wanted, settings.price) }))
  const [first, ...rest] = chain
  if (first === undefined) return { choices: [], others: [] }
  const usual: Choice = {
    model: first.name,
    only: false,
    usd: first.usd,
    budgets: asBudgets(limits.filter(({ model }) => model === undefined || model === first.name), first.usd)
  }
  // A cheaper model needs no fewer tokens.
  const always = limits.filter(({ scope, unit }) => scope !== "day" && unit === "tokens")
  const below = rest.filter(({ usd }) => usd === undefined || first.usd === undefined || usd < first.usd)
  const byPrice = below.toSorted((a, b) => (a.usd ?? Infinity) - (b.usd ?? Infinity))
  const cheaper = llm.budget.atLimit !== "cheaper" || allowed ? [] : byPrice.map(({ name, usd }): Choice => ({
    model: name,
    only: true,
    usd,
    budgets: [...asBudgets(always, usd), ...own(name, usd)]
  }))
  return {
    choices: [usual, ...cheaper],
    others: rest.flatMap(({ name, usd }) => own(name, usd))
  }
}
