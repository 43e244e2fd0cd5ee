/**
 * `syris costs`: what questions to models have cost, by day, task or model, all of it together, and what is left of each budget
 * that is configured.
 */
import { Console, Effect, Option } from "effect"
import { Command, Flag, TerminalCapabilities } from "effect/cli"
import { type BudgetState, type Cost, costsBy } from "../contract/Completion.ts"
import { Client } from "./client.ts"
import { json } from "./flags.ts"
import { localTime, type Paints, paints, table } from "./layout.ts"
import { shortId } from "./list.ts"
import { clipped, visible, visibleJson } from "../contract/Visible.ts"

interface Answer {
  readonly by: string
  readonly costs: ReadonlyArray<Cost>
  readonly budgets: ReadonlyArray<BudgetState>
}

const dollars = (usd: number): string =>
  `$${usd.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 })}`

const count = (value: number): string => value.toLocaleString("en")

const total = (costs: ReadonlyArray<Cost>, of: (cost: Cost) => number): number =>
  costs.reduce((sum, cost) => sum + of(cost), 0)

const notes = ({ reserved, unpriced }: Pick<Cost, "reserved" | "unpriced">): string =>
  [
    ...(unpriced === 0 ? [] : [`${count(unpriced)} without a price`]),
    ...(reserved === 0 ? [] : [`${count(reserved)} without an answer`])
  ].join(", ")

const keyOf = (by: string, { key, name }: Cost): string =>
  by === "task" ? `${shortId(key)}  ${clipped(name ?? "", 40)}`.trimEnd() : clipped(key, 60)

const costLines = ({ by, costs }: Answer, paint: Paints): ReadonlyArray<string> => {
  const row = (key: string, cost: Omit<Cost, "key">): ReadonlyArray<string> => [
    key,
    count(cost.questions),
    count(cost.input_tokens),
    count(cost.output_tokens),
    dollars(cost.usd),
    notes(cost)
  ]
  const sum = {
    questions: total(costs, ({ questions }) => questions),
    input_tokens: total(costs, ({ input_tokens }) => input_tokens),
    output_tokens: total(costs, ({ output_tokens }) => output_tokens),
    usd: total(costs, ({ usd }) => usd),
    unpriced: total(costs, ({ unpriced }) => unpriced),
    reserved: total(costs, ({ reserved }) => reserved)
  }
  return table([
    [visible(by).toUpperCase(), "QUESTIONS", "INPUT", "OUTPUT", "COST", ""].map(paint.dim),
    ...costs.map((cost) => row(keyOf(by, cost), cost)),
    row("total", sum).map(paint.bold)
  ])
}

const budgetLines = (budgets: ReadonlyArray<BudgetState>, paint: Paints): ReadonlyArray<string> => {
  if (budgets.length === 0) return []
  const amount = (value: number, unit: string): string => unit === "usd" ? dollars(value) : `${count(value)} tokens`
  return [
    "",
    ...table([
      ["BUDGET", "OF", "LEFT", ""].map(paint.dim),
      ...budgets.map(({ budget, left, most, scope, unit, until }) => [
        visible(budget),
        amount(most, unit),
        left === undefined ? "" : left === 0 ? paint.red(amount(left, unit)) : amount(left, unit),
        until === undefined ? `for each ${scope}` : `until ${localTime(visible(until)).slice(0, 16)}`
      ])
    ])
  ]
}

export const costs = Command.make(
  "costs",
  {
    by: Flag.Literals("by", costsBy).pipe(
      Flag.withDescription("day, task or model"),
      Flag.withDefault("day" as const)
    ),
    since: Flag.String("since").pipe(
      Flag.withDescription("Only what was asked since then: 2026-11-01, or with a time in ISO 8601"),
      Flag.optional
    ),
    until: Flag.String("until").pipe(Flag.withDescription("Only what was asked before"), Flag.optional),
    json
  },
  Effect.fn(function*({ by, json, since, until }) {
    const client = yield* Client
    const { body } = yield* client.request("/costs", {
      query: { by, since: Option.getOrUndefined(since), until: Option.getOrUndefined(until) }
    })
    if (json) return yield* Console.log(visibleJson(body, 2))
    const answer = body as Answer
    const { canColor } = yield* TerminalCapabilities.TerminalCapabilities
    const paint = paints(canColor)
    const none = Option.isSome(since) || Option.isSome(until)
      ? "No model was asked then."
      : "No model has been asked yet."
    const lines = answer.costs.length === 0 ? [none] : costLines(answer, paint)
    for (const line of [...lines, ...budgetLines(answer.budgets, paint)]) yield* Console.log(line)
  })
).pipe(
  Command.provide(Client.layer),
  Command.withDescription(
    "Show what questions to models have cost, in tokens and dollars, and what is left of the budgets. What has no answer " +
      "counts as it was reserved. Days are those of the configured time zone."
  ),
  Command.withShortDescription("Show what models have cost"),
  Command.withExamples([
    { command: "syris costs" },
    { command: "syris costs --by model --since 2026-11-01" }
  ])
)
