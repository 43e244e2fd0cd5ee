-- The ground: hosts, events, routing, the tool call ledger, schedules, audit.
--
-- What grows without end is partitioned by month. Records whose id is a UUIDv7 are partitioned by that id, whose first
-- 48 bits are the time: so the id alone is a primary key and prunes. Unique keys that are not ids (dedupe_key,
-- idempotency_key) live in tables that are not partitioned. docs/adr/0002 has the reasons.

-- One row per start of a host. Work is held by a host for as long as its lease lasts.
create table hosts (
  host_id     uuid        primary key,
  home_id     uuid        not null,                 -- whose SYRIS_HOME: one process at a time holds it
  machine     text        not null,                 -- boot id and process namespace: in there, pids can be compared
  pid         int         not null,
  pid_started text        not null,
  version     text        not null,
  started_at  timestamptz not null default clock_timestamp(),
  beat_at     timestamptz not null default clock_timestamp(),
  lease_until timestamptz not null,
  ended_at    timestamptz,
  end_proof   text        check (end_proof in ('stopped', 'pid_gone', 'home_taken', 'lease_expired')),
  check ((ended_at is null) = (end_proof is null))
);
create index hosts_live on hosts (lease_until) where ended_at is null;

-- Fencing tokens: each claim draws a higher one. Gaps are harmless.
create sequence fence_seq cache 1;

-- What the operator has set for the whole system. One row.
create table control (
  one            boolean primary key default true check (one),
  autonomy       text    not null default 'A2' check (autonomy in ('A0', 'A1', 'A2', 'A3', 'A4')),
  paused         boolean not null default false,
  policy_version bigint  not null default 1
);

create table events (
  event_id            uuid        primary key,
  trace_id            uuid        not null,
  parent_event_id     uuid,
  schema_version      text        not null,
  occurred_at         timestamptz not null,
  ingested_at         timestamptz not null,
  channel             text        not null,
  connector_id        text        not null,
  thread_id           text,
  message_id          text,
  actor_type          text        not null check (actor_type in ('user', 'system', 'integration')),
  actor_id            text        not null,
  text                text,
  structured          jsonb       not null,
  attachment_refs     jsonb       not null,
  links               jsonb       not null,
  timezone            text        not null,
  locale              text        not null,
  device_id           text,
  dedupe_key          text,
  sensitivity         text        not null check (sensitivity in ('low', 'med', 'high')),
  trust               text        not null check (trust in ('operator', 'trusted', 'untrusted')),
  redaction_policy_id text        not null,
  depth               int         not null check (depth between 0 and 8)   -- how many events led to this one
) partition by range (event_id);
create index events_trace on events (trace_id);
create index events_thread on events (thread_id, event_id) where thread_id is not null;

-- The same message never runs twice. Outlives the event's partition.
create table event_keys (
  dedupe_key text        primary key,
  event_id   uuid        not null,
  trace_id   uuid        not null,
  body_hash  text        not null,
  first_at   timestamptz not null
);

-- A message that came again with another body: kept beside the first.
create table event_conflicts (
  conflict_id uuid        primary key,
  dedupe_key  text        not null references event_keys,
  body_hash   text        not null,
  body        jsonb       not null,
  received_at timestamptz not null,
  unique (dedupe_key, body_hash)
);

create table routing_decisions (
  event_id        uuid        primary key,
  trace_id        uuid        not null,
  decided_at      timestamptz not null,
  lane            text        not null check (lane in ('fast', 'task', 'llm_plan', 'sandbox', 'unhandled', 'dropped')),
  match           jsonb       not null,
  intent          text,
  confidence      real        check (confidence between 0 and 1),
  tool            text,
  input           jsonb,
  required_scopes jsonb       not null,
  risk            text,
  notes           jsonb       not null,
  prompt_hash     text
) partition by range (event_id);

-- Accepted and not yet settled: the work that somebody owes. A row is free when nobody claimed it or when its holder's
-- lease has ended; it is gone when the event is settled. `parked` rows wait for a person and are claimed by nobody.
create table inbox (
  event_id     uuid        primary key,
  trace_id     uuid        not null,
  tool_call_id uuid,
  tool         text,                                -- of its call, where it has one
  thread_id    text,                                -- its events are settled one after the other
  claimed_by   uuid,
  fence        bigint      not null,
  due_at       timestamptz not null default clock_timestamp(),
  tries        int         not null default 0,      -- how often its outcome was not known
  parked       boolean     not null default false
);
create index inbox_claim on inbox (claimed_by, due_at) where not parked;
create index inbox_trace on inbox (trace_id);
create index inbox_thread on inbox (thread_id, event_id) where thread_id is not null;

