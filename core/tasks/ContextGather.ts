/**
 * Looks up what a question to a model is made from: what was said in the conversation, what is under way, what waits for a
 * yes, what is remembered. One statement, and one for memories where there are any.
 *
 * - Known secrets are taken out of all of it. Lines, names and previews are bounded here, after that.
 * - Words that nobody vouches for are told only where they belong to the conversation: elsewhere one of them would make
 *   everything untrusted that the operator asks for. That there is something is told, its words are not.
 * - Whoever writes on a channel that anyone may write to is told nothing of the operator's memories, tasks and approvals.
 */
import { Context, Effect, Layer } from "effect"
import { SqlClient, type SqlError } from "effect/sql"
import { present } from "../audit/Page.ts"
import type { Trust } from "../contract/Enums.ts"
import { defaultBudgets } from "../llm/Context.ts"
import type { ContextFacts } from "../llm/ContextFacts.ts"
import type { Turn } from "../llm/Prompt.ts"
import { tokensOf } from "../llm/Tokens.ts"
import { Memories } from "../memory/Memories.ts"
import { Settings } from "../plugin/Settings.ts"
import { Redactor } from "../secrets/Redactor.ts"
import { iso, makeThreadLines } from "./ThreadLines.ts"
import {
  type KnownApprovalRow,
  knownRows,
  type KnownTaskRow,
  type LineRow,
  mostApprovals,
  mostTasks
} from "./ContextRows.ts"
import type { StepRow } from "./TaskRows.ts"
import type { TaskRun } from "./TaskRun.ts"

export interface GatherRequest {
  readonly run: Pick<TaskRun, "event" | "task">
  readonly step: Pick<StepRow, "step_id">
  /** What is wanted, in the words that came in. */
  readonly intent: string
  readonly history: ReadonlyArray<Turn>
  readonly now: Date
}

/** Of a name, and of a call, characters. */
const longestEntry = 400
const mostMemories = 20

/** In the place of words that nobody vouches for. */
export const withheld = "(its words came from a channel that anyone may write to, and are not told here)"

export class ContextGather extends Context.Service<ContextGather, {
  readonly gather: (request: GatherRequest) => Effect.Effect<ContextFacts, SqlError.SqlError>
}>()("syris/tasks/ContextGather") {
  static readonly layer = Layer.effect(ContextGather, Effect.suspend(() => make)).pipe(Layer.provide(Memories.layer))
}

const make = Effect.gen(function*() {
  const memories = yield* Memories
  const redactor = yield* Redactor
  const { bounded, eventsOf, summaryOf } = yield* makeThreadLines
  const { llm } = yield* Settings
  const sql = yield* SqlClient.SqlClient
  const budgets = llm?.context ?? defaultBudgets

  /** As many of the newest as any context has room for, oldest first, and how many events are not among them. */
  const newestLines = Effect.fnUntraced(function*(rows: ReadonlyArray<LineRow>) {
    const events = yield* eventsOf(rows)
    let left = budgets.total
    const beyond = events.findIndex(({ lines }) => {
      left -= lines.reduce((sum, { text }) => sum + tokensOf(text), 0)
      return left < 0
    })
    const found = beyond === -1 ? events : events.slice(0, beyond)
    return { lines: found.toReversed().flatMap(({ lines }) => lines), left_out: rows.length - found.length }
  })

  const told = (text: string, trust: Trust): string => trust === "untrusted" ? withheld : bounded(text, longestEntry)

  const taskOf = ({ name, task_id, trust, updated_at, waits_for, status }: KnownTaskRow) => ({
    task_id,
    name: told(name, trust),
    status,
    updated_at: iso(updated_at),
    trust: vouched(trust),
    ...(waits_for === null ? {} : { waits_for })
  })

  const approvalOf = ({ expires_at, number, summary, tool, trust }: KnownApprovalRow) => ({
    number: Number(number),
    tool,
    summary: told(summary, trust),
    expires_at: iso(expires_at),
    trust: vouched(trust)
  })

  /** Those that are vouched for. */
  const remembered = Effect.fnUntraced(function*(text: string) {
    const { left_out, memories: found } = yield* memories.relevant(text, {
      limit: mostMemories,
      tokens: budgets.memories
    })
    const known = found.filter(({ labels }) => labels.trust !== "untrusted")
    return {
      memories: known.map(({ created_at, labels, text }) => ({ text, trust: labels.trust, created_at })),
      more: left_out + found.length - known.length
    }
  })

  /** There were memories at the last look: then those that fit are looked for beside it, and not after it. */
  let expected = true

  const gather = Effect.fnUntraced(function*({ history, intent, now, run: { event, task } }: GatherRequest) {
    const { channel, connector_id, event_id, thread_id, timezone, trust } = event
    const asking = { task_id: task.task_id, event_id, channel, connector_id, trust, thread_id: thread_id ?? undefined }
    const may = trust !== "untrusted"
    const [known, beside] = yield* Effect.all([
      knownRows(asking).pipe(Effect.provideService(SqlClient.SqlClient, sql)),
      may && expected ? remembered(intent) : Effect.undefined
    ], { concurrency: 2 })
    expected = known.remembers
    const memory = beside ?? (may && known.remembers ? yield* remembered(intent) : { memories: [], more: 0 })
    const { left_out, lines } = yield* newestLines(known.lines)
    const summary = known.summary
    const tasks = [...known.tasks, ...known.ended]
    const approvals = known.approvals
    const facts: ContextFacts = {
      intent: redactor.redactText(intent),
      trust,
      channel,
      ...present({ thread_id: thread_id ?? null, locale: known.locale, device_id: known.device_id }),
      timezone,
      now: now.toISOString(),
      history: redactor.redactJson(history),
      thread: {
        ...(summary === null ? {} : { summary: summaryOf(summary) }),
        lines,
        left_out: known.earlier + left_out
      },
      tasks: tasks.map(taskOf),
      approvals: approvals.map(approvalOf),
      memories: memory.memories,
      more: {
        tasks: Math.max(0, known.open_tasks - Math.min(mostTasks, known.tasks.length)),
        approvals: Math.max(0, known.pending - Math.min(mostApprovals, approvals.length)),
        memories: memory.more
      }
    }
    return facts
  })

  return ContextGather.of({ gather })
})

/** Of what is told: words that nobody vouches for are not. */
const vouched = (trust: Trust): Trust => trust === "untrusted" ? "trusted" : trust
