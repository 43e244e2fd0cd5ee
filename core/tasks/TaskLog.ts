/**
 * Reads tasks and their steps.
 *
 * Tasks that have not ended are found through `work`, which has no others: beside millions of ended ones they cost what
 * they are themselves. Everything else goes by the id, newest first; what has no index is looked for among them in bounded pages
 * (`Search.ts`).
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import {
  type Asked,
  CursorInvalid,
  openCursor,
  pageOf,
  type PageRequest,
  present,
  sealCursor,
  statusesOf
} from "../audit/Page.ts"
import { inStep, type Looked, search, type SearchPage, type Step as SearchStep } from "../audit/Search.ts"
import { TaskStatus } from "../contract/Enums.ts"
import type { Step, Task } from "../contract/Task.ts"
import { isUuid } from "../database/Ids.ts"
import { makeIdsWithin } from "../database/IdTimes.ts"
import { endedTask } from "./TaskState.ts"

export interface TaskFilter {
  /** `open`: any status that something leads out of by itself or that waits; `ended`: the others. */
  readonly status?: Asked<TaskStatus> | ReadonlyArray<Asked<TaskStatus>>
  /** An element of the list of labels, or a key or a value of them. */
  readonly label?: string
  readonly trace_id?: string
  readonly since?: Date
  readonly until?: Date
}

/** How far a task is. */
export interface TaskProgress {
  /** Steps that succeeded. */
  readonly done: number
  /** All steps that there are so far. */
  readonly steps: number
  /** The name of the first step that is neither done nor skipped. */
  readonly step?: string
}

export interface ListedTask extends Task {
  readonly progress: TaskProgress
}

export interface TaskWithSteps extends Task {
  readonly steps: ReadonlyArray<Step>
}

/** The tasks of a trace, and which lists were cut at their limit. */
export interface TraceTasks {
  readonly tasks: ReadonlyArray<TaskWithSteps>
  readonly truncated: ReadonlyArray<"tasks" | "steps">
}

export class TaskLog extends Context.Service<TaskLog, {
  /**
   * Newest first. `limit` 1 to 500. With a label or a status of ended tasks, and of no trace, a page may have fewer, even none,
   * and yet a cursor.
   */
  readonly page: (
    filter: TaskFilter,
    page: PageRequest
  ) => Effect.Effect<SearchPage<ListedTask>, CursorInvalid | SqlError.SqlError>
  readonly byId: (task_id: string) => Effect.Effect<TaskWithSteps | undefined, SqlError.SqlError>
  /** Oldest first, at most `limit` of them. In the caller's transaction, where there is one. */
  readonly ofTrace: (trace_id: string, limit: number) => Effect.Effect<TraceTasks, SqlError.SqlError>
}>()("syris/tasks/TaskLog") {
  static readonly layer = Layer.effect(TaskLog, Effect.suspend(() => make))
}

type Nullable<A> = { readonly [K in keyof A]-?: undefined extends A[K] ? Exclude<A[K], undefined> | null : A[K] }

interface TaskRow extends Nullable<Omit<Task, "next_wake_at" | "created_at" | "updated_at">> {
  readonly next_wake_at: Date | null
  readonly created_at: Date
  readonly updated_at: Date
  readonly done: number
  readonly steps: number
  readonly step: string | null
}

interface StepRow extends Nullable<Omit<Step, "wake_at" | "started_at" | "ended_at">> {
  readonly wake_at: Date | null
  readonly started_at: Date | null
  readonly ended_at: Date | null
}

type FoundRow = TaskRow & Looked

/** Steps of all tasks of one trace in one answer. */
const stepLimit = 2_000

const iso = (date: Date | null): string | null => date === null ? null : date.toISOString()

const toTask = ({ done: _done, step: _step, steps: _steps, ...row }: TaskRow): Task =>
  present({
    ...row,
    next_wake_at: iso(row.next_wake_at),
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString()
  })

const toListed = (row: TaskRow): ListedTask => ({
  ...toTask(row),
  progress: present({ done: row.done, steps: row.steps, step: row.step })
})

const toStep = ({ checkpoint, input, ...row }: StepRow): Step => ({
  ...present({ ...row, wake_at: iso(row.wake_at), started_at: iso(row.started_at), ended_at: iso(row.ended_at) }),
  input,
  checkpoint
})

