/**
 * Finds memories: the newest, or those that fit a question, the best first.
 *
 * A word counts the more the fewer memories have it, so `the` counts next to nothing in any language; whole words count more
 * than beginnings. What fits much worse than the best is left out. Ties: the newest first.
 *
 * What is trusted is found as if nothing else were remembered: strangers can't bury it, however much they have remembered.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { Memory } from "../contract/Memory.ts"
import type { Trust } from "../contract/Enums.ts"
import type { ValueLabels } from "../contract/Approval.ts"
import { present } from "../audit/Page.ts"
import { termsOf } from "./Words.ts"

interface Row {
  readonly memory_id: string
  readonly text: string
  readonly labels: ValueLabels
  readonly event_id: string
  readonly trace_id: string
  readonly task_id: string | null
  readonly tool_call_id: string
  readonly channel: string
  readonly actor_id: string
  readonly thread_id: string | null
  readonly tags: ReadonlyArray<string>
  readonly created_at: Date
  readonly last_recalled_at: Date | null
  readonly recalled: number
}

const columns =
  `m.memory_id, m.text, m.labels, m.event_id, m.trace_id, m.task_id, m.tool_call_id, m.channel, m.actor_id,
  m.thread_id, m.tags, m.created_at, m.last_recalled_at, m.recalled`

const toMemory = (row: Row): Memory => {
  const { actor_id, channel, created_at, event_id, last_recalled_at, task_id, tool_call_id, trace_id, ...rest } = row
  return present({
    ...rest,
    source: present({ event_id, trace_id, task_id, tool_call_id, channel, actor_id }),
    created_at: created_at.toISOString(),
    last_recalled_at: last_recalled_at?.toISOString() ?? null
  })
}

/** Worth of a memory that fits worse than the best, as a part of it, below which it is left out. */
const leastPart = 0.4

export interface Fitting {
  /** Nothing in it to look for: nothing fits. */
  readonly question: string
  readonly trust?: Trust | undefined
  /** What nobody vouches for comes last. */
  readonly trustedFirst?: boolean
  readonly limit: number
  readonly offset?: number
}

/** A word that more memories have is common. What has no rarer one of the question is looked at only where nothing has. */
const rare = 200
/** Common words that are looked for then, and only in the newest that have them. */
const common = 4
/** A word that fewer memories have is also looked for without its last letters. */
const few = 10

/** Those that fit a question. */
export const fitting = Effect.fnUntraced(function*({ limit, offset = 0, question, trust, trustedFirst }: Fitting) {
  const terms = termsOf(question)
  if (terms.length === 0) return []
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Row>`
    with total as materialized (
      select (select count(*) from memories)::float8 as memories,
             (select count(*) from memories where labels ->> 'trust' = 'untrusted')::float8 as strange
    ), there as materialized (
      select false as strange, strange > 0 as apart, memories - strange as memories from total
      union all
      select true, false, memories from total where strange > 0
    ), asked as (
      select exact::tsquery as exact, prefix::tsquery as prefix, near::tsquery as near, ord
      from unnest(${terms.map(({ exact }) => exact)}::text[], ${terms.map(({ prefix }) => prefix)}::text[],
                  ${terms.map(({ near }) => near)}::text[]) with ordinality as t(exact, prefix, near, ord)
    ), met as materialized (
      select a.ord, t.strange, m.memory_id
      from asked a
      cross join there t
      cross join lateral (
        select memory_id from memories
        where words @@ a.prefix and (not t.apart or labels ->> 'trust' <> 'untrusted') limit ${rare + 1}
      ) m
    ), hit as materialized (
      select ord, strange, memory_id from met
      union
      select a.ord, t.strange, m.memory_id
      from asked a
      cross join there t
      cross join lateral (
        select memory_id from memories
        where words @@ a.near and (not t.apart or labels ->> 'trust' <> 'untrusted') limit ${rare + 1}
      ) m
      where (select count(*) from met where met.ord = a.ord and met.strange = t.strange) < ${few}
    ), counted as (
      select h.ord, strange, count(*)::float8 as found, t.memories
      from hit h join there t using (strange)
      group by h.ord, strange, t.memories
    ), word as materialized (
      select ord, strange, found <= ${rare} as is_rare,
             ln(1 + (memories - holders + 0.5) / (holders + 0.5)) as worth
      from (select *, case when found <= ${rare} then found else greatest(found, memories / 4) end as holders
            from counted) c
    ), candidate as materialized (
      select strange, h.memory_id from hit h join word w using (ord, strange) where w.is_rare
      union
      select t.strange, m.memory_id
      from asked a
      cross join there t
      cross join lateral (
        select memory_id from memories
        where words @@ a.prefix and (not t.apart or labels ->> 'trust' <> 'untrusted')
        order by memory_id desc limit ${rare}
      ) m
      where a.ord <= ${common} and not exists (select 1 from word w where w.is_rare and w.strange = t.strange)
    ), fit as materialized (
      select c.memory_id, c.strange, sum(w.worth * case when m.words @@ a.exact then 1.0 when m.words @@ a.prefix then 0.6
                                             when m.words @@ a.near then 0.3 else 0 end::float8) as fits
      from candidate c
      join memories m on m.memory_id = c.memory_id
      join word w on w.strange = c.strange
      join asked a on a.ord = w.ord
      where ${trust === undefined ? sql`true` : sql`m.labels ->> 'trust' = ${trust}`}
      group by c.memory_id, c.strange
    )
    select ${sql.literal(columns)}
    from (select *, max(fits) over (partition by strange) as best from fit) f
    join memories m on m.memory_id = f.memory_id
    where f.fits >= ${leastPart}::float8 * f.best and f.strange = (m.labels ->> 'trust' = 'untrusted')
    order by ${trustedFirst === true ? sql`(m.labels ->> 'trust' = 'untrusted'),` : sql``} f.fits desc, m.memory_id desc
    limit ${limit} offset ${offset}`
  return rows.map(toMemory)
})

/** The newest, or those before one. */
export const newest = Effect.fnUntraced(function*(
  { before, limit, trust }: {
    readonly limit: number
    readonly before?: string | undefined
    readonly trust?: Trust | undefined
  }
) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Row>`
    select ${sql.literal(columns)}
    from memories m
    where ${before === undefined ? sql`true` : sql`m.memory_id < ${before}::uuid`}
      and ${trust === undefined ? sql`true` : sql`m.labels ->> 'trust' = ${trust}`}
    order by m.memory_id desc
    limit ${limit}`
  return rows.map(toMemory)
})

/** Those that have every word of a text, what is as long as it first. */
export const withWords = Effect.fnUntraced(function*(text: string, limit: number) {
  const sql = yield* SqlClient.SqlClient
  const terms = termsOf(text).map(({ exact }) => exact)
  const rows = yield* sql<Row>`
    select ${sql.literal(columns)}
    from memories m
    where ${terms.length === 0 ? sql`m.text = ${text}` : sql`m.words @@ ${terms.join(" & ")}::tsquery`}
    order by m.text = ${text} desc, abs(char_length(m.text) - ${text.length}), m.memory_id desc
    limit ${limit}`
  return rows.map(toMemory)
})

/** By the whole id, or what it ends in. */
export const byId = Effect.fnUntraced(function*(end: string) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Row>`
    select ${sql.literal(columns)} from memories m where m.memory_id::text like '%' || ${end.toLowerCase()} limit 2`
  return rows.map(toMemory)
})
