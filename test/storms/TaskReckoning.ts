/**
 * What must be true of tasks after a storm, besides what is true of events and calls (`Reckoning.ts`): each has ended or
 * waits for a person, what succeeded did not run again, and the audit tells each end once.
 */
import type { Eyes } from "./Databases.ts"
import type { Acknowledged } from "./Load.ts"
import { makeFindings, type Reckoned, reckon } from "./Reckoning.ts"
import type { Remote } from "./Remote.ts"

export interface TasksReckoned extends Reckoned {
  /** By status; `waiting` ones wait for a person. */
  readonly tasks: Readonly<Record<string, number>>
  readonly steps: number
  readonly interrupted: number
  readonly recovered: number
  readonly retried_steps: number
  /** Why tasks failed, by code. */
  readonly failed_tasks: Readonly<Record<string, number>>
  /** Stored, and never answered. */
  readonly unacknowledged: number
}

interface TaskFound {
  readonly task_id: string
  readonly id: string
  readonly event_id: string
  readonly status: string
  readonly kind: string
  readonly output: unknown
  readonly error: { readonly code: string; readonly message: string } | null
  readonly owed: boolean
  readonly waits_for: string | null
  readonly parked: boolean | null
  readonly outcome: string | null
  readonly told: ReadonlyArray<string> | null
}

interface StepFound {
  readonly task_id: string
  readonly task: string
  readonly step_id: string
  readonly position: number
  readonly name: string
  readonly kind: string
  readonly status: string
  readonly ordinal: number
  readonly input: unknown
  readonly call: string | null
  readonly calls: number
  readonly calls_succeeded: number
  readonly calls_failed: number
  readonly calls_said: number
  readonly told: ReadonlyArray<string> | null
}

const count = (told: ReadonlyArray<string> | null, type: string): number =>
  (told ?? []).filter((one) => one === type).length

const ends = new Set(["task.succeeded", "task.failed", "task.canceled"])

/** Moves of a task that the audit tells, in their order; what may follow what. */
const storyOf = (told: ReadonlyArray<string>): string | undefined => {
  let interrupted = false
  let paused = false
  let ended: string | undefined
  for (const [at, type] of told.entries()) {
    if (at === 0 && type !== "task.created") return `begins with ${type}`
    if (at > 0 && type === "task.created") return "created twice"
    if (ended !== undefined && !(ended === "task.failed" && type === "task.retried")) return `${type} after ${ended}`
    if (type === "task.retried") ended = undefined
    if (type === "task.interrupted") {
      if (interrupted) return "interrupted twice and not recovered in between"
      interrupted = true
    }
    if (type === "task.recovered") {
      if (!interrupted) return "recovered without an interruption"
      interrupted = false
    }
    if (type === "task.paused") {
      if (paused) return "paused twice"
      paused = true
    }
    if (type === "task.resumed") {
      if (!paused) return "resumed without a pause"
      paused = false
    }
    if (ends.has(type)) {
      ended = type
      interrupted = false
      if (type === "task.canceled") paused = false
      if (paused) return `${type} while it was paused`
    }
  }
  // A task whose first step is tried again begins again.
  if (count(told, "task.started") > 1 + count(told, "task.retried")) return "started twice"
  return interrupted ? "interrupted, and neither recovered nor ended" : undefined
}