const make = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const idsWithin = yield* makeIdsWithin

  const columns = sql.literal(`
    t.task_id, t.trace_id, t.trigger_event_id, t.thread_id, t.name, t.kind, t.definition, t.input, t.status, t.priority,
    t.labels, t.autonomy_at_start, t.next_wake_at, w.waits_for, t.cancel_reason, t.output, t.error, t.created_at,
    greatest(t.updated_at, s.touched_at) as updated_at, s.done, s.steps, s.step`)

  // What its steps say of a task, beside `t`.
  const besides = sql.literal(`
    left join work w on w.work_id = t.task_id and w.kind = 'task'
    cross join lateral (
      select greatest(max(s.started_at), max(s.ended_at))                                   as touched_at,
             count(*)::int                                                                  as steps,
             count(*) filter (where s.status = 'succeeded')::int                            as done,
             (array_agg(s.name order by s.position)
                filter (where s.status not in ('succeeded', 'skipped')))[1]                 as step
      from steps s
      where s.task_id = t.task_id
    ) s`)

  const statusesIn = ({ status }: TaskFilter): ReadonlyArray<TaskStatus> | undefined =>
    status === undefined ? undefined : statusesOf(status, TaskStatus.literals, endedTask)

  /** What has no index, over a row that is called `row`. */
  const sought = (filter: TaskFilter, row: "t" | "r") => {
    const { label } = filter
    const statuses = statusesIn(filter)
    const labels = sql.literal(`${row}.labels`)
    return [
      ...(statuses === undefined ? [] : [sql.in(`${row}.status`, statuses)]),
      ...(label === undefined ? [] : [
        sql`(${labels} ? ${label}
             or jsonb_path_exists(${labels}, '$.* ? (@ == $label)', jsonb_build_object('label', ${label}::text)))`
      ])
    ]
  }

  const bounds = ({ since, trace_id, until }: TaskFilter) => [
    ...(trace_id === undefined ? [] : [sql`t.trace_id = ${trace_id}::uuid`]),
    ...(since === undefined ? [] : [sql`t.created_at >= ${since}`]),
    ...(until === undefined ? [] : [sql`t.created_at <  ${until}`])
  ]

  const where = (filter: TaskFilter) => [...sought(filter, "t"), ...bounds(filter)]

  const newest = (filter: TaskFilter, before: string | undefined, limit: number) =>
    sql`
      select t.*
      from tasks t
      where ${sql.and([...where(filter), ...idsWithin("t.task_id", { ...filter, before })])}
      order by t.task_id desc
      limit ${limit}`

  // From `work` to `tasks`, whatever the planner thinks of their sizes: `offset 0` keeps it to the order.
  const newestOpen = (filter: TaskFilter, before: string | undefined, limit: number) =>
    sql`
      select t.*
      from (select w.work_id
            from work w
            where ${sql.and([sql`w.kind = 'task'`, ...idsWithin("w.work_id", { ...filter, before })])}
            order by w.work_id desc
            offset 0) o
           cross join lateral (select t.* from tasks t
                               where ${sql.and([sql`t.task_id = o.work_id`, ...where(filter)])} offset 0) t
      order by o.work_id desc
      limit ${limit}`

  const foundIn = (filter: TaskFilter, step: SearchStep<FoundRow>, before: string | undefined) => {
    const next = sql`
      select t.*
      from tasks t
      where ${
      sql.and([...bounds(filter), ...idsWithin("t.task_id", { ...filter, before: step.after?.task_id ?? before })])
    }
      order by t.task_id desc
      limit ${step.rows}`
    return sql<FoundRow>`
      select ${columns}, t.hit, t.looked
      from (${inStep(sql, step, next, sought(filter, "r"))}) t ${besides}
      order by t.looked`
  }

  const page = Effect.fnUntraced(function*(filter: TaskFilter, { cursor, limit }: PageRequest) {
    const [before] = cursor === undefined ? [] : openCursor("task", cursor) ?? [""]
    if (before !== undefined && !isUuid(before)) return yield* new CursorInvalid()
    const open = statusesIn(filter)?.some(endedTask) === false
    const seal = (last: TaskRow) => sealCursor("task", last.task_id)
    if (!open && filter.trace_id === undefined && sought(filter, "t").length > 0) {
      return yield* search({
        read: (step: SearchStep<FoundRow>) => foundIn(filter, step, before),
        toRecord: toListed,
        toCursor: seal,
        timeOf: (row) => row.created_at
      }, limit)
    }
    const rows = yield* sql<TaskRow>`
      select ${columns}
      from (${(open ? newestOpen : newest)(filter, before, limit + 1)}) t ${besides}
      order by t.task_id desc`
    return pageOf(rows, limit, toListed, seal)
  })

  const stepsOf = (ids: ReadonlyArray<string>, limit: number) =>
    sql<StepRow>`
      select s.step_id, s.task_id, s.position, s.stage, s.name, s.kind, s.status, s.attempt, s.max_attempts, s.retry,
             s.tool, s.tool_call_id, s.input, s.checkpoint, s.output, s.error, s.wake_at, s.started_at, s.ended_at
      from steps s
      where ${sql.in("s.task_id", ids)}
      order by s.task_id, s.position
      limit ${limit}`

  const byId = (task_id: string) =>
    Effect.gen(function*() {
      const [row] = yield* sql<TaskRow>`
        select ${columns} from tasks t ${besides} where t.task_id = ${task_id}::uuid`
      if (row === undefined) return undefined
      return { ...toTask(row), steps: (yield* stepsOf([row.task_id], row.steps)).map(toStep) }
    }).pipe(
      sql.withTransaction,
      Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    )

  const ofTrace = Effect.fnUntraced(function*(trace_id: string, limit: number) {
    const rows = yield* sql<TaskRow>`
      select ${columns}
      from (select * from tasks where trace_id = ${trace_id}::uuid order by task_id limit ${limit + 1}) t ${besides}
      order by t.task_id`
    const found = rows.slice(0, limit)
    const steps = found.length === 0 ? [] : yield* stepsOf(found.map((row) => row.task_id), stepLimit + 1)
    const byTask = Map.groupBy(steps.slice(0, stepLimit).map(toStep), (step) => step.task_id)
    const traced: TraceTasks = {
      tasks: found.map((row) => ({ ...toTask(row), steps: byTask.get(row.task_id) ?? [] })),
      truncated: [
        ...(rows.length > limit ? ["tasks" as const] : []),
        ...(steps.length > stepLimit ? ["steps" as const] : [])
      ]
    }
    return traced
  })

  return TaskLog.of({ page, byId, ofTrace })
})
