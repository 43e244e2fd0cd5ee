/**
 * The setting `llm.budget` after it was checked: what questions to models may use, and what happens at the limit.
 */
import { Schema } from "effect"
import { unknownKey } from "./Explain.ts"
import { Count, UsdAboveZero } from "./SettingChecks.ts"

/** `stop`: the task ends. `cheaper`: a cheaper model is asked. `ask`: the operator is. */
export type AtLimit = "stop" | "cheaper" | "ask"

/** What one model may use in a day. */
export interface ModelBudget {
  readonly perDayTokens?: number | undefined
  readonly perDayUsd?: number | undefined
}

/** A day is one of the operator's time zone. */
export interface BudgetSettings extends ModelBudget {
  /** Of all questions of one trace. */
  readonly perTraceTokens: number
  readonly perTaskTokens?: number | undefined
  readonly perTaskUsd?: number | undefined
  /** By the models' names in the configuration. */
  readonly models: Readonly<Record<string, ModelBudget>>
  readonly atLimit: AtLimit
}

const optional = Schema.optional
const day = { perDayTokens: optional(Count), perDayUsd: optional(UsdAboveZero) }
// No literals: the library would tell an object with a wrong one that it is no object at all.
const AtLimitSetting = Schema.String.check(
  Schema.isPattern(/^(stop|cheaper|ask)$/, { expected: "\"stop\", \"cheaper\" or \"ask\"" })
)

export const BudgetSetting = Schema.Struct({
  ...day,
  perTraceTokens: optional(Count),
  perTaskTokens: optional(Count),
  perTaskUsd: optional(UsdAboveZero),
  models: optional(Schema.Record(Schema.String, Schema.Struct(day))),
  atLimit: optional(AtLimitSetting)
})
type Given = typeof BudgetSetting.Type

export const readBudget = (
  { atLimit, models = {}, perTraceTokens = 200_000, ...rest }: Given = {}
): BudgetSettings => ({
  ...rest,
  perTraceTokens,
  models,
  atLimit: (atLimit as AtLimit | undefined) ?? "stop"
})

/** The setting for which the host has to know what every model costs, or nothing. */
export const needsPrices = (budget: Given = {}): string | undefined =>
  budget.perDayUsd !== undefined
    ? "llm.budget.perDayUsd"
    : budget.perTaskUsd !== undefined
    ? "llm.budget.perTaskUsd"
    : undefined

/** What is wrong with the budgets of single models, or nothing. `chain` has those that are asked. */
export const mistakeInModels = (
  { models }: BudgetSettings,
  chain: ReadonlyArray<{ readonly name: string; readonly priced: boolean }>
): string | undefined => {
  for (const [name, { perDayUsd }] of Object.entries(models)) {
    const model = chain.find((one) => one.name === name)
    const place = `llm.budget.models.${name}`
    if (model === undefined) {
      return unknownKey(place, chain.map((one) => one.name), "setting", name)
    }
    if (perDayUsd !== undefined && !model.priced) {
      return `the setting "${place}.perDayUsd" needs a price of that model, so that the host knows what an answer costs: ` +
        "give price: { inputPerMillion, outputPerMillion }, or remove it"
    }
  }
  return undefined
}
