-- Tasks: work of many steps. Their claims stand beside those of events, in one table.

-- Accepted and not yet settled: the work that somebody owes, an event of the fast lane or a task. A row is free when nobody
-- holds it; it is gone when the work is settled. `parked` rows wait for a person, an approval or a job and are claimed by nobody.
alter table inbox rename to work;
alter table work rename column event_id to work_id;     -- of the event or of the task
alter table work
  add column kind       text     not null default 'event' check (kind in ('event', 'task')),
  add column event_id   uuid,                               -- that it answers
  add column priority   smallint not null default 5 check (priority between 0 and 9),   -- the highest first
  add column waits_for  text     check (waits_for in ('time', 'person', 'answer', 'approval', 'job', 'pause')),
  add column wish       text     check (wish in ('pause', 'cancel')),  -- the operator's, for whoever holds it
  add column heeded     text     check (heeded in ('pause', 'cancel')),  -- the wish that the last checkpoint was written under
  add column checkpoint int      not null default 0;       -- writes under this work so far: each is there once
update work set event_id = work_id;
alter table work alter column event_id set not null, alter column kind drop default;
drop index inbox_claim;
alter index inbox_trace  rename to work_trace;
alter index inbox_thread rename to work_thread;
alter index inbox_pkey   rename to work_pkey;
-- Each kind of work is claimed by itself: one that a host has no room for must not be read to find the other.
create index work_free on work (kind, priority, due_at) where claimed_by is null and not parked;
create index work_asks on work (trace_id) where waits_for = 'answer';
create index work_held on work (claimed_by) where claimed_by is not null;

create table tasks (
  task_id           uuid        primary key,
  trace_id          uuid        not null,
  trigger_event_id  uuid        not null,
  thread_id         text,
  name              text        not null,               -- what a person calls it
  kind              text        not null check (kind in ('steps', 'code', 'llm_plan')),
  definition        text,                               -- of a plugin, by name
  input             jsonb,                              -- of the definition
  status            text        not null,
  priority          smallint    not null check (priority between 0 and 9),
  labels            jsonb       not null,
  autonomy_at_start text        not null check (autonomy_at_start in ('A0', 'A1', 'A2', 'A3', 'A4')),
  next_wake_at      timestamptz(3),
  cancel_reason     text,
  output            jsonb,
  error             jsonb,
  fence             bigint      not null default 0,     -- of the claim under which it ended
  created_at        timestamptz not null,
  updated_at        timestamptz not null
) partition by range (task_id);
create index tasks_trace on tasks (trace_id);

-- `(task_id, position)` is a step's identity, and reserves the key of its call.
create table steps (
  task_id      uuid     not null,
  position     int      not null check (position >= 0),
  step_id      uuid     not null,
  stage        int      not null,                       -- steps of one stage run at the same time
  name         text     not null,
  kind         text     not null check (kind in ('tool', 'llm_decide', 'wait')),
  status       text     not null,
  attempt      int      not null default 0,             -- from 0
  max_attempts int      not null check (max_attempts > 0),
  retry        jsonb    not null,
  tool         text,
  input        jsonb    not null,
  checkpoint   jsonb    not null default '{}',
  output       jsonb,
  error        jsonb,
  ordinal      int      not null default 0,             -- how often the operator had it done anew
  tool_call_id uuid,
  wake_at      timestamptz(3),
  started_at   timestamptz,
  ended_at     timestamptz,
  primary key (task_id, position)
) partition by range (task_id);

-- The guards below are written by `core/tasks/TaskState.ts`; a test compares them.
--BEGIN TASK STATE
create function tasks_refused() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    raise exception 'a task does not begin as %', new.status using errcode = 'SY031';
  end if;
  if new.task_id is distinct from old.task_id
        or new.trace_id is distinct from old.trace_id
        or new.trigger_event_id is distinct from old.trigger_event_id
        or new.kind is distinct from old.kind
        or new.definition is distinct from old.definition
        or new.input is distinct from old.input then
    raise exception 'the identity and the input of a task never change' using errcode = 'SY030';
  end if;
  raise exception 'a task does not go from % to %', old.status, new.status using errcode = 'SY031';
end $$;
create trigger tasks_born before insert on tasks for each row
  when (new.status not in ('pending', 'running'))
  execute function tasks_refused();
