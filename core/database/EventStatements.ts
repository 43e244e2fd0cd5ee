/**
 * The SQL that stores events. Used wherever events are born: at the door, and in the outcome of a tool that emits.
 *
 * An event whose dedupe key is taken is not stored. A statement that is sent again after a lost connection finds its own
 * event and stores nothing.
 */
import type { EventRow } from "../contract/Rows.ts"

/** The row of `event_keys` of an event, where it has a key. */
export const keyRow = ({ body_hash, event }: { readonly event: EventRow; readonly body_hash: string }) =>
  event.dedupe_key === undefined ? [] : [{
    dedupe_key: event.dedupe_key,
    event_id: event.event_id,
    trace_id: event.trace_id,
    body_hash,
    first_at: event.ingested_at
  }]

/** CTEs `incoming`, `keyed` and `stored`. `only` limits which of the incoming events may be stored at all. */
export const storeEvents = (events: string, keys: string, only = "true"): string => `
  incoming as materialized (
    select e.* from json_populate_recordset(null::events, ${events}::json) e where ${only}
  ),
  keyed as (
    insert into event_keys (dedupe_key, event_id, trace_id, body_hash, first_at)
    select k.dedupe_key, k.event_id, k.trace_id, k.body_hash, k.first_at
    from json_populate_recordset(null::event_keys, ${keys}::json) k
    where k.event_id in (select event_id from incoming)
    order by k.dedupe_key
    on conflict (dedupe_key) do nothing
    returning event_id
  ),
  stored as (
    insert into events
    select i.* from incoming i
    where i.dedupe_key is null or i.event_id in (select event_id from keyed)
    on conflict (event_id) do nothing
    returning event_id, trace_id, thread_id
  )`
