-- Safety: approvals, standing rules, quiet hours, anti-flap, notification limit, alarms, and the answers on channels.

-- A pause is heeded when every host that lives has written its number: from then on no new effect begins.
alter table control add column pause_number bigint not null default 0;
alter table hosts   add column heeded_pause bigint not null default 0;

-- A person has decided something that the row may wait for, since it was claimed: whoever gives it back looks again at once.
alter table work add column decided boolean not null default false;

-- A call that asks: it is attempted only when its approval is consumed by that attempt.
alter table tool_calls
  add column needs_approval boolean not null default false,
  add column labels         jsonb   not null default '{}';   -- trust and confidentiality of what went into it

-- A capability: bound to one call, its exact input and its tool's definition, for one use.
create sequence approval_numbers;                  -- never used again; gaps are harmless
create table approvals (
  approval_id    uuid        primary key,
  number         bigint      not null unique,       -- what a person calls it
  trace_id       uuid        not null,
  event_id       uuid,
  task_id        uuid,
  step_id        uuid,
  tool_call_id   uuid        not null,
  work_id        uuid        not null,              -- the row of `work` that waits for it
  status         text        not null default 'pending'
                 check (status in ('pending', 'approved', 'denied', 'expired', 'superseded', 'revoked', 'consumed')),
  tool           text        not null,
  what           jsonb       not null,              -- the exact input that will run
  what_hash      text        not null,
  tool_pin       text        not null,
  preview        text,
  why            text        not null,
  reasons        jsonb       not null,
  risk           text        not null check (risk in ('low', 'medium', 'high', 'critical')),
  autonomy       text        not null check (autonomy in ('A0', 'A1', 'A2', 'A3', 'A4')),
  basis          text        not null,              -- what the policy said of it: another word makes it void
  question       text        not null,              -- what the chat is asked
  labels         jsonb       not null default '{}',
  created_at     timestamptz not null,
  expires_at     timestamptz not null,
  decided_by     text,
  decided_at     timestamptz,
  reason         text,
  supersedes     uuid,                              -- the approval whose input was edited
  consumed_at    timestamptz,
  consumed_fence bigint,
  check ((status = 'consumed') = (consumed_at is not null))
);
create unique index approvals_live on approvals (tool_call_id) where status in ('pending', 'approved');
create index approvals_pending on approvals (approval_id) where status = 'pending';
create index approvals_call  on approvals (tool_call_id);
create index approvals_trace on approvals (trace_id);

create function approvals_guard() returns trigger language plpgsql as $$
begin
  if (new.approval_id, new.number, new.trace_id, new.tool_call_id, new.work_id, new.tool, new.what, new.what_hash,
      new.tool_pin, new.why, new.reasons, new.risk, new.autonomy, new.basis, new.labels, new.created_at, new.expires_at)
     is distinct from
     (old.approval_id, old.number, old.trace_id, old.tool_call_id, old.work_id, old.tool, old.what, old.what_hash,
      old.tool_pin, old.why, old.reasons, old.risk, old.autonomy, old.basis, old.labels, old.created_at, old.expires_at)
     or new.event_id is distinct from old.event_id or new.task_id is distinct from old.task_id
     or new.step_id is distinct from old.step_id or new.preview is distinct from old.preview
     or new.supersedes is distinct from old.supersedes or new.question is distinct from old.question then
    raise exception 'what was shown for approval never changes' using errcode = 'SY010';
  end if;
  if new.status <> old.status and not (case old.status
       when 'pending'  then new.status in ('approved', 'denied', 'expired', 'superseded', 'revoked')
       when 'approved' then new.status in ('consumed', 'expired', 'revoked')
       else false end) then
    raise exception 'an approval does not go from % to %', old.status, new.status using errcode = 'SY011';
  end if;
  if (old.decided_at is not null and old.status <> 'pending'
      and (new.decided_by, new.decided_at, new.reason) is distinct from (old.decided_by, old.decided_at, old.reason))
     or (old.consumed_at is not null
         and (new.consumed_at, new.consumed_fence) is distinct from (old.consumed_at, old.consumed_fence)) then
    raise exception 'what became of an approval never changes' using errcode = 'SY010';
  end if;
  return new;
end $$;
create trigger approvals_guard before update on approvals for each row execute function approvals_guard();

create function approvals_born() returns trigger language plpgsql as $$
begin
  raise exception 'an approval begins as pending' using errcode = 'SY011';