create table tool_calls (
  tool_call_id    uuid        primary key,
  trace_id        uuid        not null,
  event_id        uuid,
  task_id         uuid,
  step_id         uuid,
  ordinal         int         not null,
  tool            text        not null,
  tool_pin        text        not null,
  input           jsonb       not null,
  input_hash      text        not null,
  idempotency_key text        not null,
  effect          text        not null check (effect in ('read', 'write', 'irreversible')),
  guarantee       text        not null check (guarantee in ('transactional', 'native_key', 'probe', 'none')),
  risk            text        not null check (risk in ('low', 'medium', 'high', 'critical')),
  autonomy        text        not null check (autonomy in ('A0', 'A1', 'A2', 'A3', 'A4')),
  status          text        not null check (status in ('planned', 'attempted', 'succeeded', 'failed', 'unknown', 'canceled')),
  held_by         uuid,
  fence           bigint      not null default 0,
  attempts        int         not null default 0,
  open_attempts   int         not null default 0,   -- attempts whose effect could still land
  deadline_at     timestamptz,
  quiet_at        timestamptz,                      -- from here on no attempt can still land
  output          jsonb,
  error           jsonb,
  latency_ms      real,
  created_at      timestamptz not null,
  resolved_at     timestamptz,
  check (status <> 'attempted' or (held_by is not null and deadline_at is not null and attempts > 0)),
  check ((resolved_at is not null) = (status in ('succeeded', 'failed', 'canceled')))
) partition by range (tool_call_id);
create index tool_calls_trace on tool_calls (trace_id);
create index tool_calls_unknown on tool_calls (quiet_at) where status = 'unknown';

-- A key is used by one call, for ever.
create table tool_call_keys (
  idempotency_key text primary key,
  tool_call_id    uuid not null
);

-- What a holder knew that had lost its claim: evidence for a person, never an outcome.
create table tool_call_evidence (
  evidence_id  uuid        primary key,
  tool_call_id uuid        not null,
  fence        bigint      not null,
  evidence     jsonb       not null,
  recorded_at  timestamptz not null default clock_timestamp()
);

-- The ledger's law, whoever writes.
create function tool_calls_guard() returns trigger language plpgsql as $$
begin
  if new.tool_call_id <> old.tool_call_id or new.idempotency_key <> old.idempotency_key or new.tool <> old.tool
     or new.tool_pin <> old.tool_pin or new.input_hash <> old.input_hash or new.effect <> old.effect
     or new.guarantee <> old.guarantee or new.ordinal <> old.ordinal or new.trace_id <> old.trace_id
     or new.event_id is distinct from old.event_id or new.task_id is distinct from old.task_id
     or new.step_id is distinct from old.step_id or new.input is distinct from old.input then
    raise exception 'the identity of a tool call never changes' using errcode = 'SY001';
  end if;
  if new.fence < old.fence then
    raise exception 'a fence never goes back' using errcode = 'SY002';
  end if;
  if new.status = old.status and old.resolved_at is not null
     and (new.output is distinct from old.output or new.error is distinct from old.error
          or new.attempts <> old.attempts or new.open_attempts <> old.open_attempts
          or new.resolved_at is distinct from old.resolved_at) then
    raise exception 'a call that is % does not change any more', old.status using errcode = 'SY007';
  end if;
  if new.status <> old.status then
    if not (case old.status
      when 'planned'   then new.status in ('attempted', 'canceled', 'failed')
      when 'attempted' then new.status in ('succeeded', 'failed', 'unknown')
      when 'unknown'   then new.status in ('planned', 'succeeded', 'failed')
      else false end) then
      raise exception 'a tool call does not go from % to %', old.status, new.status using errcode = 'SY003';
    end if;
    if new.status = 'canceled' and old.attempts > 0 then
      raise exception 'an attempt was made: it can''t be canceled' using errcode = 'SY004';
    end if;
    if new.status = 'failed' and new.open_attempts > 0 then
      raise exception 'an older attempt is still open: it can''t be called failed' using errcode = 'SY005';
    end if;
    if old.status = 'unknown' and new.status = 'planned' and old.guarantee = 'none' and old.effect <> 'read'
       and coalesce(current_setting('syris.operator', true), '') = '' then
      raise exception 'only the operator repeats a call without a guarantee' using errcode = 'SY006';
    end if;
  end if;
  return new;
end $$;
create trigger tool_calls_guard before update on tool_calls for each row execute function tool_calls_guard();

-- How an event ended, and the reply that it is owed. Written in the transaction that settles it.
create table settlements (
  event_id   uuid        primary key,
  trace_id   uuid        not null,
  lane       text        not null,
  outcome    text        not null check (outcome in ('succeeded', 'failed', 'waiting', 'unknown', 'unhandled', 'dropped')),
  reply      text,                                  -- what the channel would be told
  settled_at timestamptz not null
) partition by range (event_id);
create index settlements_trace on settlements (trace_id);

