/**
 * Finds a task by what a person calls it: its name, its definition's name, a label, or the end of its id.
 *
 * Open tasks are found through `work`, which has no others; ended ones among the newest only. So both stay quick beside
 * millions of tasks.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { StepKind, StepStatus, TaskStatus } from "../contract/Enums.ts"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { Labels, Task } from "../contract/Task.ts"

/** A step that is neither done nor left out. */
export interface OpenStep {
  /** From 0. */
  readonly position: number
  readonly name: string
  readonly kind: StepKind
  readonly status: StepStatus
  readonly attempt: number
  readonly started_at: Date | null
}

export interface FoundTask {
  readonly task_id: string
  readonly name: string
  readonly definition: string | null
  readonly kind: Task["kind"]
  readonly labels: Labels
  readonly status: TaskStatus
  readonly waits_for: NonNullable<Task["waits_for"]> | null
  readonly next_wake_at: Date | null
  readonly cancel_reason: string | null
  readonly error: ErrorDetail | null
  readonly updated_at: Date
}

/** How far an open task is. */
export interface TaskState {
  readonly task_id: string
  /** Steps that there are so far. */
  readonly steps: number
  /** The first few that are under way, wait, or come next; in their order. */
  readonly open: ReadonlyArray<OpenStep>
}

/** Open tasks that are looked at. */
const mostOpen = 1_000
/** Newest tasks among which an ended one is looked for. */
const mostEnded = 5_000

const fold = (text: string): string => text.trim().toUpperCase().toLowerCase()
const wordsOf = (text: string): ReadonlyArray<string> =>
  fold(text).split(/[^\p{L}\p{N}]+/u).filter((word) => word !== "")

const labelsOf = (labels: Labels): ReadonlyArray<string> =>
  Array.isArray(labels)
    ? labels as ReadonlyArray<string>
    : Object.entries(labels).flatMap(([key, value]) => [key, value, `${key} ${value}`])

const namesOf = (task: FoundTask): ReadonlyArray<string> => [
  task.name,
  ...(task.definition === null ? [] : [task.definition]),
  ...labelsOf(task.labels)
]

/** Those that are meant: called exactly so, else those with all of its words in one of their names. */
export const matching = (tasks: ReadonlyArray<FoundTask>, which: string): ReadonlyArray<FoundTask> => {
  const wanted = fold(which)
  if (wanted === "") return tasks
  const isId = /^[0-9a-f-]{4,36}$/.test(wanted)
  const exact = tasks.filter((task) =>
    (isId && task.task_id.endsWith(wanted)) || namesOf(task).some((name) => fold(name) === wanted)
  )
  if (exact.length > 0) return exact
  const words = wordsOf(wanted)
  if (words.length === 0) return []
  return tasks.filter((task) =>
    namesOf(task).some((name) => {
      const own = wordsOf(name)
      return words.every((word) => own.includes(word))
    })
  )
}

const columns =
  "t.task_id, t.name, t.definition, t.kind, t.labels, t.status, t.next_wake_at, t.cancel_reason, t.error, t.updated_at"

/** Leaves out what can't match. The database folds ASCII whatever its locale. */
const mayMatch = (sql: SqlClient.SqlClient, which: string) =>
  sql`not exists (
        select 1 from unnest(${wordsOf(which).filter((word) => /^[a-z0-9]+$/.test(word))}::text[]) word
        where strpos(lower(concat_ws(' ', t.name, t.definition, t.labels::text, t.task_id::text)), word) = 0)`

/** Oldest first. */
export const openTasks = Effect.fnUntraced(function*(which: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<FoundTask>`
    select ${sql.literal(columns)}, w.waits_for
    from (select work_id, waits_for from work where kind = 'task' order by work_id offset 0) w
         cross join lateral (select * from tasks t where t.task_id = w.work_id offset 0) t
    where t.status not in ('succeeded', 'failed', 'canceled') and ${mayMatch(sql, which)}
    order by t.task_id
    limit ${mostOpen}`
  return matching(rows, which)
})

/** The newest that ended and is called so. */
export const lastEnded = Effect.fnUntraced(function*(which: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<FoundTask>`
    select ${sql.literal(columns)}, null as waits_for
    from (select * from tasks order by task_id desc limit ${mostEnded}) t
    where t.status in ('succeeded', 'failed', 'canceled') and ${mayMatch(sql, which)}
    order by t.task_id desc
    limit 100`
  return matching(rows, which)[0]
})

export const statesOf = Effect.fnUntraced(function*(taskIds: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<OpenStep & { readonly task_id: string; readonly steps: number }>`
    select s.task_id, c.steps, s.position, s.name, s.kind, s.status, s.attempt, s.started_at
    from unnest(${taskIds}::uuid[]) o (task_id)
         cross join lateral (select count(*)::int as steps from steps where task_id = o.task_id) c
         cross join lateral (
           select * from steps
           where task_id = o.task_id and status in ('pending', 'running', 'waiting')
           order by status = 'pending', position
           limit 4) s
    order by s.task_id, s.status = 'pending', s.position`
  const byTask = Map.groupBy(rows, (row) => row.task_id)
  return new Map<string, TaskState>(taskIds.map((task_id) => {
    const open = byTask.get(task_id) ?? []
    return [task_id, { task_id, steps: open[0]?.steps ?? 0, open }]
  }))
})