create trigger tasks_moved before update on tasks for each row
  when (new.task_id is distinct from old.task_id
        or new.trace_id is distinct from old.trace_id
        or new.trigger_event_id is distinct from old.trigger_event_id
        or new.kind is distinct from old.kind
        or new.definition is distinct from old.definition
        or new.input is distinct from old.input
        or (new.status <> old.status and case old.status
    when 'pending' then new.status not in ('running', 'waiting', 'succeeded', 'failed', 'paused', 'canceled')
    when 'running' then new.status not in ('pending', 'waiting', 'paused', 'succeeded', 'failed', 'canceled')
    when 'waiting' then new.status not in ('running', 'pending', 'succeeded', 'failed', 'paused', 'canceled')
    when 'paused' then new.status not in ('pending', 'running', 'canceled')
    when 'failed' then new.status not in ('pending')
    when 'succeeded' then true
    when 'canceled' then true
    else true end))
  execute function tasks_refused();

create function steps_refused() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    raise exception 'a step does not begin as %', new.status using errcode = 'SY033';
  end if;
  if new.task_id is distinct from old.task_id
        or new.position is distinct from old.position
        or new.step_id is distinct from old.step_id
        or new.kind is distinct from old.kind
        or new.tool is distinct from old.tool
        or new.input is distinct from old.input then
    raise exception 'the identity and the input of a step never change' using errcode = 'SY032';
  end if;
  raise exception 'a step does not go from % to %', old.status, new.status using errcode = 'SY033';
end $$;
create trigger steps_born before insert on steps for each row
  when (new.status not in ('pending', 'running', 'waiting', 'succeeded', 'failed'))
  execute function steps_refused();
create trigger steps_moved before update on steps for each row
  when (new.task_id is distinct from old.task_id
        or new.position is distinct from old.position
        or new.step_id is distinct from old.step_id
        or new.kind is distinct from old.kind
        or new.tool is distinct from old.tool
        or new.input is distinct from old.input
        or (new.status <> old.status and case old.status
    when 'pending' then new.status not in ('running', 'waiting', 'succeeded', 'failed', 'skipped')
    when 'running' then new.status not in ('succeeded', 'failed', 'waiting', 'pending')
    when 'waiting' then new.status not in ('running', 'pending', 'succeeded', 'failed', 'skipped')
    when 'failed' then new.status not in ('pending')
    when 'skipped' then new.status not in ('pending')
    when 'succeeded' then true
    else true end))
  execute function steps_refused();
--END TASK STATE

-- The types of which there are several for each event and step are found by reading the newest rows: an index entry for each
-- of them was a third of the price of an audit row.
drop index audit_events_type;
create index audit_events_type on audit_events (type, xid, seq) where type not in (
  'event.ingested', 'routing.decided', 'tool_call.attempted', 'tool_call.succeeded', 'task.step_started', 'task.step_succeeded');

-- A call that was refused for certain is planned again by its step's retry policy, under the same key.
create or replace function tool_calls_guard() returns trigger language plpgsql as $$
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
      -- A call without a trace may be stored with its end: it is repeated when the host dies under it.
      when 'planned'   then new.status in ('attempted', 'canceled', 'failed')
                            or (new.status = 'succeeded' and (old.effect = 'read' or old.guarantee = 'transactional'))
                            or (new.status = 'unknown' and old.open_attempts > 0)   -- not to be repeated after all
      when 'attempted' then new.status in ('succeeded', 'failed', 'unknown', 'planned')
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
    if old.status = 'attempted' and new.status = 'planned'
       and (new.open_attempts <> old.open_attempts - 1 or new.open_attempts > 0) then
      raise exception 'an attempt that could still land is not planned again' using errcode = 'SY008';
    end if;
    if old.status = 'unknown' and new.status = 'planned' and old.guarantee = 'none' and old.effect <> 'read'
       and coalesce(current_setting('syris.operator', true), '') = '' then
      raise exception 'only the operator repeats a call without a guarantee' using errcode = 'SY006';
    end if;
  end if;
  return new;
end $$;

create or replace function ensure_partitions(months_ahead int default 3) returns int language plpgsql as $$
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
    foreach parent in array array['events', 'routing_decisions', 'tool_calls', 'settlements', 'tasks', 'steps', 'audit_events'] loop
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
          -- Rows that change soon after they are written find room for it on their page.
          if parent in ('tasks', 'steps', 'tool_calls') then
            execute format('alter table %I set (fillfactor = 70)', name);
          end if;
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

create table tasks_default partition of tasks default;
create table steps_default partition of steps default;

select ensure_partitions();