create table schedules (
  schedule_id uuid           primary key,
  name        text           not null,
  enabled     boolean        not null default true,
  type        text           not null check (type in ('cron', 'interval', 'one_shot')),
  spec        text           not null,
  timezone    text           not null,
  catch_up    text           not null default 'run_once' check (catch_up in ('skip', 'run_once', 'run_all_capped')),
  catch_up_cap int           not null default 10 check (catch_up_cap between 1 and 1000),
  overrun     text           not null default 'skip' check (overrun in ('skip', 'queue_one', 'allow')),
  quiet_hours text,
  payload     jsonb          not null,
  trust       text           not null check (trust in ('operator', 'trusted', 'untrusted')),
  trace_id    uuid           not null,              -- the trace that made it
  made_by     uuid,                                 -- the tool call that made it, where one did
  next_run_at timestamptz(3),
  last_run_at timestamptz(3),
  created_at  timestamptz(3) not null,
  updated_at  timestamptz(3) not null
);
create index schedules_due on schedules (next_run_at) where enabled and next_run_at is not null;

-- Append-only. `xid` orders what one reader may see: rows below the snapshot's xmin are all there and final.
create table audit_events (
  seq        bigint      not null generated always as identity (cache 1),
  xid        xid8        not null default pg_current_xact_id(),
  audit_id   uuid        not null,
  timestamp  timestamptz not null,
  trace_id   uuid        not null,
  stage      text        not null,
  type       text        not null,
  outcome    text        not null check (outcome in ('success', 'failure', 'suppressed', 'info')),
  summary    text        not null,
  refs       jsonb       not null,
  actor      text,
  tool       text,
  risk       text,
  autonomy   text,
  latency_ms real,
  data       jsonb       not null
) partition by range (timestamp);
create index audit_events_order on audit_events (xid, seq);
create index audit_events_trace on audit_events (trace_id, seq);
create index audit_events_type  on audit_events (type, xid, seq);
create index audit_events_tool  on audit_events (tool, xid, seq) where tool is not null;

-- The first transaction that could still add rows to the audit: below it, every row is there and final. A snapshot counts
-- the transactions of all databases; one that is seen to belong to another database can add nothing here.
create function audit_horizon() returns xid8 language sql stable as $$
  select coalesce(
    (select x
     from pg_snapshot_xip(pg_current_snapshot()) x
     where not exists (
       select 1 from pg_stat_activity a
       where a.backend_xid = x::xid and a.datid <> (select oid from pg_database where datname = current_database()))
     order by x
     limit 1),
    pg_snapshot_xmax(pg_current_snapshot()))
$$;

create function audit_events_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'audit_events is append-only: % is refused', tg_op using errcode = 'SY020';
end $$;
create trigger audit_events_no_change before update or delete on audit_events
  for each row execute function audit_events_append_only();
create trigger audit_events_no_truncate before truncate on audit_events
  for each statement execute function audit_events_append_only();

-- The smallest UUIDv7 of a moment.
create function uuid_floor(at timestamptz) returns uuid language sql immutable as $$
  select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

-- Makes the partitions of the months around now. Called again and again while a host runs; cheap when all are there.
create function ensure_partitions(months_ahead int default 3) returns int language plpgsql as $$
declare
  utc_month timestamp;
  lower_end timestamptz;
  upper_end timestamptz;
  name text;
  parent text;
  made int := 0;
begin
  -- A new partition locks its parent; behind one long transaction everybody would wait with it.
  perform pg_advisory_xact_lock(hashtext('syris.partitions'));
  perform set_config('lock_timeout', '2s', true);
  for i in -1 .. months_ahead loop
    utc_month := date_trunc('month', now() at time zone 'UTC') + make_interval(months => i);
    lower_end := utc_month at time zone 'UTC';
    upper_end := (utc_month + interval '1 month') at time zone 'UTC';
    foreach parent in array array['events', 'routing_decisions', 'tool_calls', 'settlements', 'audit_events'] loop
      name := parent || '_' || to_char(utc_month, 'YYYYMM');
      continue when to_regclass(name) is not null;
      begin
        if parent = 'audit_events' then
          execute format('create table %I partition of %I for values from (%L) to (%L)', name, parent, lower_end, upper_end);
          -- Statement triggers are not inherited, and a partition can be named directly.
          execute format('create trigger audit_events_no_truncate before truncate on %I
            for each statement execute function audit_events_append_only()', name);
        else
          execute format('create table %I partition of %I for values from (%L) to (%L)', name, parent,
            uuid_floor(lower_end), uuid_floor(upper_end));
        end if;
        made := made + 1;
      exception
        when check_violation then
          raise warning 'rows of % lie in the default partition of %', to_char(utc_month, 'YYYY-MM'), parent;
        when lock_not_available then
          raise warning '% is in use: its partition of % is made the next time', parent, to_char(utc_month, 'YYYY-MM');
      end;
    end loop;
  end loop;
  return made;
end $$;

-- A clock that is far off finds a place too.
create table events_default            partition of events            default;
create table routing_decisions_default partition of routing_decisions default;
create table tool_calls_default        partition of tool_calls        default;
create table settlements_default       partition of settlements       default;
create table audit_events_default      partition of audit_events      default;
create trigger audit_events_no_truncate before truncate on audit_events_default
  for each statement execute function audit_events_append_only();

select ensure_partitions();
