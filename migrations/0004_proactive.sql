-- What the host does by itself: schedules that ring, watchers, rules.

-- Schedules: a slot is one row of `occurrences` and at most one event.
alter table schedules
  add column revision        int            not null default 1,   -- of what decides its slots
  add column anchor          timestamptz(3),                      -- where intervals count from
  add column look_at         timestamptz(3),                      -- when a host has to look: its slot, or later
  add column held            boolean        not null default false,   -- its slot waits for the run before it
  add column notify          text,                                -- what the operator is told when it is due
  add column parent_event_id uuid,                                -- the event that it follows
  add column depth           int            not null default 0,   -- how many events led to it
  add column last_trace_id   uuid;                                -- of the slot that was fired last
alter table schedules alter column quiet_hours type jsonb using to_jsonb(quiet_hours);
update schedules set anchor = created_at, look_at = next_run_at;
-- One that was canceled is gone; until now it was kept as switched off.
delete from schedules where not enabled and next_run_at is null and made_by is not null;
-- Timers ring from now on, those that are overdue too: until now they were words like any other.
update schedules set notify = payload ->> 'text' where payload ->> 'connector_id' = 'timers';
alter table schedules alter column anchor set not null;
drop index schedules_due;
create index schedules_due   on schedules (look_at) where look_at is not null;
create index schedules_trace on schedules (trace_id);
create index schedules_name  on schedules (lower(name));
-- What a list shows by default: one-shots that are over grow without end.
create index schedules_open  on schedules (schedule_id) where next_run_at is not null or type <> 'one_shot';
-- The same in the order that they come in; and how many there are.
create index schedules_next  on schedules (next_run_at, schedule_id) include (enabled)
  where next_run_at is not null or type <> 'one_shot';
create index schedules_untrusted on schedules (schedule_id) where trust = 'untrusted' and next_run_at is not null;

-- Whoever writes a schedule need not know of `look_at`.
create function schedules_looked_at() returns trigger language plpgsql as $$
begin
  if new.anchor is null then
    new.anchor := new.created_at;
  end if;
  if tg_op = 'INSERT' then
    new.look_at := new.next_run_at;
  elsif new.next_run_at is distinct from old.next_run_at then
    -- Who writes `look_at` knows of `held`, too.
    if new.held = old.held and new.look_at is not distinct from old.look_at then
      new.held := false;
    end if;
    if new.next_run_at is null or new.look_at is not distinct from old.look_at then
      new.look_at := new.next_run_at;
    end if;
  end if;
  return new;
end $$;
create trigger schedules_looked_at before insert or update on schedules
  for each row execute function schedules_looked_at();

-- Words that nobody vouches for don't fill the operator's days: whoever makes a schedule of them, only so many are open.
create function schedules_untrusted() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtext('syris.schedules_untrusted'));
  if (select count(*) from schedules where trust = 'untrusted' and next_run_at is not null) >= 20 then
    raise exception 'Of untrusted words 20 schedules are open, and no more are made: cancel one, or wait until one is over.'
      using errcode = 'SY041';
  end if;
  return new;
end $$;
create trigger schedules_untrusted before insert on schedules for each row
  when (new.trust = 'untrusted' and new.next_run_at is not null) execute function schedules_untrusted();

-- Hosts sleep until the next slot that they know; they are told of one that comes earlier.
create function schedules_sooner() returns trigger language plpgsql as $$
begin
  perform pg_notify('syris_schedules', '');
  return null;
end $$;
create trigger schedules_made after insert on schedules for each row
  when (new.look_at is not null) execute function schedules_sooner();
create trigger schedules_moved after update on schedules for each row
  when (new.look_at is not null and (old.look_at is null or new.look_at < old.look_at)) execute function schedules_sooner();

