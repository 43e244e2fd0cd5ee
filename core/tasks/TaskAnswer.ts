/**
 * A person's answer to a question that a task waits for: found by the conversation it belongs to, handed to the task by a
 * tool of the host, so that it is an event and a call like any other.
 */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql"
import { appendRows, toRow } from "../audit/Audit.ts"
import type { Trust } from "../contract/Enums.ts"
import type { EventRow } from "../contract/Rows.ts"
import { defineTool, ToolRefused } from "../plugin/Tool.ts"
import { taskFact } from "./TaskFacts.ts"

/** The tool's name. Only the router chooses it. */
export const answerTool = "task.answer"

/** What an event of this trust may answer: a question is never answered by worse words than the task began with. */
const mayAnswer: Readonly<Record<Trust, ReadonlyArray<Trust>>> = {
  operator: ["operator", "trusted", "untrusted"],
  trusted: ["trusted", "untrusted"],
  untrusted: ["untrusted"]
}

/** The task that asked last in the conversation that an event belongs to, and its open question, if one waits there. */
export const askingTask = Effect.fnUntraced(function*(event: EventRow) {
  const sql = yield* SqlClient.SqlClient
  const [task] = yield* sql<{ readonly task_id: string; readonly step_id: string; readonly name: string }>`
    select t.task_id, s.step_id, t.name
    from work w
         join tasks t on t.task_id = w.work_id
         join events e on e.event_id = w.event_id
         cross join lateral (
           select step_id from steps
           where task_id = w.work_id and kind = 'wait' and status = 'waiting' and input ? 'question'
           order by position
           limit 1
         ) s
    where w.waits_for = 'answer' and e.channel = ${event.channel} and e.connector_id = ${event.connector_id}
      and e.thread_id is not distinct from ${event.thread_id ?? null} and e.actor_id = ${event.actor_id}
      and e.trust = any(${mayAnswer[event.trust]})
    order by w.due_at desc
    limit 1`
  return task
})

interface Answered {
  readonly step_id: string
  readonly position: number
  readonly task_id: string
  readonly trace_id: string
  readonly trigger_event_id: string
  readonly name: string
}

export const answer = defineTool({
  name: answerTool,
  description: "Hand a person's answer to the task that asked.",
  // The question too: words that were meant for one never answer the next.
  input: Schema.Struct({
    task_id: Schema.String,
    step_id: Schema.String,
    answer: Schema.String.check(Schema.isMaxLength(16_000))
  }),
  output: Schema.Struct({ message: Schema.String, task_id: Schema.String }),
  // A person's word is heard at every level of autonomy: what follows from it is judged when it is done.
  effect: "read",
  risk: "low",
  scopes: [],
  guarantee: "transactional",
  run: ({ answer: text, step_id, task_id }, ctx) =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const [work] = yield* sql`select 1 from work where work_id = ${task_id} and waits_for = 'answer' for update`
      const [step] = work === undefined ? [] : yield* sql<Answered>`
        update steps s
        set status = 'succeeded', output = ${JSON.stringify({ answer: text })}::jsonb, wake_at = null,
            ended_at = ${ctx.now()}
        from tasks t
        where s.task_id = ${task_id} and t.task_id = s.task_id and s.step_id::text = ${step_id}
          and s.kind = 'wait' and s.status = 'waiting' and s.input ? 'question'
        returning s.step_id, s.position, t.task_id, t.trace_id, t.trigger_event_id, t.name`
      if (step === undefined) return yield* Effect.fail(new ToolRefused("The question is not open any more."))
      yield* sql`update work set waits_for = null, due_at = clock_timestamp() where work_id = ${task_id}`
      yield* appendRows([
        toRow({
          ...taskFact("task.step_succeeded", step, ctx.now(), "The question was answered.", {
            position: step.position
          }),
          refs: { event_id: step.trigger_event_id, task_id, step_id }
        })
      ])
      yield* sql`select pg_notify('syris_work', '')`
      return { message: `${step.name} goes on.`, task_id }
    })
})