end $$;
create trigger approvals_born before insert on approvals for each row
  when (new.status <> 'pending') execute function approvals_born();

-- The ledger's law, whoever writes: with approvals.
create or replace function tool_calls_guard() returns trigger language plpgsql as $$
begin
  if new.tool_call_id <> old.tool_call_id or new.idempotency_key <> old.idempotency_key or new.tool <> old.tool
     or new.tool_pin <> old.tool_pin or new.input_hash <> old.input_hash or new.effect <> old.effect
     or new.guarantee <> old.guarantee or new.ordinal <> old.ordinal or new.trace_id <> old.trace_id
     or new.event_id is distinct from old.event_id or new.task_id is distinct from old.task_id
     or new.step_id is distinct from old.step_id or new.input is distinct from old.input
     or new.labels is distinct from old.labels
     -- A policy that became stricter may ask of a call that was not begun.
     or (new.needs_approval <> old.needs_approval and (old.needs_approval or old.attempts > 0))
     or (old.needs_approval and (new.risk, new.autonomy) is distinct from (old.risk, old.autonomy)) then
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
    -- A call that asks begins with its approval and not without it: the same statement has consumed it. It is repeated as
    -- what was begun.
    if old.needs_approval and old.status = 'planned' and new.status in ('attempted', 'succeeded', 'unknown')
       and not exists (select 1 from approvals a
                       where a.tool_call_id = new.tool_call_id and a.status = 'consumed'
                         and (a.consumed_fence = new.fence or old.attempts > 0)
                         and a.what_hash = new.input_hash and a.tool_pin = new.tool_pin) then
      raise exception 'this call needs an approval' using errcode = 'SY012';
    end if;
  elsif old.needs_approval and new.attempts <> old.attempts then
    raise exception 'this call needs an approval to begin' using errcode = 'SY012';
  end if;
  return new;
end $$;

create function tool_calls_born() returns trigger language plpgsql as $$
begin
  raise exception 'a call that needs an approval does not begin as %', new.status using errcode = 'SY012';
end $$;
create trigger tool_calls_born before insert on tool_calls for each row
  when (new.needs_approval and new.status not in ('planned', 'canceled', 'failed'))
  execute function tool_calls_born();

-- Nothing waits for a call that will not begin any more. Who was asked in the chat of what came from elsewhere is told
-- there; what was said in the chat is answered there anyway.
create function tool_calls_given_up() returns trigger language plpgsql as $$
declare
  closed approvals%rowtype;
begin
  update approvals
  set status = case when expires_at <= clock_timestamp() then 'expired' else 'revoked' end
  where tool_call_id = new.tool_call_id and status in ('pending', 'approved')
  returning * into closed;
  if found and not exists (select 1 from events where event_id = closed.event_id and channel = 'chat') then
    insert into chat_messages (message_id, event_id, trace_id, kind, text)
    values (gen_random_uuid(), closed.event_id, closed.trace_id, 'notice',
            closed.number || ': ' || coalesce(new.error->>'message', closed.tool || ' was not done.'));
    perform pg_notify('syris_chat', '');
  end if;
  return null;
end $$;
create trigger tool_calls_given_up after update on tool_calls for each row
  when (old.status = 'planned' and new.status in ('canceled', 'failed'))
  execute function tool_calls_given_up();

-- Standing rules that "always allow this" made: over a tool and its arguments, with an end.
create table policies (
  policy_id   uuid        primary key,
  tool        text        not null,
  "when"      jsonb       not null,                 -- a condition over the call; never empty
  risk        text        not null check (risk in ('low', 'medium', 'high')),
  reason      text,
  approval_id uuid,                                 -- that it was made from
  created_by  text        not null,
  created_at  timestamptz not null,
  expires_at  timestamptz not null,
  revoked_at  timestamptz
);
create index policies_live on policies (expires_at) where revoked_at is null;

