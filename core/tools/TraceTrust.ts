/**
 * How far what a call makes can be trusted: the worst of all that is in its trace, and of the call itself. What a task makes
 * was not said by the operator word by word.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Trust } from "../contract/Enums.ts"
import type { ToolContext } from "../plugin/Tool.ts"
import { worstOf } from "../safety/Provenance.ts"

export const trustOfMade = Effect.fnUntraced(function*({ taskId, traceId, trust }: ToolContext) {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql<{ readonly trust: Trust }>`
    select e.trust from events e where e.trace_id = ${traceId}::uuid
    union
    select c.labels ->> 'trust' from tool_calls c
    where c.trace_id = ${traceId}::uuid and c.labels ->> 'trust' is not null`
  return worstOf([trust, ...found.map((row) => row.trust), ...(taskId === undefined ? [] : ["trusted" as const])])
})
