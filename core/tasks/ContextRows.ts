/**
 * The statement behind `ContextGather`: the conversation, tasks and approvals in one round trip, each found by an index.
 *
 * The newest are looked at, so many and no more: it costs the same beside a million others. Lines are told per event, with
 * the answer that it was given; what was dropped at the door was never part of a conversation.
 */
import { Effect } from "effect"
import { SqlClient, type Statement } from "effect/sql"
import type { Trust } from "../contract/Enums.ts"

/** Events of a thread that are looked at, the newest. */
export const mostEvents = 200
export const mostTasks = 12
/** Tasks that ended, and since when, hours. */
export const mostEnded = 5
const endedHours = 24
/** Newest tasks among which those that ended are looked for. */
const amongTasks = 50
export const mostApprovals = 12
/** Further ones are counted, but not beyond that. */
const mostCounted = 10_000
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

const none = "00000000-0000-0000-0000-000000000000"

/** What is known of the surroundings of a question. */
export const knownRows = Effect.fnUntraced(function*(asking: Asking) {
  const [row] = yield* statementOf(yield* SqlClient.SqlClient, asking)
  return row
})

export const statementOf = (sql: SqlClient.SqlClient, asking: Asking) => {
  const { channel, connector_id, event_id, task_id, trust } = asking
  const thread_id = asking.thread_id ?? null
  // A stranger who knows the name of a thread hears nothing that came another way.
  const same = trust === "untrusted" ? sql`and e.connector_id = ${connector_id}` : sql``
  const told = trust !== "untrusted"
  // Compared as pairs, so that only the index of threads has them in this order.
  const ofThread = (before: Statement.Fragment) =>
    sql`e.thread_id is not null and (e.thread_id, e.event_id) < (${thread_id}::text, ${before})
        and (e.thread_id, e.event_id) > (${thread_id}::text, (select event_id from since))`
  return sql<KnownRows>`
    with summary as materialized (
      select s.text, s.trust, s.events, s.until_event_id
      from thread_summaries s
      where ${told} and s.channel = ${channel} and s.thread_id = ${thread_id}::text
        and s.until_event_id < ${event_id}::uuid
      order by s.until_event_id desc
      limit 1
    ), since as materialized (
      select coalesce((select until_event_id from summary), ${none}::uuid) as event_id
    ), recent as materialized (
      select e.event_id, e.trace_id, e.occurred_at,
             left(coalesce(e.text, case when e.structured <> '{}' then e.structured::text end), ${longestRead}) as text,
             e.trust
      from events e
      where ${ofThread(sql`${event_id}::uuid`)} and e.channel = ${channel} ${same}
      order by e.thread_id desc, e.event_id desc
      limit ${mostEvents}
    ), oldest as materialized (
      select event_id from recent order by event_id limit 1
    ), stained as materialized (
      select distinct t.trace_id
      from (select task_id, trace_id from tasks
            where trace_id = any(array(select trace_id from recent)) and task_id > (select event_id from oldest) offset 0) t
           cross join lateral (
             select from steps s where s.task_id = t.task_id and s.checkpoint ->> 'trust' = 'untrusted' limit 1) s
    ), line as (
      select r.event_id, r.trace_id, r.occurred_at as at, r.text, r.trust, left(s.reply, ${longestRead}) as reply,
             s.settled_at as answered_at, d.tool, r.trace_id in (select trace_id from stained) as untrusted
      from recent r
           left join lateral (select * from settlements where event_id = r.event_id offset 0) s on true
           left join lateral (select tool from routing_decisions where event_id = r.event_id offset 0) d on true
      where s.outcome is distinct from 'dropped'
    ), open as materialized (
      select w.work_id, w.waits_for, w.event_id
      from work w
      where ${told} and w.kind = 'task' and w.work_id <> ${task_id}::uuid
      order by w.work_id desc
      limit ${mostTasks}
    ), newest as materialized (
      select t.task_id, t.name, t.status, t.updated_at, t.trigger_event_id
      from tasks t
      where ${told} and t.task_id <> ${task_id}::uuid
      order by t.task_id desc
      limit ${amongTasks}
    ), ended as (
      select * from newest
      where status in ('succeeded', 'failed', 'canceled')
        and updated_at > clock_timestamp() - make_interval(hours => ${endedHours})
      order by task_id desc
      limit ${mostEnded}
    ), pending as materialized (
      select a.approval_id, a.number, a.tool, a.labels, a.event_id, a.expires_at,
             left(coalesce(a.preview, a.what::text), ${longestRead}) as summary
      from approvals a
      where ${told} and a.status = 'pending' and a.expires_at > clock_timestamp()
      order by a.approval_id desc
      limit ${mostApprovals}
    )
    select o.locale, o.device_id,
           (select to_jsonb(s) from summary s) as summary,
           coalesce((select jsonb_agg(l order by l.event_id desc) from line l), '[]') as lines,
           case when (select count(*) from recent) < ${mostEvents} then 0 else (
             select count(*)::int from (
               select from events e
               where ${ofThread(sql`(select event_id from oldest)`)} and e.channel = ${channel} ${same}
               limit ${mostCounted}) c) end as earlier,
           coalesce((
             select jsonb_agg(jsonb_build_object('task_id', t.task_id, 'name', t.name, 'status', t.status,
                                'updated_at', t.updated_at, 'waits_for', w.waits_for,
                                'trust', coalesce(e.trust, 'untrusted')) order by t.task_id desc)
             from open w
                  cross join lateral (select * from tasks where task_id = w.work_id offset 0) t
                  left join lateral (select trust from events where event_id = w.event_id offset 0) e on true
           ), '[]') as tasks,
           case when (select count(*) from open) < ${mostTasks} then (select count(*)::int from open) else (
             select count(*)::int from (
               select from work w where w.kind = 'task' and w.work_id <> ${task_id}::uuid limit ${mostCounted}) c)
           end as open_tasks,
           coalesce((
             select jsonb_agg(jsonb_build_object('task_id', t.task_id, 'name', t.name, 'status', t.status,
                                'updated_at', t.updated_at, 'waits_for', null,
                                'trust', coalesce(e.trust, 'untrusted')) order by t.task_id desc)
             from ended t
                  left join lateral (select trust from events where event_id = t.trigger_event_id offset 0) e on true
           ), '[]') as ended,
           coalesce((
             select jsonb_agg(jsonb_build_object('number', a.number, 'tool', a.tool, 'summary', a.summary,
                                'expires_at', a.expires_at,
                                'trust', coalesce(a.labels ->> 'trust', e.trust, 'untrusted')) order by a.approval_id desc)
             from pending a
                  left join lateral (select trust from events where event_id = a.event_id offset 0) e on true
           ), '[]') as approvals,
           case when (select count(*) from pending) < ${mostApprovals} then (select count(*)::int from pending) else (
             select count(*)::int from (
               select from approvals a
               where a.status = 'pending' and a.expires_at > clock_timestamp() limit ${mostCounted}) c)
           end as pending
    from (select 1) one left join events o on o.event_id = ${event_id}::uuid`
}

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
