-- Jobs: long work that runs apart from the host. Their claims stand beside those of events and tasks.

alter table work drop constraint work_kind_check;
alter table work add constraint work_kind_check check (kind in ('event', 'task', 'reply', 'rule', 'job'));

create table jobs (
  job_id          uuid        primary key,              -- also the row of `work`
  trace_id        uuid        not null,
  event_id        uuid        not null,                 -- that led to it
  tool_call_id    uuid,                                 -- that started it
  task_id         uuid,
  plugin          text        not null,
  kind            text        not null check (char_length(kind) between 1 and 100),
  runtime         text        not null check (runtime in ('thread', 'process', 'deno')),
  status          text        not null,
  progress        jsonb       not null default '{}',
  input           jsonb       not null,
  output          jsonb,
  error           jsonb,                                -- of its last attempt
  limits          jsonb       not null,
  labels          jsonb       not null check (labels ->> 'trust' in ('operator', 'trusted', 'untrusted')),
  retry           jsonb       not null,
  attempt         int         not null default 0,       -- 0 before the first
  max_attempts    int         not null check (max_attempts between 1 and 100),
  fence           bigint      not null default 0,       -- of the claim that it runs or ran under
  code_hash       text,                                 -- of the code that was granted, where it runs in an isolate of its own
  cancel_reason   text,
  log_artifact_id uuid,                                 -- of its last attempt
  answer_by       text,                                 -- who tells its end: `chat`, the name of a `send` tool, or nobody
  reply           text,                                 -- what is told
  created_at      timestamptz not null,
  started_at      timestamptz,
  ended_at        timestamptz,
  check (attempt between 0 and max_attempts),
  check (attempt > 0 or status in ('queued', 'failed', 'canceled')),
  check ((attempt > 0) = (started_at is not null)),
  check ((ended_at is not null) = (status in ('succeeded', 'failed', 'canceled', 'timed_out'))),
  check ((output is not null) = (status = 'succeeded')),
  check (error is not null or status not in ('failed', 'timed_out', 'waiting')),
  check (reply is null or ended_at is not null)
) partition by range (job_id);
create index jobs_trace on jobs (trace_id, job_id);
create index jobs_kind on jobs (kind, job_id desc);
create index jobs_status on jobs (status, job_id desc);

-- The guard is written by `core/workers/JobState.ts`; a test compares them.
--BEGIN JOB STATE
create function jobs_refused() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    raise exception 'a job does not begin as %', new.status using errcode = 'SY081';
  end if;
  if old.status in ('succeeded', 'failed', 'canceled', 'timed_out') then
    raise exception 'a job that is % does not change any more', old.status using errcode = 'SY082';
  end if;
  if new.job_id is distinct from old.job_id
        or new.trace_id is distinct from old.trace_id
        or new.event_id is distinct from old.event_id
        or new.tool_call_id is distinct from old.tool_call_id
        or new.task_id is distinct from old.task_id
        or new.plugin is distinct from old.plugin
        or new.kind is distinct from old.kind
        or new.runtime is distinct from old.runtime
        or new.input is distinct from old.input
        or new.limits is distinct from old.limits
        or new.labels is distinct from old.labels
        or new.max_attempts is distinct from old.max_attempts
        or new.retry is distinct from old.retry then
    raise exception 'the identity and the input of a job never change' using errcode = 'SY080';
  end if;
  if new.fence < old.fence or new.attempt < old.attempt then
    raise exception 'the fence and the attempt of a job never go back' using errcode = 'SY083';
  end if;
  raise exception 'a job does not go from % to %', old.status, new.status using errcode = 'SY081';
end $$;
create trigger jobs_born before insert on jobs for each row
  when (new.status not in ('queued', 'running'))
  execute function jobs_refused();
create trigger jobs_moved before update on jobs for each row
  when (new.job_id is distinct from old.job_id
        or new.trace_id is distinct from old.trace_id
        or new.event_id is distinct from old.event_id
        or new.tool_call_id is distinct from old.tool_call_id
        or new.task_id is distinct from old.task_id
        or new.plugin is distinct from old.plugin
        or new.kind is distinct from old.kind
        or new.runtime is distinct from old.runtime
        or new.input is distinct from old.input
        or new.limits is distinct from old.limits
        or new.labels is distinct from old.labels
        or new.max_attempts is distinct from old.max_attempts
        or new.retry is distinct from old.retry
        or new.fence < old.fence or new.attempt < old.attempt
        or old.status in ('succeeded', 'failed', 'canceled', 'timed_out')
        or (new.status <> old.status and case old.status
    when 'queued' then new.status not in ('running', 'failed', 'canceled')
    when 'running' then new.status not in ('waiting', 'queued', 'succeeded', 'failed', 'timed_out', 'canceled')
    when 'waiting' then new.status not in ('running', 'failed', 'canceled')
    else true end))
  execute function jobs_refused();
--END JOB STATE

-- The end of a job is told where it was asked for, once: the row changes no more.
create function jobs_told() returns trigger language plpgsql as $$
declare
  thread text;
  id uuid;
begin
  if new.answer_by = 'chat' then
    select case when f.channel = 'chat' then f.thread_id else p.thread_id end
    into thread
    from events f left join events p on p.event_id = f.parent_event_id and p.channel = 'chat'
    where f.event_id = new.event_id;
    insert into chat_messages (message_id, thread_id, event_id, trace_id, kind, text)
    values (gen_random_uuid(), thread, new.event_id, new.trace_id, 'reply', new.reply);
    perform pg_notify('syris_chat', '');
  else
    id := md5(new.job_id::text || ':end')::uuid;
    insert into replies (reply_id, event_id, trace_id, tool, text)
    values (id, new.event_id, new.trace_id, new.answer_by, new.reply);
    insert into work (work_id, kind, event_id, trace_id, fence)
    values (id, 'reply', new.event_id, new.trace_id, nextval('fence_seq'));
    perform pg_notify('syris_work', '');
  end if;
  return null;
end $$;
create trigger jobs_told after update on jobs for each row
  when (new.reply is not null and old.reply is null and new.answer_by is not null)
  execute function jobs_told();

-- What a job kept, its log among it.
alter table artifacts add column job_id uuid;

-- Partitions, with those of the jobs.
create or replace function ensure_partitions(months_ahead int default 3) returns int language plpgsql as $$
declare
  utc_month timestamp;
  lower_end timestamptz;
  upper_end timestamptz;
  name text;
  parent text;
  parents text[] := array['events', 'routing_decisions', 'tool_calls', 'settlements', 'audit_events', 'tasks', 'steps',
                          'occurrences', 'planned_actions', 'jobs'];
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
        if parent in ('tasks', 'steps', 'tool_calls', 'jobs') then
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

create table jobs_default partition of jobs default;

select ensure_partitions();
