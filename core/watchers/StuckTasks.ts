/**
 * Tasks that run, are held and wait for nothing, and have written no checkpoint for too long. A call that is under way and
 * has not reached its deadline is waited for.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { keepInLine } from "./StandingAlarms.ts"

export const stuckAlarm = "task.stuck"
export const stuckAlarmKey = (task_id: string): string => `task:${task_id}`

/** More at once say no more. */
const most = 100

export const lookForStuckTasks = Effect.fnUntraced(function*(afterSeconds: number) {
  const sql = yield* SqlClient.SqlClient
  const stuck = yield* sql<{ readonly task_id: string; readonly name: string; readonly last_at: Date }>`
    select t.task_id, t.name, greatest(t.updated_at, s.last_at) as last_at
    from work w
         join tasks t on t.task_id = w.work_id
         cross join lateral (
           select max(greatest(s.started_at, s.ended_at)) as last_at from steps s where s.task_id = t.task_id) s
    where w.kind = 'task' and w.claimed_by is not null and not w.parked and w.waits_for is null
      and t.status = 'running'
      and greatest(t.updated_at, s.last_at) < clock_timestamp() - make_interval(secs => ${afterSeconds}::float8)
      and not exists (
            select 1
            from steps p join tool_calls c on c.tool_call_id = p.tool_call_id
            where p.task_id = t.task_id and c.status = 'attempted' and c.deadline_at > clock_timestamp())
    order by last_at
    limit ${most}`
  yield* keepInLine(
    stuckAlarm,
    stuck.map(({ last_at, name, task_id }) => ({
      severity: "warning",
      dedupe_key: stuckAlarmKey(task_id),
      message:
        `The task ${name} runs and has got no further since ${last_at.toISOString()}. See where it stands with ` +
        `\`syris task ${task_id}\`, and cancel it where it will not end.`,
      refs: { task_id }
    }))
  )
})