create table occurrences (
  schedule_id uuid           not null,
  slot        timestamptz(3) not null,
  status      text           not null check (status in ('fired', 'skipped', 'missed')),
  reason      text,
  revision    int            not null,
  event_id    uuid,
  trace_id    uuid           not null,
  recorded_at timestamptz    not null default clock_timestamp(),
  primary key (schedule_id, slot),
  check ((status = 'fired') = (event_id is not null)),
  check (status = 'fired' or reason is not null)
) partition by range (slot);
create table occurrences_default partition of occurrences default;

create function occurrences_final() returns trigger language plpgsql as $$
begin
  raise exception 'what became of a slot never changes' using errcode = 'SY040';
end $$;
create trigger occurrences_final before update on occurrences for each row execute function occurrences_final();

-- From when on a host has looked at every slot as it came; slots before that came while it did not run.
alter table hosts add column scheduling_since timestamptz;

-- Partitions, with those of the occurrences, which are kept by their slot.
create or replace function ensure_partitions(months_ahead int default 3) returns int language plpgsql as $$
declare
  utc_month timestamp;
  lower_end timestamptz;
  upper_end timestamptz;
  name text;
  parent text;
  parents text[] := array['events', 'routing_decisions', 'tool_calls', 'settlements', 'audit_events', 'tasks', 'steps',
                          'occurrences', 'planned_actions'];
  made int := 0;
