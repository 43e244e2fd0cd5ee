/**
 * What the operator does with a task: cancel, pause, resume, retry. Each is one transaction that locks the task's row of
 * `work` first, as whoever runs the task does: so a race has one winner (`TaskState.ts`).
 */
import { Clock, Context, Effect, Layer, Schedule, Schema } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { appendRows, Audit, type AuditRow, type Fact, toRow } from "../audit/Audit.ts"
import type { Autonomy, Risk, TaskStatus } from "../contract/Enums.ts"
import { isRolledBack } from "../database/Transient.ts"
import { responseFact } from "../pipeline/Responder.ts"
import { callFact } from "./TaskFacts.ts"
import type { TaskRow } from "./TaskRows.ts"
import { mayFollow, taskMoves } from "./TaskState.ts"

/** Nobody knows such a task. */
export class TaskNotFound extends Schema.TaggedError<TaskNotFound>()("TaskNotFound", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** The task is in a state that forbids the move; `detail` is a sentence that says which. */
export class TaskMoveRefused
  extends Schema.TaggedError<TaskMoveRefused>()("TaskMoveRefused", { detail: Schema.String })
{
  override get message() {
    return this.detail
  }
}

type Move<R = SqlClient.SqlClient> = Effect.Effect<void, TaskNotFound | TaskMoveRefused | SqlError.SqlError, R>

/** Makes the audit row of a fact. */
type RowOf = (fact: Fact) => AuditRow

interface LockedTask {
  readonly task_id: string
  readonly trace_id: string
  readonly trigger_event_id: string
  readonly name: string
  readonly status: TaskStatus
  readonly kind: TaskRow["kind"]
  readonly priority: number
  readonly held: boolean
  readonly channel: string
}

interface EndedCall {
  readonly tool_call_id: string
  readonly step_id: string
  readonly tool: string
  readonly risk: Risk
  readonly autonomy: Autonomy
  readonly status: "canceled" | "failed"
}

/** The channel on which the hosts tell one another of a task; its messages are `cancel <id>`, `pause <id>`, `resume <id>`. */
export const taskChannel = "syris_task"

const said: Record<TaskStatus, string> = {
  pending: "waits for its turn",
  running: "is running",
  waiting: "is waiting",
  paused: "is paused",
  succeeded: "has succeeded",
  failed: "has failed",
  canceled: "was canceled"
}

const refuse = (task: LockedTask, verb: string) =>
  new TaskMoveRefused({ detail: `The task "${task.name}" ${said[task.status]}: it can't be ${verb}.` })

const lock = Effect.fnUntraced(function*(task_id: string) {
  const sql = yield* SqlClient.SqlClient
  const [work] = yield* sql<{ readonly held: boolean }>`
    select claimed_by is not null as held from work where work_id = ${task_id} for update`
  const [task] = yield* sql<LockedTask>`
    select t.task_id, t.trace_id, t.trigger_event_id, t.name, t.status, t.kind, t.priority,
           ${work?.held ?? false}::boolean as held,
           coalesce((select e.channel from events e where e.event_id = t.trigger_event_id), '') as channel
    from tasks t where t.task_id = ${task_id} for update of t`
  if (task === undefined) return yield* new TaskNotFound({ detail: `There is no task ${task_id}.` })
  return task
})

const fact = Effect.fnUntraced(function*(
  type: Fact["type"],
  task: LockedTask,
  summary: string,
  data: Record<string, unknown> = {}
) {
  return {
    type,
    trace_id: task.trace_id,
    at: new Date(yield* Clock.currentTimeMillis),
    summary,
    refs: { task_id: task.task_id, event_id: task.trigger_event_id },
    actor: "operator",
    data
  } satisfies Fact
})

/** Ends a task: nothing of it begins any more. A call that is under way is still awaited and told. */
export const cancelTask = Effect.fnUntraced(
  function*(task_id: string, reason: string | undefined, rowOf: RowOf = toRow): Effect.fn.Return<
    void,
    TaskNotFound | TaskMoveRefused | SqlError.SqlError,
    SqlClient.SqlClient
  > {
    const sql = yield* SqlClient.SqlClient
    const task = yield* lock(task_id)
    if (!mayFollow(taskMoves, task.status, "canceled")) return yield* refuse(task, "canceled")
    const told = yield* fact(
      "task.canceled",
      task,
      reason === undefined ? `${task.name} was canceled.` : `${task.name} was canceled: ${reason}`.slice(0, 500),
      reason === undefined ? {} : { reason }
    )
    yield* sql`
      update tasks set status = 'canceled', cancel_reason = ${
      reason ?? null
    }, next_wake_at = null, updated_at = ${told.at}
      where task_id = ${task_id}`
    const error = { code: "task.canceled", message: "Its task was canceled.", retryable: false }
    const ended = yield* sql<EndedCall>`
      update tool_calls c
      set status = case when c.attempts = 0 then 'canceled' else 'failed' end, error = ${JSON.stringify(error)}::jsonb,
          resolved_at = clock_timestamp()
      from steps s
      where s.task_id = ${task_id} and c.tool_call_id = s.tool_call_id and c.status = 'planned' and c.open_attempts = 0
        -- One that is running may be under way, and without an intent: whoever holds it knows.
        and s.status <> 'running'
      returning c.tool_call_id, s.step_id, c.tool, c.risk, c.autonomy, c.status`
    const open = yield* sql<{ readonly position: number }>`
      select s.position from steps s left join tool_calls c on c.tool_call_id = s.tool_call_id
      where s.task_id = ${task_id} and (s.status = 'running' or c.status in ('planned', 'attempted', 'unknown'))`
    yield* sql`
      update steps set status = 'skipped', wake_at = null, ended_at = clock_timestamp()
      where task_id = ${task_id} and status in ('pending', 'waiting')
        and position <> all(${open.map((step) => step.position)}::int[])`
    // Somebody who holds it, or a call whose outcome is still owed, closes it.
    yield* task.held
      ? sql`update work set wish = 'cancel' where work_id = ${task_id}`
      : open.length > 0
      ? sql`
        update work set wish = 'cancel', parked = false, waits_for = null, due_at = clock_timestamp()
        where work_id = ${task_id}`
      : sql`delete from work where work_id = ${task_id}`
    // Only the chat is told: whoever wrote from elsewhere did not cancel it.
    const by = task.channel === "chat" ? "chat" : undefined
    yield* sql`
      insert into settlements (event_id, trace_id, lane, outcome, reply, settled_at, answer_by)
      select ${task.trigger_event_id}, ${task.trace_id}, coalesce((select lane from routing_decisions
               where event_id = ${task.trigger_event_id}), 'task'), 'failed', ${told.summary}, ${told.at}, ${
      by ?? null
    }::text
      on conflict (event_id) do update
      set outcome = excluded.outcome, reply = excluded.reply, settled_at = excluded.settled_at,
          answer_by = excluded.answer_by`
    const settled = { answer_by: by, outcome: "failed" as const, reply: told.summary }
    const response = responseFact({ ...task, event_id: task.trigger_event_id }, settled, told.at, task_id)
    yield* appendRows([
      rowOf(told),
      ...(response === undefined ? [] : [rowOf(response)]),
      ...ended.map((call) => rowOf(callFact(`tool_call.${call.status}`, task, call.step_id, call, told.at, error)))
    ])
    yield* sql`select pg_notify(${taskChannel}, ${`cancel ${task_id}`}), pg_notify('syris_work', '')`
  }
)

/** Nothing of the task begins until it is resumed. A call that is under way is still awaited, and its outcome kept. */
export const pauseTask = Effect.fnUntraced(
  function*(task_id: string, rowOf: RowOf = toRow): Effect.fn.Return<
    void,
    TaskNotFound | TaskMoveRefused | SqlError.SqlError,
    SqlClient.SqlClient
  > {
    const sql = yield* SqlClient.SqlClient
    const task = yield* lock(task_id)
    if (!mayFollow(taskMoves, task.status, "paused")) return yield* refuse(task, "paused")
    const told = yield* fact("task.paused", task, `${task.name} is paused.`)
    yield* sql`update tasks set status = 'paused', updated_at = ${told.at} where task_id = ${task_id}`
    yield* task.held
      ? sql`update work set wish = 'pause' where work_id = ${task_id}`
      : sql`update work set wish = 'pause', parked = true, waits_for = 'pause' where work_id = ${task_id}`
    yield* appendRows([rowOf(told)])
    yield* sql`select pg_notify(${taskChannel}, ${`pause ${task_id}`})`
  }
)

export const resumeTask = Effect.fnUntraced(
  function*(task_id: string, rowOf: RowOf = toRow): Effect.fn.Return<
    void,
    TaskNotFound | TaskMoveRefused | SqlError.SqlError,
    SqlClient.SqlClient
  > {
    const sql = yield* SqlClient.SqlClient
    const task = yield* lock(task_id)
    if (task.status !== "paused") return yield* refuse(task, "resumed")
    const told = yield* fact("task.resumed", task, `${task.name} goes on.`)
    yield* sql`
      update tasks set status = ${
      task.held ? "running" : "pending"
    }, updated_at = ${told.at} where task_id = ${task_id}`
    yield* sql`
      update work set wish = null, parked = false, waits_for = null, due_at = clock_timestamp() where work_id = ${task_id}`
    yield* appendRows([rowOf(told)])
    yield* sql`select pg_notify(${taskChannel}, ${`resume ${task_id}`}), pg_notify('syris_work', '')`
  }
)

/** All but the calls that a model chose. */
const notHeard = "not (kind = 'tool' and checkpoint ? 'decided_by')"

/** Which failed steps are done anew: a model, and code that went on after a failure, have taken note of the others. */
const failedAt: Record<TaskRow["kind"], string> = {
  steps: notHeard,
  llm_plan: notHeard,
  code: "position = (select (t.error -> 'details' ->> 'position')::int from tasks t where t.task_id = steps.task_id)"
}

/** A task that failed is done on from where it failed: what succeeded stays, each failed step is a new call. */
export const retryTask = Effect.fnUntraced(
  function*(task_id: string, rowOf: RowOf = toRow): Effect.fn.Return<
    void,
    TaskNotFound | TaskMoveRefused | SqlError.SqlError,
    SqlClient.SqlClient
  > {
    const sql = yield* SqlClient.SqlClient
    const task = yield* lock(task_id)
    if (task.status !== "failed") return yield* refuse(task, "retried")
    const told = yield* fact("task.retried", task, `${task.name} is tried again.`)
    yield* sql`
      update steps
      set status = 'pending', attempt = 0, error = null, output = null, wake_at = null, started_at = null, ended_at = null,
          ordinal = ordinal + (status = 'failed')::int,
          tool_call_id = case when status = 'failed' then null else tool_call_id end
      where task_id = ${task_id} and (status = 'skipped' or (status = 'failed' and ${
      sql.literal(failedAt[task.kind])
    }))`
    yield* sql`
      update tasks set status = 'pending', error = null, next_wake_at = null, updated_at = ${told.at}
      where task_id = ${task_id}`
    yield* sql`
      insert into work (work_id, kind, event_id, trace_id, priority, fence)
      values (${task_id}, 'task', ${task.trigger_event_id}, ${task.trace_id}, ${task.priority}, nextval('fence_seq'))`
    yield* appendRows([rowOf(told)])
    yield* sql`select pg_notify('syris_work', '')`
  }
)

export class TaskCommands extends Context.Service<TaskCommands, {
  readonly cancel: (task_id: string, reason?: string) => Move<never>
  readonly pause: (task_id: string) => Move<never>
  readonly resume: (task_id: string) => Move<never>
  readonly retry: (task_id: string) => Move<never>
}>()("syris/tasks/TaskCommands") {
  static readonly layer = Layer.effect(
    TaskCommands,
    Effect.gen(function*() {
      const audit = yield* Audit
      const sql = yield* SqlClient.SqlClient
      const inTransaction = (move: Move): Move<never> =>
        sql.withTransaction(move).pipe(
          Effect.provideService(SqlClient.SqlClient, sql),
          Effect.retry({ schedule: Schedule.exponential("20 millis"), times: 3, while: isRolledBack })
        )
      return TaskCommands.of({
        cancel: (task_id, reason) => inTransaction(cancelTask(task_id, reason, audit.row)),
        pause: (task_id) => inTransaction(pauseTask(task_id, audit.row)),
        resume: (task_id) => inTransaction(resumeTask(task_id, audit.row)),
        retry: (task_id) => inTransaction(retryTask(task_id, audit.row))
      })
    })
  )
}
