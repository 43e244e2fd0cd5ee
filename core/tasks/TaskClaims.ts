/**
 * Claims of tasks that change hands: given back by a host that can't go on, taken from one that has ended.
 */
import { Clock, Effect, Schedule } from "effect"
import { SqlClient } from "effect/sql"
import { appendRows, type Audit } from "../audit/Audit.ts"
import type { WorkRow } from "../pipeline/WorkQueue.ts"
import { taskFact } from "./TaskFacts.ts"

/** Gives claims back as soon as the database is there again. What it does not hear of is found forgotten. */
export const giveBackClaims = Effect.fnUntraced(function*(
  hostId: string,
  claims: ReadonlyArray<Pick<WorkRow, "work_id" | "fence">>,
  stopping: () => boolean
) {
  const sql = yield* SqlClient.SqlClient
  yield* sql.unsafe(
    `update work w
     set claimed_by = null, parked = coalesce(w.wish = 'pause', false), due_at = clock_timestamp(),
         waits_for = case when w.wish = 'pause' then 'pause' end
     from unnest($2::uuid[], $3::bigint[]) as x(work_id, fence)
     where w.work_id = x.work_id and w.fence = x.fence and w.claimed_by = $1::uuid`,
    [hostId, claims.map(({ work_id }) => work_id), claims.map(({ fence }) => fence)]
  ).pipe(Effect.retry({ schedule: Schedule.spaced("500 millis"), times: 10, while: () => !stopping() }))
})

/** In the transaction that takes tasks away from a host that has ended: they wait for their turn, and it is told. */
export const tellInterrupted = Effect.fnUntraced(function*(rows: ReadonlyArray<WorkRow>, audit: Audit["Service"]) {
  const sql = yield* SqlClient.SqlClient
  const tasks = yield* sql<{
    readonly task_id: string
    readonly trace_id: string
    readonly trigger_event_id: string
    readonly name: string
  }>`
    update tasks set status = 'pending', updated_at = clock_timestamp()
    where task_id = any(${rows.map((row) => row.work_id)}::uuid[]) and status = 'running'
    returning task_id, trace_id, trigger_event_id, name`
  if (tasks.length === 0) return
  const at = new Date(yield* Clock.currentTimeMillis)
  yield* appendRows(
    tasks.map((task) =>
      audit.row(taskFact("task.interrupted", task, at, `${task.name} was interrupted: the host that ran it ended.`))
    )
  )
})

/** What is wished of claimed tasks, as the messages say it: `cancel <id>`. */
export const wishesOf = Effect.fnUntraced(function*(ids: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly work_id: string; readonly wish: string }>`
    select work_id, wish from work where work_id = any(${ids}::uuid[]) and wish is not null`
  return rows.map(({ wish, work_id }) => `${wish} ${work_id}`)
})