begin
  -- A new partition locks its parent; behind one long transaction everybody would wait with it.
  perform pg_advisory_xact_lock(hashtext('syris.partitions'));
  perform set_config('lock_timeout', '2s', true);
  for i in -1 .. months_ahead loop
    utc_month := date_trunc('month', now() at time zone 'UTC') + make_interval(months => i);
    lower_end := utc_month at time zone 'UTC';
    upper_end := (utc_month + interval '1 month') at time zone 'UTC';
    foreach parent in array parents loop
      name := parent || '_' || to_char(utc_month, 'YYYYMM');
      continue when to_regclass(name) is not null;
      begin
        if parent in ('audit_events', 'occurrences') then
          execute format('create table %I partition of %I for values from (%L) to (%L)', name, parent, lower_end, upper_end);
        else
          execute format('create table %I partition of %I for values from (%L) to (%L)', name, parent,
            uuid_floor(lower_end), uuid_floor(upper_end));
        end if;
        -- Rows that change soon after they are written find room for it on their page.
        if parent in ('tasks', 'steps', 'tool_calls') then
          execute format('alter table %I set (fillfactor = 70)', name);
        end if;
        if parent = 'audit_events' then
          -- Statement triggers are not inherited, and a partition can be named directly.
          execute format('create trigger audit_events_no_truncate before truncate on %I
            for each statement execute function audit_events_append_only()', name);
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

-- Watchers: one tick at a time across hosts, with what they remember.
create table watchers (
  watcher_id         text           primary key,
  enabled            boolean        not null default true,
  interval_ms        bigint         not null check (interval_ms >= 1),
  state              jsonb          not null default 'null',
  last_tick_at       timestamptz(3),
  last_outcome       text           check (last_outcome in ('success', 'failure')),
  last_error         text,                                -- what went wrong in the last tick, as a sentence
  consecutive_errors int            not null default 0,
  next_tick_at       timestamptz(3) not null,
  claimed_by         uuid,
  fence              bigint         not null default 0,
  throttled_from     timestamptz,                         -- when the period began that its events are counted in
  throttled_events   int            not null default 0,
  updated_at         timestamptz    not null default clock_timestamp()
);

-- Rules of the API. Those of the configuration and of plugins are each host's own; what became of them is in `rule_states`.
create table rules (
  rule_id      text        primary key,
  name         text        not null,
  definition   jsonb       not null,
  trust        text        not null check (trust in ('operator', 'trusted', 'untrusted')),
  risk         text        not null check (risk in ('low', 'medium', 'high', 'critical')),
  made_by      uuid,                                      -- the tool call that made it, where one did
  trace_id     uuid        not null,
  created_at   timestamptz not null default clock_timestamp(),
  updated_at   timestamptz not null default clock_timestamp()
);
create unique index rules_name on rules (lower(name));

-- Counts the changes of the rules of all hosts, so that each knows when to read them again.
alter table control add column rules_version bigint not null default 1;

create table rule_states (
  rule_id          text        primary key,
  enabled          boolean,                               -- the operator's word; none: as the rule says
  hit_count        bigint      not null default 0,
  suppressed_count bigint      not null default 0,
  last_fired_at    timestamptz
);

-- When a rule was fired for a key of its own.
create table rule_marks (
  rule_id  text        not null,
  key      text        not null,
  fired_at timestamptz not null,
  primary key (rule_id, key)
);
create index rule_marks_old on rule_marks (fired_at);

-- What a rule has seen last of a thing, and since when its condition holds for it.
create table rule_memory (
  rule_id    text        not null,
  thing      text        not null,
  basis      text        not null default '',               -- of the rule that saw it: another one begins anew
  seq        bigint      not null default 0,                -- `rule_work.seq` of the event that was seen last; 0: none
  seen       jsonb       not null default '{}',
  hold_id    uuid,                                          -- the row of `work` that waits for the condition to have held long enough
  touched_at timestamptz not null default clock_timestamp(),
  primary key (rule_id, thing)
);
create index rule_memory_old  on rule_memory (touched_at) where hold_id is null;
create index rule_memory_hold on rule_memory (hold_id) where hold_id is not null;

-- The rules that an event is for: owed from the commit that stores the event's decision. A row of `work` has its id.
create table rule_work (
  work_id  uuid   primary key,
  event_id uuid   not null,
  seq      bigint not null generated always as identity (cache 1),   -- in which order events came, whichever host took them
  at       timestamptz not null default clock_timestamp(),
  held     boolean not null default false,                           -- waits for a condition to have held long enough
  rules    jsonb  not null
);
create index rule_work_event on rule_work (event_id);

-- What an event was made to do: the action of a rule, or what a schedule tells the operator. Routed like every other.
create table planned_actions (
  event_id uuid  primary key,
  action   jsonb not null
) partition by range (event_id);
create table planned_actions_default partition of planned_actions default;

-- What is told of an event that follows one of the chat belongs to that conversation.
create or replace function settlements_answer() returns trigger language plpgsql as $$
declare
  e  record;
  id uuid;
begin
  if tg_op = 'UPDATE' and new.reply is not distinct from old.reply and new.outcome = old.outcome
     and new.settled_at = old.settled_at then
    return null;
  end if;
  -- What comes from elsewhere and asks the operator belongs to no conversation.
  select case when f.channel = 'chat' then f.thread_id else p.thread_id end as thread_id
  into e
  from events f left join events p on p.event_id = f.parent_event_id and p.channel = 'chat'
  where f.event_id = new.event_id;
  if new.answer_by = 'chat' then
    insert into chat_messages (message_id, thread_id, event_id, trace_id, kind, text)
    values (gen_random_uuid(), e.thread_id, new.event_id, new.trace_id,
            case when new.outcome in ('waiting', 'unknown') then 'notice' else 'reply' end, new.reply);
    perform pg_notify('syris_chat', '');
  else
    -- The same settlement is answered once.
    id := md5(new.event_id::text || ':' || new.outcome || ':' || new.settled_at || ':' || new.reply)::uuid;
    insert into replies (reply_id, event_id, trace_id, tool, text)
    values (id, new.event_id, new.trace_id, new.answer_by, new.reply)
    on conflict do nothing;
    if found then
      insert into work (work_id, kind, event_id, trace_id, fence)
      values (id, 'reply', new.event_id, new.trace_id, nextval('fence_seq'));
      perform pg_notify('syris_work', '');
    end if;
  end if;
  return null;
end $$;

alter table work drop constraint work_kind_check;
alter table work add constraint work_kind_check check (kind in ('event', 'task', 'reply', 'rule'));

select ensure_partitions();
