/**
 * Stores events that become tasks: event, decision, task, steps and their audit rows are one statement and one commit,
 * shared by those that arrive together. A task that this host means to run is claimed and started in it.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { tellAudit, toldLists } from "../audit/Audit.ts"
import { keyRow, storeEvents } from "../database/EventStatements.ts"
import { stepColumns, stepLists, taskLists } from "../tasks/TaskRows.ts"
import type { Intent } from "./Intake.ts"
import { type HeldRules, heldRules, joinRules, oweRules, owedRules } from "./RuleIntake.ts"

/** `events` makes the CTE `stored`; `closed` is what becomes of the event's own row of `work`. */
const taskStatement = (events: string, closed: string): string => `
with ${events},
  decided as (
    insert into routing_decisions
    select d.* from json_populate_recordset(null::routing_decisions, $3::json) d
    where d.event_id in (select event_id from stored)
  ),
  made as materialized (
    select t.*, nextval('fence_seq') as fence, t.claim and not k.paused and exists (
             select 1 from hosts where host_id = $7::uuid and ended_at is null and lease_until > clock_timestamp()) as claimed
    from ${taskLists.from("$4", "t")}
         join stored s on s.event_id = t.trigger_event_id
         cross join control k
  ),
  tasked as (
    insert into tasks (task_id, trace_id, trigger_event_id, thread_id, name, kind, definition, input, status, priority,
                       labels, autonomy_at_start, created_at, updated_at)
    select task_id, trace_id, trigger_event_id, thread_id, name, kind, definition, input,
           case when claimed then 'running' else 'pending' end, priority, labels, autonomy_at_start, created_at, created_at
    from made
  ),
  stepped as (
    insert into steps (${stepColumns})
    select s.task_id, s.position, s.step_id, s.stage, s.name, s.kind,
           case when m.claimed and s.begins then 'running' else 'pending' end, s.attempt, s.max_attempts, s.retry, s.tool,
           s.input, coalesce(s.checkpoint, '{}'), s.output, s.error, s.ordinal, s.tool_call_id, s.wake_at,
           case when m.claimed and s.begins then m.created_at end, s.ended_at
    from ${stepLists.from("$5", "s")} join made m on m.task_id = s.task_id
  ),
  owed as (
    insert into work (work_id, kind, event_id, trace_id, priority, claimed_by, fence)
    select task_id, 'task', trigger_event_id, trace_id, priority, case when claimed then $7::uuid end, fence
    from made
  ),
  ${closed}
  ${oweRules("$8", "$7::uuid")},
  ${
  tellAudit(
    "$6",
    `case r.told_when when 'started' then r.event_id in (select trigger_event_id from made where claimed)
                      else r.event_id in (select event_id from stored) end`
  )
}
select s.event_id, m.fence, false as attempted, coalesce(m.claimed, false) as claimed, ${heldRules},
       -- With the commit: somebody else may have room.
       (select pg_notify('syris_work', '') from made where not claimed limit 1)::text as told
from stored s left join made m on m.trigger_event_id = s.event_id ${joinRules}`

export const acceptTaskStatement = taskStatement(storeEvents("$1", "$2"), "")

/** For an event that is stored and claimed already, under the fence of the claim. */
export const decideTaskStatement = taskStatement(
  `
  stored as materialized (
    select i.event_id, i.trace_id, i.thread_id
    from json_populate_recordset(null::events, $1::json) e
    join json_to_recordset($2::json) as x(event_id uuid, fence bigint) on x.event_id = e.event_id
    join work i on i.work_id = x.event_id and i.fence = x.fence and i.claimed_by = $7::uuid and i.tool_call_id is null
    for update of i
  )`,
  `
  closed as (
    delete from work i using made m where i.work_id = m.trigger_event_id
  ),`
)

export interface TaskStoredRow extends HeldRules {
  readonly event_id: string
  readonly fence: bigint | null
  readonly attempted: boolean
  readonly claimed: boolean
}

/** Runs one of the two statements for intents that have a task. `keys` are those of the events, or their claims. */
export const writeTasks = Effect.fnUntraced(function*(
  statement: string,
  intents: ReadonlyArray<Intent>,
  keys: ReadonlyArray<unknown>,
  hostId: string
) {
  const sql = yield* SqlClient.SqlClient
  const tasks = intents.flatMap(({ claim, task }) => task === undefined ? [] : [{ ...task, claim }])
  return yield* sql.unsafe<TaskStoredRow>(statement, [
    JSON.stringify(intents.map((intent) => intent.event)),
    JSON.stringify(keys),
    JSON.stringify(intents.flatMap((intent) => intent.decision ?? [])),
    taskLists.of(tasks.map(({ claim, task }) => ({ ...task, claim }))),
    stepLists.of(
      tasks.flatMap(({ begins, steps }) => steps.map((step) => ({ ...step, begins: begins.includes(step.position) })))
    ),
    toldLists(
      intents.flatMap(({ event, tellings }) =>
        tellings.map(({ row, told_when }) => ({ ...row, event_id: event.event_id, told_when }))
      )
    ),
    hostId,
    owedRules(intents)
  ])
})

/** What this host stored in a statement whose answer it never heard. */
export const ownTasks = Effect.fnUntraced(function*(intents: ReadonlyArray<Intent>, hostId: string) {
  const sql = yield* SqlClient.SqlClient
  const ids = intents.flatMap(({ task }) => task === undefined ? [] : [task.task.task_id])
  return yield* sql<TaskStoredRow>`
    select t.trigger_event_id as event_id, coalesce(w.fence, 0) as fence, false as attempted,
           coalesce(w.claimed_by = ${hostId}::uuid and w.checkpoint = 0, false) as claimed
    from tasks t left join work w on w.work_id = t.task_id
    where t.task_id = any(${ids}::uuid[])`
})

export const acceptTasks = (intents: ReadonlyArray<Intent>, hostId: string) =>
  writeTasks(acceptTaskStatement, intents, intents.flatMap(keyRow), hostId)
