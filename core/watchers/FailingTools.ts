/**
 * Tools that fail again and again: five calls or more in the last ten minutes, and none that succeeded after them. Over with
 * a success, or when nothing has failed for half an hour.
 *
 * Calls are found by their ids, which begin with the time: no more is read than these minutes.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { keepInLine, unresolved } from "./StandingAlarms.ts"

export const failingAlarm = "tool.failing"
const keyPrefix = "tool:"
export const failingAlarmKey = (tool: string): string => `${keyPrefix}${tool}`

const failures = 5
const within = "10 minutes"
const quietFor = "30 minutes"

interface Failing {
  readonly tool: string
  readonly failed: number
  readonly tool_call_id: string
  readonly message: string | null
}

const findFailing = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Failing>`
    with recent as materialized (
      select tool, status, resolved_at, tool_call_id, error ->> 'message' as message
      from tool_calls
      where tool_call_id >= uuid_floor(now() - ${within}::interval) and status in ('failed', 'succeeded')
    )
    select f.tool, count(*)::int as failed,
           (array_agg(f.tool_call_id order by f.resolved_at desc))[1] as tool_call_id,
           (array_agg(f.message order by f.resolved_at desc))[1] as message
    from recent f
         left join (select tool, max(resolved_at) as at from recent where status = 'succeeded' group by tool) s
                on s.tool = f.tool
    where f.status = 'failed' and (s.at is null or f.resolved_at > s.at)
    group by f.tool
    having count(*) >= ${failures}`
})

/** The keys of the alarms whose tool has not succeeded since and has failed in the last half hour. */
const findLasting = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly dedupe_key: string }>`
    select a.dedupe_key
    from alarms a join tool_calls c on c.tool = substr(a.dedupe_key, ${keyPrefix.length + 1}::int)
    where a.status <> 'resolved' and a.type = ${failingAlarm}
      and c.tool_call_id >= uuid_floor(now() - ${quietFor}::interval) and c.status in ('failed', 'succeeded')
    group by a.dedupe_key
    having bool_or(c.status = 'failed') and not bool_or(c.status = 'succeeded' and c.resolved_at > a.opened_at)`
  return rows.map(({ dedupe_key }) => dedupe_key)
})

export const lookForFailingTools = Effect.gen(function*() {
  const failing = yield* findFailing
  const open = yield* unresolved(failingAlarm)
  const lasting = open.length === 0 ? [] : yield* findLasting
  yield* keepInLine(
    failingAlarm,
    failing.map(({ failed, message, tool, tool_call_id }) => ({
      severity: "error",
      dedupe_key: failingAlarmKey(tool),
      message: `${tool} has failed ${failed} times in a row, at last with: ${(message ?? "no reason").slice(0, 500)} ` +
        `See its calls with \`syris audit --type tool_call.failed\`, and repair what it needs.`,
      refs: { tool_call_id }
    })),
    (key) => lasting.includes(key)
  )
})
