/**
 * The statements of the work queue: how rows of `work` are claimed, taken from hosts that have ended, and given back.
 *
 * The cost of a claim does not depend on how many rows are there that are held, parked, due later or of another kind: each
 * priority of a kind is one range of the index `work_free`, read in the order of the due times and no further than needed.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import type { WorkRow } from "./WorkQueue.ts"

/** This host's lease lives. */
const mine = (host: string): string =>
  `exists (select 1 from hosts where host_id = ${host} and ended_at is null and lease_until > clock_timestamp())`

/** This host may store work as its own: it lives, and nothing is paused. */
export const mayHold = (host: string): string => `(${mine(host)} and not exists (select 1 from control where paused))`

const columns = (alias: string): string =>
  ["work_id", "kind", "event_id", "trace_id", "fence", "tries", "checkpoint", "wish", "tool as called"]
    .map((column) => `${alias}.${column}`).join(", ")

/** The priority of an event by which the operator steers the system; no other event has it. A pause does not hold it. */
export const steeringPriority = 9

/** `$1` this host, `$2` at most so many of each of the kinds `$3`, which have room, `$4` the tools that have none. */
export const claimStatement = `
with open as materialized (
    select ${mine("$1::uuid")} as it_is,
           exists (select 1 from control where paused) as paused
  ),
  free as materialized (
    select f.work_id
    from open o
         cross join unnest($3::text[], $2::int[]) as k(kind, room)
         cross join lateral (
           select r.work_id
           from generate_series(9, 0, -1) p
                cross join lateral (
                  select i.work_id
                  from work i
                  where i.claimed_by is null and not i.parked and i.kind = k.kind and i.priority = p
                    and i.due_at <= statement_timestamp()
                    and (i.tool is null or i.tool <> all ($4::text[]))
                    and (not o.paused or (k.kind = 'event' and p = ${steeringPriority}))
                    -- What came earlier in its thread is settled first.
                    and (i.thread_id is null or i.kind <> 'event' or p = ${steeringPriority} or not exists (
                           select 1 from work e
                           where e.thread_id = i.thread_id and e.kind = 'event' and e.work_id < i.work_id
                             and not e.parked and e.waits_for is distinct from 'approval'))
                  order by i.due_at
                  limit k.room
                  for update of i skip locked) r
           limit k.room) f
    where o.it_is
  ),
  taken as (
    update work w
    set claimed_by = $1::uuid, fence = nextval('fence_seq'), waits_for = null, decided = false
    where w.work_id = any (array(select work_id from free))
    returning ${columns("w")}, w.priority, w.due_at
  )
select (select jsonb_agg(to_jsonb(t) order by t.priority desc, t.due_at) from taken t) as rows,
       (select extract(epoch from min(n.due_at) - clock_timestamp())::float8 * 1000
        from unnest($3::text[]) k
             cross join generate_series(0, 9) p
             cross join lateral (
               select i.due_at
               from work i
               where i.claimed_by is null and not i.parked and i.kind = k and i.priority = p
                 and i.due_at > statement_timestamp()
               order by i.due_at
               limit 1) n
        where (select it_is from open)) as next_in_ms`

export interface ClaimedRow {
  readonly rows: ReadonlyArray<WorkRow> | null
  /** Until the next row is due that is not due yet. */
  readonly next_in_ms: number | null
}

/** Hosts that hold work and have ended or let their lease lapse; one look into the index for each holder. */
const goneStatement = `
with recursive holders as (
    (select claimed_by as host_id from work where claimed_by is not null order by claimed_by limit 1)
    union all
    select (select w.claimed_by from work w where w.claimed_by > s.host_id order by w.claimed_by limit 1)
    from holders s
    where s.host_id is not null
  )
select s.host_id
from holders s left join hosts h on h.host_id = s.host_id
where s.host_id <> $1::uuid and ${mine("$1::uuid")}
  and (h.host_id is null or h.ended_at is not null or h.lease_until < clock_timestamp())`

/** Locks rows that hosts hold that are gone. `$2` these hosts, `$3` the kinds that are served here. */
const orphanedStatement = `
select ${columns("w")}
from work w
where w.claimed_by = any ($2::uuid[]) and w.kind = any ($3::text[]) and ${mine("$1::uuid")}
  -- It may have come back in between.
  and not exists (select 1 from hosts h
                  where h.host_id = w.claimed_by and h.ended_at is null and h.lease_until >= clock_timestamp())
order by w.work_id
limit 200
for update of w skip locked`

/**
 * Makes the rows of hosts that have ended free, those that the operator has paused excepted, and has told what else is to
 * be written of them, in one transaction. Answers how many there were; there may be more.
 */
export const release = Effect.fnUntraced(function*<E>(
  hostId: string,
  kinds: ReadonlyArray<string>,
  tell: (rows: ReadonlyArray<WorkRow>) => Effect.Effect<void, E>
) {
  const sql = yield* SqlClient.SqlClient
  const gone = yield* sql.unsafe<{ readonly host_id: string }>(goneStatement, [hostId])
  if (gone.length === 0) return { released: 0 }
  const hosts = gone.map((row) => row.host_id)
  return yield* sql.withTransaction(Effect.gen(function*() {
    const found = yield* sql.unsafe<Omit<WorkRow, "fence"> & { readonly fence: bigint }>(
      orphanedStatement,
      [hostId, hosts, kinds]
    )
    if (found.length === 0) return { released: 0 }
    yield* sql`
      update work
      set claimed_by = null,
          parked     = coalesce(wish = 'pause', false),
          waits_for  = case when wish = 'pause' then 'pause' end,
          due_at     = clock_timestamp()
      where work_id = any(${found.map((row) => row.work_id)}::uuid[])`
    yield* tell(found.map((row) => ({ ...row, fence: Number(row.fence) })))
    return { released: found.length }
  }))
})

/** After so long a row of this host that it does not work on is taken for forgotten. */
const forgottenAfterSeconds = 30

/** Gives back rows of ours that nobody here works on: an outcome was not written, an answer never came. Answers how many. */
export const giveBackForgotten = Effect.fnUntraced(function*(hostId: string, active: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql`
    update work i
    set claimed_by = null
    where i.claimed_by = ${hostId} and not i.parked
      and i.due_at < clock_timestamp() - make_interval(secs => ${forgottenAfterSeconds})
      and i.work_id not in (select unnest(${active}::uuid[]))
      and not exists (select 1 from tool_calls c
                      where c.tool_call_id = i.tool_call_id and c.status = 'attempted'
                        and c.deadline_at > clock_timestamp())
    returning i.work_id`
  return rows.length
})

/**
 * Plans that PostgreSQL made while the table was nearly empty read all of it, and it keeps them, for every statement that
 * touches the table, until it looks at the table by itself: in a minute at best. So it is told to look when the table has
 * grown fourfold since, or seems to hold next to nothing for its size. Answers whether it was told.
 */
export const keepPlans = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [known] = yield* sql<{ readonly stale: boolean }>`
    select s.bytes >= 262144 and (s.bytes >= 4 * c.relpages::float8 * 8192 or s.bytes >= 1024 * c.reltuples) as stale
    from pg_class c
         cross join lateral (select pg_relation_size(c.oid)::float8 as bytes) s
    where c.oid = 'work'::regclass`
  if (known?.stale === true) yield* sql`analyze (skip_locked) work`
  return known?.stale === true
})
