/**
 * Reads tasks that this host has claimed: what is stored of them, their event, and the calls of their steps.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { ErrorDetail } from "../contract/ErrorDetail.ts"
import type { Labels, RetryPolicy } from "../contract/Task.ts"
import { type StoredCall, storedCall } from "../tools/CallRecovery.ts"
import type { Origin } from "../tools/ToolExecutor.ts"
import type { StepRow, StoredTask } from "./TaskRows.ts"

export interface LoadedTask {
  readonly task: StoredTask
  readonly event: Origin
  readonly steps: ReadonlyArray<StepRow>
  /** By position: the call of a step that has not ended. */
  readonly calls: ReadonlyMap<number, StoredCall>
  /** Positions of steps whose time has come, by the database's clock. */
  readonly due: ReadonlySet<number>
  /** It was told that its host had ended under it, and not yet that it goes on. */
  readonly interrupted: boolean
}

interface TaskColumns extends Omit<StoredTask, "thread_id" | "definition" | "input" | "created_at"> {
  readonly thread_id: string | null
  readonly definition: string | null
  readonly input: unknown
  readonly created_at: Date
  readonly labels: Labels
  readonly event: Origin & { readonly thread_id: string | null }
  readonly interrupted: boolean
}

interface StepColumns {
  readonly task_id: string
  readonly position: number
  readonly step_id: string
  readonly stage: number
  readonly name: string
  readonly kind: StepRow["kind"]
  readonly status: StepRow["status"]
  readonly attempt: number
  readonly max_attempts: number
  readonly retry: RetryPolicy
  readonly tool: string | null
  readonly input: unknown
  readonly checkpoint: unknown
  readonly output: unknown
  readonly error: ErrorDetail | null
  readonly ordinal: number
  readonly tool_call_id: string | null
  readonly wake_at: Date | null
  readonly started_at: Date | null
  readonly ended_at: Date | null
  readonly due: boolean
  readonly call: StoredCall | null
}

const iso = (date: Date | null): string | undefined => date === null ? undefined : date.toISOString()

const toStep = (row: StepColumns): StepRow => ({
  task_id: row.task_id,
  position: row.position,
  step_id: row.step_id,
  stage: row.stage,
  name: row.name,
  kind: row.kind,
  status: row.status,
  attempt: row.attempt,
  max_attempts: row.max_attempts,
  retry: row.retry,
  input: row.input,
  checkpoint: row.checkpoint,
  ordinal: row.ordinal,
  tool: row.tool ?? undefined,
  output: row.output ?? undefined,
  error: row.error ?? undefined,
  tool_call_id: row.tool_call_id ?? undefined,
  wake_at: iso(row.wake_at),
  started_at: iso(row.started_at),
  ended_at: iso(row.ended_at)
})

export const loadTasks = Effect.fnUntraced(function*(ids: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const readTasks = sql<TaskColumns>`
    select t.task_id, t.trace_id, t.trigger_event_id, t.thread_id, t.name, t.kind, t.definition, t.input, t.status, t.priority,
           t.labels, t.autonomy_at_start, t.created_at,
           jsonb_build_object('event_id', e.event_id, 'trace_id', e.trace_id, 'thread_id', e.thread_id, 'channel', e.channel,
                              'connector_id', e.connector_id, 'actor_id', e.actor_id, 'trust', e.trust, 'depth', e.depth, 'timezone', e.timezone, 'text', e.text) as event,
           -- Of its steps none need be running: code may have been between two calls.
           coalesce(t.status = 'pending' and (
             select a.type = 'task.interrupted'
             from audit_events a
             where a.trace_id = t.trace_id and a.refs->>'task_id' = t.task_id::text
               and a.type in ('task.interrupted', 'task.recovered')
             order by a.seq desc
             limit 1), false) as interrupted
    from tasks t join events e on e.event_id = t.trigger_event_id
    where t.task_id = any(${ids}::uuid[])`
  const readSteps = sql<StepColumns>`
    select s.task_id, s.position, s.step_id, s.stage, s.name, s.kind, s.status, s.attempt, s.max_attempts, s.retry, s.tool,
           s.input, s.checkpoint, s.output, s.error, s.ordinal, s.tool_call_id, s.wake_at, s.started_at, s.ended_at,
           coalesce(s.wake_at <= clock_timestamp(), true) as due, ${sql.literal(storedCall)} as call
    from steps s
         left join tool_calls c on c.tool_call_id = s.tool_call_id and s.status in ('pending', 'running', 'waiting')
         left join hosts h on h.host_id = c.held_by
    where s.task_id = any(${ids}::uuid[])
    order by s.task_id, s.position`
  const [tasks, steps] = yield* Effect.all([readTasks, readSteps], { concurrency: 2 })
  const of = Map.groupBy(steps, (step) => step.task_id)
  return tasks.map((row): LoadedTask => {
    const own = of.get(row.task_id) ?? []
    const { created_at, event, interrupted, ...task } = row
    return {
      task: {
        ...task,
        thread_id: task.thread_id ?? undefined,
        definition: task.definition ?? undefined,
        input: task.input ?? undefined,
        created_at: created_at.toISOString()
      },
      event: { ...event, thread_id: event.thread_id ?? undefined },
      steps: own.map(toStep),
      calls: new Map(own.flatMap((step) => step.call === null ? [] : [[step.position, step.call]])),
      due: new Set(own.flatMap((step) => step.due ? [step.position] : [])),
      interrupted
    }
  })
})
