/**
 * Which transactions wrote the audit at a moment. A time has no index, but rows stand nearly in the order of time: a
 * transaction writes after a later one only while it is open, and none is for longer than a call may last, an hour.
 */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql"

/** What a row may stand away from its time, and clocks that differ; milliseconds. */
export const slack = 2 * 3_600_000

/**
 * The first transaction whose rows are from `at` on, found by halving: the rows are nearly in the order of time. One probe of
 * the index for each doubling of the number of transactions.
 */
export const transactionAt = (sql: SqlClient.SqlClient, at: Date) =>
  sql<{ readonly xid: string }>`
  with recursive halving (low, high) as (
    select coalesce((select a.xid::text::bigint from audit_events a order by a.xid, a.seq limit 1), 0),
           coalesce((select a.xid::text::bigint + 1 from audit_events a order by a.xid desc, a.seq desc limit 1), 0)
    union all
    select case when p.timestamp < ${at} then p.found + 1 else h.low end,
           case when p.timestamp < ${at} then h.high else (h.low + h.high) / 2 end
    from halving h
    cross join lateral (
      select a.timestamp, a.xid::text::bigint as found
      from audit_events a
      where a.xid >= ((h.low + h.high) / 2)::text::xid8
      order by a.xid, a.seq
      limit 1
    ) p
    where h.low < h.high
  )
  select h.low::text as xid from halving h where h.low >= h.high`.pipe(
    Effect.map((rows) => rows[0]?.xid ?? "0")
  )