/** Compares; every promise that was broken is named. */
export const reckonTasks = async (
  eyes: Eyes,
  remote: Remote | undefined,
  acknowledged: ReadonlyArray<Acknowledged<string>>
): Promise<TasksReckoned> => {
  const findings = makeFindings()
  const { say } = findings
  const tasks = await eyes.query<TaskFound>(
    `select t.task_id, coalesce(e.message_id, t.name) as id, t.trigger_event_id as event_id, t.status, t.kind, t.output, t.error,
            w.work_id is not null as owed, w.waits_for, w.parked, s.outcome,
            (select array_agg(a.type order by a.seq) from audit_events a
             where a.trace_id = t.trace_id and a.refs->>'task_id' = t.task_id::text and a.type like 'task.%'
               and a.type not like 'task.step_%' and a.type <> 'task.waiting') as told
     from tasks t
          join events e on e.event_id = t.trigger_event_id
          left join work w on w.work_id = t.task_id
          left join settlements s on s.event_id = t.trigger_event_id`
  )
  const steps = await eyes.query<StepFound>(
    `select s.task_id, t.status as task, s.step_id, s.position, s.name, s.kind, s.status, s.ordinal, s.input,
            (select c.status from tool_calls c where c.tool_call_id = s.tool_call_id) as call,
            x.calls, x.calls_succeeded, x.calls_failed, x.calls_said,
            (select array_agg(case when a.type = 'tool_call.reconciled' then 'reconciled ' || coalesce(a.data->>'outcome', '')
                                   else a.type end order by a.seq)
             from audit_events a
             where a.trace_id = t.trace_id and a.refs->>'step_id' = s.step_id::text) as told
     from steps s
          join tasks t on t.task_id = s.task_id
          cross join lateral (
            select count(*)::int as calls, count(*) filter (where c.status = 'succeeded')::int as calls_succeeded,
                   count(*) filter (where c.status = 'failed')::int as calls_failed,
                   -- By a person's word, and told as that.
                   count(*) filter (where c.status = 'failed' and c.error->>'code' = 'tool.not_done')::int as calls_said
            from tool_calls c
            where c.trace_id = t.trace_id and c.step_id = s.step_id) x
     order by s.task_id, s.position`
  )
  const stepsOf = Map.groupBy(steps, (step) => step.task_id)

  // Each that was acknowledged is there, once, and nothing of it goes on by itself.
  const byEvent = new Map(tasks.map((task) => [task.event_id, task]))
  const known = new Set(acknowledged.map((one) => one.event_id))
  say("acknowledged, and there is no such task", acknowledged.filter((one) => byEvent.get(one.event_id)?.id !== one.id))
  say("one event, several tasks", tasks.length === byEvent.size ? [] : [{ tasks: tasks.length, events: byEvent.size }])
  for (const task of tasks) {
    const own = stepsOf.get(task.task_id) ?? []
    const unknown = own.some((step) => step.call === "unknown")
    const ended = ["succeeded", "failed", "canceled"].includes(task.status)
    if (!ended && !(task.status === "waiting" && task.waits_for === "person" && task.parked === true && unknown)) {
      say("a task that neither ended nor waits for a person", [{ ...task, steps: own.map(({ status }) => status) }])
    }
    if (ended && task.owed && !(task.status === "canceled" && unknown)) say("ended, and owed", [task])
    if (!ended && !task.owed) say("not ended, and nobody owes it", [task])
    const open = own.filter((step) =>
      ["pending", "running", "waiting"].includes(step.status) &&
      !(task.status === "canceled" && step.call === "unknown")
    )
    if (ended && open.length > 0) say(`${task.status}, with steps that are open`, [{ ...task, open }])
    if (task.status === "succeeded" && own.some(({ status }) => status !== "succeeded") && task.kind === "steps") {
      say("succeeded, with steps that did not", [{ ...task, own }])
    }
    const outcome = task.status === "waiting" ? "unknown" : task.status === "succeeded" ? "succeeded" : "failed"
    if (task.outcome !== outcome) say(`${task.status}, and its event ${task.outcome}`, [task])
    if (own.some(({ position }, at) => position !== at)) say("steps with a gap", [{ ...task, own }])

    // The audit tells its life.
    const story = storyOf(task.told ?? [])
    if (story !== undefined) say(story, [task])
    for (const status of ["succeeded", "canceled", "failed"]) {
      const retried = status === "failed" ? count(task.told, "task.retried") : 0
      if (count(task.told, `task.${status}`) !== retried + Number(task.status === status)) {
        say(`${task.status}, and ${status} is not told as often`, [task])
      }
    }
    if (task.kind === "code" && task.status === "succeeded") {
      const { lot, refused } = task.output as { readonly lot: number; readonly refused: boolean }
      const plain = own.find(({ name }) => name === "storm.plain")
      const beside = own.filter(({ name }) => name.startsWith("beside")).length
      if (beside !== 1 + lot % 3 || (plain?.status === "failed") !== refused) {
        say("code that took another way", [{ task, own }])
      }
    }
  }

  // What succeeded did not run again, and each end is told once.
  for (const step of steps) {
    const told = step.told ?? []
    const end = told.indexOf("task.step_succeeded")
    const again = end < 0 ? [] : told.slice(end + 1)
    if (again.length > 0) say("a step that succeeded and went on", [step])
    if (count(told, "task.step_succeeded") !== Number(step.status === "succeeded")) {
      say("a step's success that is not told once", [step])
    }
    if (count(told, "task.step_failed") !== step.ordinal + Number(step.status === "failed")) {
      say("a step's failure that is not told once", [step])
    }
    if (
      step.status === "succeeded" && step.kind === "tool" && (step.call !== "succeeded" || step.calls_succeeded !== 1)
    ) {
      say("a step that succeeded, and its call did not", [step])
    }
    if (step.status === "failed" && step.call === "succeeded") say("a step that failed, and its call succeeded", [step])
    const refused = count(told, "task.step_retried") + step.calls_failed - step.calls_said
    if (count(told, "tool_call.failed") !== refused) say("refusals that are not told as often as they were", [step])
  }

  const reckoned = await reckon(eyes, remote, acknowledged, findings)
  const statuses: Record<string, number> = {}
  const failed_tasks: Record<string, number> = {}
  for (const { error, status } of tasks) {
    statuses[status] = (statuses[status] ?? 0) + 1
    if (status === "failed") failed_tasks[error?.code ?? "?"] = (failed_tasks[error?.code ?? "?"] ?? 0) + 1
  }
  const told = (type: string) => tasks.reduce((sum, task) => sum + count(task.told, type), 0)
  return {
    ...reckoned,
    tasks: statuses,
    steps: steps.length,
    interrupted: told("task.interrupted"),
    recovered: told("task.recovered"),
    retried_steps: steps.reduce((sum, step) => sum + count(step.told, "task.step_retried"), 0),
    failed_tasks,
    unacknowledged: tasks.filter((task) => !known.has(task.event_id)).length
  }
}
