/**
 * Questions to models as the operator reads them: what was sent and answered, what it cost, and what is left of the budgets.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { CursorInvalid, openCursor, type Page, pageOf, type PageRequest, present, sealCursor } from "../audit/Page.ts"
import type { BudgetState, CompletionRecord, Cost, CostsBy, TraceCosts } from "../contract/Completion.ts"
import { isUuid } from "../database/Ids.ts"
import { Settings } from "../plugin/Settings.ts"
import { limitsOf } from "./Budget.ts"
import { dateIn, dayOf } from "./BudgetDay.ts"
import type { StoredRequest } from "./Completions.ts"

export interface CostsFilter {
  readonly since?: Date | undefined
  readonly until?: Date | undefined
}

export class CompletionLog extends Context.Service<CompletionLog, {
  /** The questions of a trace, oldest first; `undefined` for a trace that nobody knows. */
  readonly page: (
    trace_id: string,
    page: PageRequest
  ) => Effect.Effect<Page<CompletionRecord> | undefined, CursorInvalid | SqlError.SqlError>
  /** The newest days, the tasks that asked last (at most 500), or all models, the dearest first. */
  readonly costs: (by: CostsBy, filter: CostsFilter) => Effect.Effect<ReadonlyArray<Cost>, SqlError.SqlError>
  /** Every budget that is configured, as it is now. */
  readonly budgets: Effect.Effect<ReadonlyArray<BudgetState>, SqlError.SqlError>
}>()("syris/llm/CompletionLog") {
  static readonly layer = Layer.effect(CompletionLog, Effect.suspend(() => make))
}

/** What all questions of a trace used; nothing where there were none. */
export const costsOfTrace = Effect.fnUntraced(function*(trace_id: string) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ [K in keyof TraceCosts]: TraceCosts[K] | null } & { readonly questions: number }>`
    select count(*)::int as questions, sum(input_tokens)::float8 as input_tokens, sum(output_tokens)::float8 as output_tokens,
           sum(usd) as usd
    from completions where trace_id = ${trace_id}::uuid`
  return row === undefined || row.questions === 0 ? undefined : present(row) as TraceCosts
})

interface Row extends Omit<CompletionRecord, "asked_at" | "answered_at" | "messages" | "tools" | "usage"> {
  readonly asked_at: Date
  readonly answered_at: Date | null
  readonly request: StoredRequest
  readonly input_tokens: number
  readonly output_tokens: number
}

const toRecord = ({ answered_at, asked_at, input_tokens, output_tokens, request, ...row }: Row): CompletionRecord =>
  present({
    ...row,
    asked_at: asked_at.toISOString(),
    answered_at: answered_at?.toISOString() ?? null,
    messages: request.messages,
    tools: request.tools,
    usage: { input_tokens, output_tokens }
  }) as CompletionRecord

/** Of tasks. */
const most = 500

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const { llm, timezone } = yield* Settings

  const page = Effect.fnUntraced(function*(trace_id: string, { cursor, limit }: PageRequest) {
    const [after] = cursor === undefined ? [] : openCursor("completions", cursor) ?? [""]
    if (after !== undefined && !isUuid(after)) return yield* new CursorInvalid()
    const rows = yield* sql<Row>`
      select completion_id, purpose, trace_id, task_id, step_id, question, asked_at, answered_at, model, prompt_hash,
             request_hash, request, parts, answer, error, input_tokens, output_tokens, usd, latency_ms
      from completions
      where trace_id = ${trace_id}::uuid and (${after ?? null}::uuid is null or completion_id > ${after ?? null}::uuid)
      order by completion_id
      limit ${limit + 1}`
    if (rows.length === 0) {
      const [known] = yield* sql`
        select 1 from events where trace_id = ${trace_id}::uuid
        union all select 1 from audit_events where trace_id = ${trace_id}::uuid
        limit 1`
      if (known === undefined) return undefined
    }
    return pageOf(rows, limit, toRecord, (last) => sealCursor("completions", last.completion_id))
  })

  const between = ({ since, until }: CostsFilter) =>
    sql`(${since ?? null}::timestamptz is null or asked_at >= ${since ?? null})
        and (${until ?? null}::timestamptz is null or asked_at < ${until ?? null})`
  const sums = sql.literal(
    `count(*)::int as questions, sum(input_tokens)::float8 as input_tokens, sum(output_tokens)::float8 as output_tokens,
     coalesce(sum(usd), 0) as usd, (count(*) filter (where usd is null))::int as unpriced,
     (count(*) filter (where answered_at is null))::int as reserved`
  )

  /** The clocks of all zones differ by quarters of an hour. */
  const ofDays = Effect.fnUntraced(function*(filter: CostsFilter) {
    const rows = yield* sql<Omit<Cost, "key"> & { readonly quarter: Date }>`
      select date_bin('15 minutes', asked_at, '2000-01-01T00:00:00Z') as quarter, ${sums}
      from completions where ${between(filter)} group by 1 order by 1 desc`
    const days = new Map<string, Cost>()
    for (const { quarter, ...cost } of rows) {
      const key = dateIn(timezone, quarter.getTime())
      days.set(key, added({ ...(days.get(key) ?? nothing), key }, cost))
    }
    return [...days.values()]
  })

  const costs = (by: CostsBy, filter: CostsFilter): Effect.Effect<ReadonlyArray<Cost>, SqlError.SqlError> => {
    switch (by) {
      case "day":
        return ofDays(filter)
      case "model":
        return sql<Cost>`
          select model as key, ${sums} from completions where ${
          between(filter)
        } group by model order by usd desc, model`
      case "task":
        return Effect.map(
          sql<Cost>`
            select c.task_id as key, t.name, c.questions, c.input_tokens, c.output_tokens, c.usd, c.unpriced, c.reserved
            from (select task_id, max(completion_id::text) as last, ${sums}
                  from completions where ${between(filter)} group by task_id order by last desc limit ${most}) c
                 left join tasks t using (task_id)
            order by c.last desc`,
          (rows) => rows.map((row) => present(row) as Cost)
        )
    }
  }

  const budgets = Effect.gen(function*() {
    if (llm === undefined) return []
    const { since, until } = dayOf(timezone, yield* Clock.currentTimeMillis)
    const rows = yield* sql<{ readonly model: string; readonly tokens: number; readonly usd: number }>`
      select model, sum(input_tokens + output_tokens)::float8 as tokens, coalesce(sum(usd), 0) as usd
      from completions where asked_at >= ${since}::timestamptz and asked_at < ${until}::timestamptz group by model`
    return limitsOf(llm.budget).map(({ model, ...limit }): BudgetState => {
      if (limit.scope !== "day") return limit
      const used = rows.reduce(
        (sum, row) => model === undefined || row.model === model ? sum + row[limit.unit] : sum,
        0
      )
      return { ...limit, used, left: Math.max(0, limit.most - used), until }
    })
  })

  return CompletionLog.of({ page, costs, budgets })
})

type Sums = Omit<Cost, "key" | "name">
const nothing: Sums = { questions: 0, input_tokens: 0, output_tokens: 0, usd: 0, unpriced: 0, reserved: 0 }

const added = (cost: Cost, more: Sums): Cost => ({
  ...cost,
  questions: cost.questions + more.questions,
  input_tokens: cost.input_tokens + more.input_tokens,
  output_tokens: cost.output_tokens + more.output_tokens,
  usd: cost.usd + more.usd,
  unpriced: cost.unpriced + more.unpriced,
  reserved: cost.reserved + more.reserved
})
