/**
 * What `ContextGather` reads: the conversation, tasks and approvals in one round trip, each found by an index. How
 * is said by a function of the database, `context_of` in migrations/0006_completions.sql: it takes longer to plan than to run.
 *
 * The newest are looked at, so many and no more: it costs the same beside a million others. Lines are told per event, with
 * the answer that it was given; what was dropped at the door was never part of a conversation.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Trust } from "../contract/Enums.ts"

/** Events of a thread that `context_of` looks at, the newest. */
export const mostEvents = 200
/** Of what else it finds. */
export const mostTasks = 12
export const mostApprovals = 12
/** Of a text that is looked at: what is longer is cut after secrets were taken out. */
const longestRead = 4_000

/** Of which task, and of which event. */
export interface Asking {
  readonly task_id: string
  readonly event_id: string
  readonly channel: string
  readonly connector_id: string
  readonly thread_id: string | undefined
  readonly trust: Trust
}

export interface LineRow {
  readonly event_id: string
  readonly trace_id: string
  readonly at: string
  readonly text: string | null
  readonly trust: Trust
  readonly reply: string | null
  readonly answered_at: string | null
  /** That answered, where a sentence chose it. */
  readonly tool: string | null
  /** A task that it led to has words of strangers in it. */
  readonly untrusted: boolean
}

export interface SummaryRow {
  readonly text: string
  readonly trust: Trust
  readonly events: number
  readonly until_event_id: string
}

export interface KnownTaskRow {
  readonly task_id: string
  readonly name: string
  readonly status: string
  readonly updated_at: string
  readonly trust: Trust
  readonly waits_for: string | null
}

export interface KnownApprovalRow {
  readonly number: number
  readonly tool: string
  readonly summary: string
  readonly expires_at: string
  readonly trust: Trust
}

export interface KnownRows {
  readonly locale: string | null
  readonly device_id: string | null
  readonly summary: SummaryRow | null
  /** Newest first. */
  readonly lines: ReadonlyArray<LineRow>
  readonly earlier: number
  /** Newest first. */
  readonly tasks: ReadonlyArray<KnownTaskRow>
  readonly open_tasks: number
  readonly ended: ReadonlyArray<KnownTaskRow>
  readonly approvals: ReadonlyArray<KnownApprovalRow>
  readonly pending: number
}

/** The same, and whether anything at all is remembered. */
export interface Surroundings extends KnownRows {
  readonly remembers: boolean
}

const none = "00000000-0000-0000-0000-000000000000"

/** What is known of the surroundings of a question. */
export const knownRows = Effect.fnUntraced(function*(asking: Asking) {
  const { channel, connector_id, event_id, task_id, thread_id = null, trust } = asking
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly known: KnownRows; readonly remembers: boolean }>`
    select context_of(${task_id}::uuid, ${event_id}::uuid, ${channel}, ${connector_id}, ${thread_id},
                      ${trust !== "untrusted"}) as known, exists (select from memories) as remembers`
  const { known, remembers } = row!
  const surroundings: Surroundings = { ...known, remembers }
  return surroundings
})

/** What tools gave back in some traces. */
export const outputsOf = Effect.fnUntraced(function*(lines: ReadonlyArray<Pick<LineRow, "trace_id" | "tool">>) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<{ readonly trace_id: string; readonly tool: string; readonly output: unknown }>`
    select trace_id, tool, output from tool_calls
    where trace_id = any(${lines.map(({ trace_id }) => trace_id)}::uuid[])
      and tool = any(${[...new Set(lines.map(({ tool }) => tool))]}::text[])`
})

/** What was said since the last summary of a thread, oldest first, until an event: what a new summary tells of. */
export const olderRows = Effect.fnUntraced(function*(
  { before, channel, limit, thread_id }: {
    readonly channel: string
    readonly thread_id: string
    readonly before: string
    readonly limit: number
  }
) {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ readonly summary: SummaryRow | null; readonly lines: ReadonlyArray<LineRow> }>`
    with summary as materialized (
      select s.text, s.trust, s.events, s.until_event_id
      from thread_summaries s
      where s.channel = ${channel} and s.thread_id = ${thread_id} and s.until_event_id < ${before}::uuid
      order by s.until_event_id desc
      limit 1
    ), older as materialized (
      select e.event_id, e.trace_id, e.occurred_at,
             left(coalesce(e.text, case when e.structured <> '{}' then e.structured::text end), ${longestRead}) as text,
             e.trust
      from events e
      where e.thread_id is not null and (e.thread_id, e.event_id) < (${thread_id}::text, ${before}::uuid)
        and (e.thread_id, e.event_id)
            > (${thread_id}::text, coalesce((select until_event_id from summary), ${none}::uuid))
        and e.channel = ${channel}
      order by e.thread_id, e.event_id
      limit ${limit}
    ), stained as materialized (
      select distinct t.trace_id
      from (select task_id, trace_id from tasks
            where trace_id = any(array(select trace_id from older))
              and task_id > (select event_id from older order by event_id limit 1) offset 0) t
           cross join lateral (
             select from steps s where s.task_id = t.task_id and s.checkpoint ->> 'trust' = 'untrusted' limit 1) s
    ), line as (
      select o.event_id, o.trace_id, o.occurred_at as at,
             case when s.outcome is distinct from 'dropped' then o.text end as text, o.trust,
             case when s.outcome is distinct from 'dropped' then left(s.reply, ${longestRead}) end as reply,
             s.settled_at as answered_at, d.tool, o.trace_id in (select trace_id from stained) as untrusted
      from older o
           left join lateral (select * from settlements where event_id = o.event_id offset 0) s on true
           left join lateral (select tool from routing_decisions where event_id = o.event_id offset 0) d on true
    )
    select (select to_jsonb(s) from summary s) as summary,
           coalesce((select jsonb_agg(l order by l.event_id) from line l), '[]') as lines`
  return row ?? { summary: null, lines: [] }
})
