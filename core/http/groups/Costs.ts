/** What questions to models have cost, and what is left of the budgets. */
import { Effect, Schema } from "effect"
import { HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { BudgetState, Cost, costsBy } from "../../contract/Completion.ts"
import { CompletionLog } from "../../llm/CompletionLog.ts"
import { Redactor } from "../../secrets/Redactor.ts"
import type { Api } from "../Api.ts"
import { answer, reading } from "../Checked.ts"
import { Instant } from "../Query.ts"

const By = Schema.Literals(costsBy)
const Costs = Schema.Struct({
  by: By,
  costs: Schema.Array(Cost.annotate({ identifier: "Cost" })),
  budgets: Schema.Array(BudgetState.annotate({ identifier: "BudgetState" }))
})

export class CostsGroup extends HttpApiGroup.make("costs").add(
  HttpApiEndpoint.get("list", "/costs", {
    query: { by: Schema.optionalKey(By), since: Instant, until: Instant },
    success: Costs
  }).annotateMerge(OpenApi.annotations({
    summary: "What models have cost",
    description:
      "By `day` (without `by`), by the clock of the configured time zone, the newest first; by `task`, the 500 that asked " +
      "last; by `model`. What has no answer counts as it was reserved."
  }))
) {}

export const costsHandlers = (api: Api) =>
  HttpApiBuilder.group(
    api,
    "costs",
    Effect.fnUntraced(function*(handlers) {
      const log = yield* CompletionLog
      const redactor = yield* Redactor
      return handlers.handle("list", ({ query: { by = "day", ...filter } }) =>
        reading(
          Effect.map(
            Effect.all([log.costs(by, filter), log.budgets]),
            ([costs, budgets]) => answer(Costs, { by, costs: redactor.redactJson(costs), budgets })
          )
        ))
    })
  )
