/**
 * Keeps long threads within the window: what does not fit any more is told in fewer words by a model, after the answer was
 * given and never in its way. The summary is stored; where there is none, what does not fit is left out, and that is said.
 *
 * - A summary tells of everything up to its event: it is made of the one before it and the lines since. Its trust is the worst
 *   of what it tells. What a model forgets of promises is lost; open tasks and approvals are told apart from it, from the
 *   database (`ContextGather.ts`).
 * - Nothing is summarized for a channel that anyone may write to: a stranger's words cost the operator nothing here.
 * - Whatever goes wrong (no model, no room in a budget, no database) changes nothing: the next answer tries again.
 */
import { Clock, Context, Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { Completions } from "../llm/Completions.ts"
import { defaultBudgets } from "../llm/Context.ts"
import type { ContextFacts } from "../llm/ContextFacts.ts"
import { promptsOf } from "../llm/prompts/Prompts.ts"
import { renderSummary, summaryTokens, tokensOfLine, writtenSummary } from "../llm/Summary.ts"
import { Settlements } from "../pipeline/Settlements.ts"
import { Settings } from "../plugin/Settings.ts"
import { worstOf } from "../safety/Provenance.ts"
import { olderRows } from "./ContextRows.ts"
import type { StepRow } from "./TaskRows.ts"
import type { TaskRun } from "./TaskRun.ts"
import { makeThreadLines, type ThreadEvent } from "./ThreadLines.ts"

export class Compaction extends Context.Service<Compaction, {
  /** Waits until the run's event is answered, then tells the thread in fewer words where it has grown too long. Never fails. */
  readonly compact: (
    facts: ContextFacts,
    run: Pick<TaskRun, "event" | "task">,
    step: Pick<StepRow, "step_id">
  ) => Effect.Effect<void>
}>()("syris/tasks/Compaction") {
  static readonly layer = Layer.effect(Compaction, Effect.suspend(() => make))
}

/** Events that one summary takes up. */
const mostEvents = 400
/** Of the tokens of a whole context, what one question for a summary may have. */
const partOfTotal = 0.6
/** Of the thread's share, what stays word by word. */
const partKept = 0.5

const tokensOf = (lines: ContextFacts["thread"]["lines"]): number =>
  lines.reduce((sum, line) => sum + tokensOfLine(line), 0)

/** The oldest events, as many as go into one summary; not the newest, which are told as they are. */
const fallenOut = (events: ReadonlyArray<ThreadEvent>, keep: number, most: number): ReadonlyArray<ThreadEvent> => {
  let kept = 0
  let end = events.length
  while (end > 0 && kept + tokensOf(events[end - 1]?.lines ?? []) <= keep) kept += tokensOf(events[--end]?.lines ?? [])
  let taken = 0
  let count = 0
  while (count < end && (count === 0 || taken + tokensOf(events[count]?.lines ?? []) <= most)) {
    taken += tokensOf(events[count++]?.lines ?? [])
  }
  return events.slice(0, count)
}

const make = Effect.gen(function*() {
  const completions = yield* Completions
  const { eventsOf, summaryOf } = yield* makeThreadLines
  const settlements = yield* Settlements
  const sql = yield* SqlClient.SqlClient
  const { llm } = yield* Settings
  const budgets = llm?.context ?? defaultBudgets
  const prompts = promptsOf(llm?.prompts)
  /** Threads that are being told in fewer words here. */
  const busy = new Set<string>()

  const tooLong = ({ thread }: ContextFacts): boolean => thread.left_out > 0 || tokensOf(thread.lines) > budgets.thread

  const summarize = Effect.fnUntraced(function*(
    facts: ContextFacts,
    thread_id: string,
    { event, task }: Pick<TaskRun, "event" | "task">,
    { step_id }: Pick<StepRow, "step_id">
  ) {
    const { channel } = facts
    const older = yield* olderRows({ channel, thread_id, before: event.event_id, limit: mostEvents })
    const events = yield* eventsOf(older.lines)
    // The newest stay word by word; where these are not the newest, more follows.
    const reachesNow = events.length < mostEvents
    const fallen = fallenOut(events, reachesNow ? budgets.thread * partKept : 0, budgets.total * partOfTotal)
    const until = fallen.at(-1)?.event_id
    const lines = fallen.flatMap((one) => one.lines)
    if (until === undefined || lines.length === 0) return
    const summary = older.summary === null ? undefined : summaryOf(older.summary)
    const told: ContextFacts = {
      ...facts,
      history: [],
      thread: { ...(summary === undefined ? {} : { summary }), lines, left_out: 0 }
    }
    const answer = yield* completions.ask({
      purpose: "summarize",
      trace_id: event.trace_id,
      event_id: event.event_id,
      task_id: task.task_id,
      step_id,
      question: 0,
      bundle: renderSummary(told, { prompts, total: budgets.total }),
      facts: told,
      maxTokens: summaryTokens
    })
    const text = answer.calls.length > 0 ? undefined : writtenSummary(answer.text)
    if (text === undefined) return yield* Effect.logInfo(`The model wrote no summary of the thread ${thread_id}.`)
    const trust = worstOf([...lines.map((line) => line.trust), ...(summary === undefined ? [] : [summary.trust])])
    yield* sql`
      insert into thread_summaries (channel, thread_id, until_event_id, text, trust, events, completion_id, created_at)
      values (${channel}, ${thread_id}, ${until}::uuid, ${text}, ${trust}, ${fallen.length + (summary?.events ?? 0)},
              ${answer.completion_id}::uuid, ${new Date(yield* Clock.currentTimeMillis)})
      on conflict do nothing`
  }, Effect.provideService(SqlClient.SqlClient, sql))

  const compact = Effect.fnUntraced(function*(
    facts: ContextFacts,
    run: Pick<TaskRun, "event" | "task">,
    step: Pick<StepRow, "step_id">
  ) {
    const { channel, thread_id, trust } = facts
    if (llm === undefined || thread_id === undefined || trust === "untrusted" || !tooLong(facts)) return
    const key = JSON.stringify([channel, thread_id])
    if (busy.has(key)) return
    busy.add(key)
    yield* settlements.await({ event_id: run.event.event_id, trace_id: run.event.trace_id }).pipe(
      Effect.andThen(summarize(facts, thread_id, run, step)),
      Effect.catch((error) => Effect.logInfo(`The thread ${thread_id} was not told in fewer words: ${error.message}`)),
      Effect.ensuring(Effect.sync(() => busy.delete(key)))
    )
  }, Effect.catchDefect((defect) => Effect.logError("A thread could not be told in fewer words.", defect)))

  return Compaction.of({ compact })
})