create table quiet_hours (
  quiet_hours_id text        primary key,
  start          text        not null check (start ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'),
  "end"          text        not null check ("end" ~ '^([01][0-9]|2[0-3]):[0-5][0-9]$'),
  timezone       text        not null,
  days           jsonb,                             -- on which it begins; all where null
  enabled        boolean     not null,
  updated_at     timestamptz not null
);

-- The last call of a tool that did one thing to one target. `cooldown_key` is a hash of the three.
create table cooldowns (
  cooldown_key text        primary key,
  tool_call_id uuid        not null,
  at           timestamptz not null
);
create index cooldowns_at on cooldowns (at);

-- As many rows as notifications are allowed in an hour: whoever notifies takes the one that was taken the longest ago.
create table notification_slots (
  slot         int         primary key,
  -- Of nobody it is not null (see `Admission.ts`).
  tool_call_id uuid        not null default '00000000-0000-0000-0000-000000000000',
  at           timestamptz not null default '-infinity'
);

create table alarms (
  alarm_id    uuid        primary key,
  type        text        not null,
  severity    text        not null check (severity in ('warning', 'error', 'critical')),
  dedupe_key  text        not null,
  status      text        not null check (status in ('open', 'acked', 'resolved')),
  message     text        not null,
  refs        jsonb       not null,
  opened_at   timestamptz not null,
  acked_at    timestamptz,
  resolved_at timestamptz,
  note        text
);
create unique index alarms_unresolved on alarms (dedupe_key) where status <> 'resolved';

-- What the operator is told on the channel `chat`. `xid` orders what a stream may show, as in `audit_events`.
create table chat_messages (
  seq        bigint      not null generated always as identity (cache 1),
  xid        xid8        not null default pg_current_xact_id(),
  message_id uuid        primary key,
  thread_id  text,
  event_id   uuid,
  trace_id   uuid        not null,
  kind       text        not null check (kind in ('reply', 'notice')),   -- a notice asks, or says what goes on
  text       text        not null,
  at         timestamptz not null default clock_timestamp()
);
create index chat_messages_order  on chat_messages (xid, seq);
create index chat_messages_thread on chat_messages (thread_id, xid, seq);

-- Replies on other channels: each is the call of a `send` tool, owed from the commit that settled its event.
create table replies (
  reply_id   uuid        primary key,               -- also the row of `work`
  event_id   uuid        not null,
  trace_id   uuid        not null,
  tool       text        not null,
  text       text        not null,
  created_at timestamptz not null default clock_timestamp()
);
create index replies_event on replies (event_id);

-- A check made with a column has the name that the table had then.
alter table work drop constraint if exists inbox_kind_check, drop constraint if exists work_kind_check;
alter table work add constraint work_kind_check check (kind in ('event', 'task', 'reply'));

-- `chat`, the name of a `send` tool, or nobody.
alter table settlements add column answer_by text;

create function settlements_answer() returns trigger language plpgsql as $$
declare
  e  record;
  id uuid;
begin
  if tg_op = 'UPDATE' and new.reply is not distinct from old.reply and new.outcome = old.outcome
     and new.settled_at = old.settled_at then
    return null;
  end if;
  -- What comes from elsewhere and asks the operator belongs to no conversation.
  select case when channel = 'chat' then thread_id end as thread_id into e from events where event_id = new.event_id;
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
create trigger settlements_answer after insert or update on settlements for each row
  when (new.answer_by is not null and new.reply is not null)
  execute function settlements_answer();

-- Whatever asks is told in the chat as it is asked, wherever it came from; what comes from elsewhere belongs to no
-- conversation.
create function approvals_told() returns trigger language plpgsql as $$
begin
  insert into chat_messages (message_id, thread_id, event_id, trace_id, kind, text)
  values (gen_random_uuid(),
          (select thread_id from events where event_id = new.event_id and channel = 'chat'),
          new.event_id, new.trace_id, 'notice', new.question);
  perform pg_notify('syris_chat', '');
  return null;
end $$;
create trigger approvals_told after insert on approvals for each row execute function approvals_told();

-- Of a call of which nobody knows whether it was done, and which no host will find out, the operator is told in the chat. A
-- task tells it of its own.
create function work_left_to_a_person() returns trigger language plpgsql as $$
begin
  insert into chat_messages (message_id, thread_id, event_id, trace_id, kind, text)
  values (gen_random_uuid(),
          (select thread_id from events where event_id = new.event_id and channel = 'chat'),
          new.event_id, new.trace_id, 'notice',
          'It is not known whether ' || new.tool || ' was done. Find out, and say it: syris settle ' || new.tool_call_id);
  perform pg_notify('syris_chat', '');
  return null;
end $$;
create trigger work_left_to_a_person after update on work for each row
  when (new.waits_for = 'person' and old.waits_for is distinct from 'person' and new.kind in ('event', 'reply')
        and new.tool_call_id is not null)
  execute function work_left_to_a_person();
