/**
 * The statements of the table `watchers`.
 *
 * - A row is free when nobody holds it. What a host holds that has ended, or let its lease lapse, is made free first; what
 *   it writes of that claim later finds no row.
 * - All times are the database's.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import { tellAudit, type Told, toldLists } from "../audit/Audit.ts"
import type { EventRow } from "../contract/Rows.ts"
import { keyRow } from "../database/EventStatements.ts"
import { eventsEmitted } from "../tools/LedgerStatements.ts"

/** Something was switched on or off. */
export const watchersChannel = "syris_watchers"

/** Makes the rows of new watchers; a changed interval takes effect now. */
export const register = Effect.fnUntraced(function*(
  watchers: ReadonlyArray<{ readonly watcher_id: string; readonly intervalMs: number }>
) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    insert into watchers as w (watcher_id, interval_ms, next_tick_at)
    select r.watcher_id, r.interval_ms, clock_timestamp()
    from unnest(${watchers.map((one) => one.watcher_id)}::text[],
                ${watchers.map((one) => one.intervalMs)}::bigint[]) as r(watcher_id, interval_ms)
    order by r.watcher_id
    on conflict (watcher_id) do update
    set interval_ms  = excluded.interval_ms,
        next_tick_at = least(w.next_tick_at, clock_timestamp() + make_interval(secs => excluded.interval_ms / 1000.0)),
        updated_at   = clock_timestamp()
    where w.interval_ms <> excluded.interval_ms`
})

/** How a watcher stands, for whoever decides what is to be done. */
export interface Standing {
  readonly watcher_id: string
  readonly enabled: boolean
  readonly consecutive_errors: number
  readonly last_error: string | null
  readonly claimed_by: string | null
  /** Whoever holds it has ended, or let its lease lapse. */
  readonly abandoned: boolean
  readonly due_in_ms: number
}

export const standing = Effect.fnUntraced(function*(ids: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<Standing>`
    select w.watcher_id, w.enabled, w.consecutive_errors, w.last_error, w.claimed_by,
           w.claimed_by is not null
             and (h.host_id is null or h.ended_at is not null or h.lease_until < clock_timestamp()) as abandoned,
           extract(epoch from w.next_tick_at - clock_timestamp())::float8 * 1000 as due_in_ms
    from watchers w left join hosts h on h.host_id = w.claimed_by
    where w.watcher_id = any(${ids}::text[])`
})

/** Makes free what these hosts hold, of these watchers. */
export const release = Effect.fnUntraced(function*(held: ReadonlyArray<Pick<Standing, "watcher_id" | "claimed_by">>) {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    update watchers w
    set claimed_by = null
    from unnest(${held.map((one) => one.watcher_id)}::text[],
                ${held.map((one) => one.claimed_by)}::uuid[]) as x(watcher_id, host_id)
    where w.watcher_id = x.watcher_id and w.claimed_by = x.host_id`
})

/** A tick that this host has claimed. */
export interface Claim {
  readonly watcher_id: string
  readonly fence: number
  readonly state: unknown
  readonly consecutive_errors: number
  /** When it was due. */
  readonly due_at: Date
  readonly now: Date
  /** What it has emitted in the period of its throttle that began then. */
  readonly throttled_from: Date | null
  readonly throttled_events: number
}

/** Takes those that are due, enabled and free, while this host's lease lives. */
export const claim = Effect.fnUntraced(function*(hostId: string, ids: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<Omit<Claim, "fence"> & { readonly fence: bigint }>`
    with open as materialized (
        select exists (select 1 from hosts
                       where host_id = ${hostId}::uuid and ended_at is null
                         and lease_until > clock_timestamp()) as it_is
      ),
      free as materialized (
        select w.watcher_id
        from watchers w cross join open o
        where o.it_is and w.watcher_id = any(${ids}::text[])
          and w.enabled and w.claimed_by is null and w.next_tick_at <= clock_timestamp()
        for update of w skip locked
      )
    update watchers w
    set claimed_by = ${hostId}::uuid, fence = nextval('fence_seq')
    from free f
    where w.watcher_id = f.watcher_id
    returning w.watcher_id, w.fence, w.state, w.consecutive_errors, w.next_tick_at as due_at,
              clock_timestamp() as now, w.throttled_from, w.throttled_events`
  return rows.map((row): Claim => ({ ...row, fence: Number(row.fence) }))
})

/** How a tick ended, as the row takes it. */
export interface TickEnd {
  readonly watcher_id: string
  readonly fence: number
  /** The new state, in an object of its own: it may be null. None: the old one stays. */
  readonly kept?: { readonly state: unknown }
  readonly ticked_at: string
  readonly outcome: "success" | "failure"
  readonly error?: string
  readonly consecutive_errors: number
  readonly due_at: string
  /** The next tick is due so long after the last one was, or a multiple of it: the first that is still to come. */
  readonly step_ms: number
  readonly throttled_from: string
  readonly throttled_events: number
}

/** `$1` the end, `$2` the host, `$3` and `$4` events and their keys, `$5` the audit. */
const settleStatement = `
with ended as materialized (
    select *
    from json_to_record($1::json) as e(
      watcher_id text, fence bigint, kept jsonb, ticked_at timestamptz, outcome text, error text, consecutive_errors int,
      due_at timestamptz, step_ms float8, throttled_from timestamptz, throttled_events int)
  ),
  settled as (
    update watchers w
    set state              = coalesce(e.kept -> 'state', w.state),
        last_tick_at       = e.ticked_at,
        last_outcome       = e.outcome,
        last_error         = e.error,
        consecutive_errors = e.consecutive_errors,
        next_tick_at       = e.due_at + make_interval(secs => e.step_ms / 1000 * (1 + greatest(0, floor(
                               extract(epoch from clock_timestamp() - e.due_at)::float8 * 1000 / e.step_ms)))),
        claimed_by         = null,
        throttled_from     = e.throttled_from,
        throttled_events   = e.throttled_events,
        updated_at         = clock_timestamp()
    from ended e
    where w.watcher_id = e.watcher_id and w.fence = e.fence and w.claimed_by = $2::uuid
    returning w.watcher_id, w.enabled
  ),
  ${eventsEmitted("$3", "$4", "exists (select 1 from settled)")},
  ${
  tellAudit(
    "$5",
    `exists (select 1 from settled)
     and case r.told_when
           when 'stored'    then r.event_id in (select event_id from stored)
           when 'duplicate' then r.event_id in (select event_id from incoming)
                                 and r.event_id not in (select event_id from stored)
           else true
         end`
  )
}
select watcher_id, enabled from settled`

export interface Emitted {
  readonly event: EventRow
  readonly body_hash: string
}

/** Writes how a tick ended, with its events and its audit. Nothing where the claim is not ours any more. */
export const settle = Effect.fnUntraced(function*(
  hostId: string,
  end: TickEnd,
  emitted: ReadonlyArray<Emitted>,
  told: ReadonlyArray<Told>
) {
  const sql = yield* SqlClient.SqlClient
  const [settled] = yield* sql.unsafe<{ readonly watcher_id: string; readonly enabled: boolean }>(settleStatement, [
    JSON.stringify(end),
    hostId,
    JSON.stringify(emitted.map(({ event }) => event)),
    JSON.stringify(emitted.flatMap(keyRow)),
    toldLists(told)
  ])
  return settled
})
