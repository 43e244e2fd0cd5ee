/**
 * The rows of one noop event as the host writes them, as plain SQL: what the controls write. Two statements, as the
 * host's promise demands: everything up to the intent before the effect, the outcome after it.
 *
 * No fence, lease, pause, policy or duplicate is looked at, and what is the same for every noop event stands in the
 * statement: a control only writes.
 */

const pin = "a9d3b480ef5de8611d65cdd733f281db054ae99423a7047b7f3799e98016bd3d"
const inputHash = "50690c8335f80a1d1c12cd33e133ffd4259dd5c6a7a7afa6ae91c32acd9645c8"
const notes = `["filters: none are set", "rules: none are set", "fastpath: noop"]`

/** Over a source `i` with the columns that differ from event to event. */
const intentWrites = (hostId: string): string => `
  stored as (
    insert into events (event_id, trace_id, schema_version, occurred_at, ingested_at, channel, connector_id, message_id,
      actor_type, actor_id, text, structured, attachment_refs, links, timezone, locale, dedupe_key, sensitivity, trust,
      redaction_policy_id, depth)
    select event_id, trace_id, '1.0', at, at, channel, channel, message_id, 'user', channel, text, '{}', '[]', '[]', 'UTC',
           'en', dedupe_key, 'low', 'untrusted', 'default', 0
    from i
  ),
  keyed as (
    insert into event_keys (dedupe_key, event_id, trace_id, body_hash, first_at)
    select dedupe_key, event_id, trace_id, body_hash, at from i
  ),
  decided as (
    insert into routing_decisions (event_id, trace_id, decided_at, lane, match, intent, tool, input, required_scopes, risk, notes)
    select event_id, trace_id, at, 'fast', '{"fastpath": "noop", "rule_ids": [], "used_llm": false}', 'noop', 'noop.run', '{}',
           '["noop"]', 'low', '${notes}'
    from i
  ),
  reserved as (
    insert into tool_call_keys (idempotency_key, tool_call_id) select idempotency_key, tool_call_id from i
  ),
  called as (
    insert into tool_calls (tool_call_id, trace_id, event_id, ordinal, tool, tool_pin, input, input_hash, idempotency_key,
      effect, guarantee, risk, autonomy, status, held_by, fence, attempts, open_attempts, deadline_at, quiet_at, created_at)
    select tool_call_id, trace_id, event_id, 0, 'noop.run', '${pin}', '{}', '${inputHash}', idempotency_key, 'write',
           'transactional', 'low', 'A2', 'attempted', '${hostId}', 1, 1, 1, at + interval '35 s', at + interval '35 s', at
    from i
  ),
  owed as (
    insert into work (work_id, kind, event_id, trace_id, tool_call_id, tool, claimed_by, fence)
    select event_id, 'event', event_id, trace_id, tool_call_id, 'noop.run', '${hostId}', nextval('fence_seq') from i
  ),
  told as (
    insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, actor, tool, risk, autonomy, data)
    select a.audit_id, i.at, i.trace_id, a.stage, a.type, 'info', a.summary, a.refs::jsonb, a.actor, a.tool, a.risk, a.autonomy,
           a.data::jsonb
    from i, lateral (values
      (i.audit_1, 'normalize', 'event.ingested', i.channel || ': ' || i.text, '{"event_id": "' || i.event_id || '"}', i.channel,
       null, null, null, '{"trust": "untrusted", "channel": "webhook", "message_id": "' || i.message_id || '", "connector_id": "webhook"}'),
      (i.audit_2, 'route', 'routing.decided', 'Goes to noop.run in the fast lane.', '{"event_id": "' || i.event_id || '"}', null,
       'noop.run', null, null, '{"lane": "fast", "notes": ${notes}, "intent": "noop"}'),
      (i.audit_3, 'tool_call', 'tool_call.attempted', 'noop.run is called.',
       '{"event_id": "' || i.event_id || '", "tool_call_id": "' || i.tool_call_id || '"}', null, 'noop.run', 'low', 'A2',
       '{"attempt": 1, "guarantee": "transactional"}')
    ) as a(audit_id, stage, type, summary, refs, actor, tool, risk, autonomy, data)
  )`

const outcomeWrites = `
  moved as (
    update tool_calls c
    set status = 'succeeded', output = '{"message": "Did nothing."}', latency_ms = o.latency_ms, open_attempts = 0,
        resolved_at = o.at
    from o
    where c.tool_call_id = o.tool_call_id
  ),
  closed as (delete from work i using o where i.work_id = o.event_id),
  settled as (
    insert into settlements (event_id, trace_id, lane, outcome, reply, settled_at)
    select event_id, trace_id, 'fast', 'succeeded', 'Did nothing.', at from o
  ),
  told_outcome as (
    insert into audit_events (audit_id, timestamp, trace_id, stage, type, outcome, summary, refs, tool, risk, autonomy,
      latency_ms, data)
    select audit_id, at, trace_id, 'tool_call', 'tool_call.succeeded', 'success', 'noop.run was done.',
           jsonb_build_object('event_id', event_id, 'tool_call_id', tool_call_id), 'noop.run', 'low', 'A2', latency_ms,
           '{"attempt": 1}'
    from o
  )`

/** For many events at once, an array for each column. */
export const manyIntents = (hostId: string): string => `
with i as materialized (
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::timestamptz[],
                         $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[])
      as i(event_id, trace_id, tool_call_id, audit_1, audit_2, audit_3, at, channel, text, message_id, dedupe_key, body_hash,
           idempotency_key)
  ),
  ${intentWrites(hostId)}
select 1`

export const manyOutcomes = `
with o as materialized (
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::float8[])
      as o(event_id, trace_id, tool_call_id, audit_id, at, latency_ms)
  ),
  ${outcomeWrites}
select 1`

const oneIntentSource = `
  i as materialized (
    select uuidv7() as event_id, uuidv7() as trace_id, uuidv7() as tool_call_id, uuidv7() as audit_1, uuidv7() as audit_2,
           uuidv7() as audit_3, clock_timestamp() as at, 'webhook' as channel, 'noop' as text,
           x as message_id, 'd' || x || x as dedupe_key, '${inputHash}' as body_hash, 'k' || x || x as idempotency_key
    from (select replace(gen_random_uuid()::text, '-', '')) as x(x)
  )`

const line = (statement: string): string => `${statement.replaceAll(/\s*\n\s*/g, " ").trim()}\n`

/** For pgbench: the two transactions of one event, each one statement. */
export const pgbenchScript = (hostId: string): string =>
  line(`with ${oneIntentSource}, ${intentWrites(hostId)} select event_id, trace_id, tool_call_id from i \\gset`) +
  line(`
    with o as materialized (
      select :event_id::uuid as event_id, :trace_id::uuid as trace_id, :tool_call_id::uuid as tool_call_id,
             uuidv7() as audit_id, clock_timestamp() as at, 0.1::float8 as latency_ms
    ), ${outcomeWrites} select 1;`)
