/**
 * Reads the tool calls of the ledger, newest first.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { CursorInvalid, openCursor, type Page, pageOf, type PageRequest, present, sealCursor } from "../audit/Page.ts"
import type { ToolCallStatus } from "../contract/Enums.ts"
import type { ToolCall } from "../contract/ToolCall.ts"
import { isUuid } from "../database/Ids.ts"

export interface ToolCallFilter {
  readonly status?: ToolCallStatus
  readonly tool?: string
  readonly task_id?: string
  readonly trace_id?: string
}

export class ToolCallLog extends Context.Service<ToolCallLog, {
  /** Newest first. `limit` 1 to 500. */
  readonly page: (
    filter: ToolCallFilter,
    page: PageRequest
  ) => Effect.Effect<Page<ToolCall>, CursorInvalid | SqlError.SqlError>
  readonly byId: (tool_call_id: string) => Effect.Effect<ToolCall | undefined, SqlError.SqlError>
}>()("syris/tools/ToolCallLog") {
  static readonly layer = Layer.effect(ToolCallLog, Effect.suspend(() => make))
}

/** A row of `tool_calls` as it comes back. */
export interface SelectedCall extends Omit<ToolCall, "fence" | "created_at" | "resolved_at"> {
  readonly fence: bigint
  readonly created_at: Date
  readonly resolved_at: Date | null
}

export const callColumns = `
    c.tool_call_id, c.trace_id, c.event_id, c.task_id, c.step_id, c.tool, c.input, c.input_hash, c.idempotency_key,
    c.effect, c.guarantee, c.risk, c.autonomy, c.status, c.fence, c.attempts, c.output, c.error, c.latency_ms,
    c.created_at, c.resolved_at`

export const toToolCall = ({ input, ...row }: SelectedCall): ToolCall => ({
  ...present({
    ...row,
    fence: Number(row.fence),
    created_at: row.created_at.toISOString(),
    resolved_at: row.resolved_at === null ? null : row.resolved_at.toISOString()
  }),
  input
})

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const columns = sql.literal(callColumns)

  // Calls of a task are found through its trace, which has the index.
  const where = ({ status, task_id, tool, trace_id }: ToolCallFilter) => [
    ...(status === undefined ? [] : [sql`c.status   = ${status}`]),
    ...(tool === undefined ? [] : [sql`c.tool     = ${tool}`]),
    ...(trace_id === undefined ? [] : [sql`c.trace_id = ${trace_id}::uuid`]),
    ...(task_id === undefined ? [] : [
      sql`c.task_id  = ${task_id}::uuid`,
      sql`c.trace_id = (select t.trace_id from tasks t where t.task_id = ${task_id}::uuid)`
    ])
  ]

  // The few that nobody knows of have an index of their own; it is not in the order of the ids.
  const unknown = sql.literal(`(
      select u.tool_call_id from tool_calls u where u.status = 'unknown' offset 0
    )`)

  const page = Effect.fnUntraced(function*(filter: ToolCallFilter, { cursor, limit }: PageRequest) {
    const [before] = cursor === undefined ? [] : openCursor("call", cursor) ?? [""]
    if (before !== undefined && !isUuid(before)) return yield* new CursorInvalid()
    const conditions = sql.and([
      ...where(filter),
      ...(before === undefined ? [] : [sql`c.tool_call_id < ${before}::uuid`])
    ])
    const rows = filter.status === "unknown"
      ? yield* sql<SelectedCall>`
        select ${columns}
        from ${unknown} u
             cross join lateral (select * from tool_calls c where c.tool_call_id = u.tool_call_id and ${conditions} offset 0) c
        order by c.tool_call_id desc
        limit ${limit + 1}`
      : yield* sql<SelectedCall>`
        select ${columns}
        from tool_calls c
        where ${conditions}
        order by c.tool_call_id desc
        limit ${limit + 1}`
    return pageOf(rows, limit, toToolCall, (last) => sealCursor("call", last.tool_call_id))
  })

  const byId = (tool_call_id: string) =>
    sql<SelectedCall>`
      select ${columns}
      from tool_calls c
      where c.tool_call_id = ${tool_call_id}::uuid`.pipe(
      Effect.map(([row]) => row === undefined ? undefined : toToolCall(row))
    )

  return ToolCallLog.of({ page, byId })
})
