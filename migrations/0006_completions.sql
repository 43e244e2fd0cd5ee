-- Every question to a model and its answer, as they were sent and without known secrets: what the operator reads
-- (`GET /llm/context`, `syris costs`), what budgets count, and what a replay plays.

create table completions (
  completion_id   uuid        primary key,
  purpose         text        not null check (purpose in ('decide', 'summarize')),
  trace_id        uuid        not null,
  event_id        uuid        not null,
  task_id         uuid        not null,
  step_id         uuid        not null,
  -- Which question of the step, from 0: a question whose answer is stored is not asked again.
  question        int         not null check (question >= 0),
  host_id         uuid        not null,
  asked_at        timestamptz not null,
  answered_at     timestamptz,
  model           text        not null,             -- that answered, as the configuration calls it; before, that is asked first
  prompt_hash     text        not null,
  request_hash    text        not null,             -- SHA-256 over the canonical JSON of `request`
  request         jsonb       not null,             -- messages, tools, shape of the answer
  facts           jsonb       not null,             -- what the request was made from (core/llm/ContextFacts.ts)
  parts           jsonb       not null,             -- its parts, with their tokens and what was left out
  answer          jsonb,
  error           jsonb,
  -- Reserved with the question, settled with the answer. What was never settled counts as it was reserved.
  input_tokens    int         not null check (input_tokens >= 0),
  output_tokens   int         not null check (output_tokens >= 0),
  usd             float8      check (usd >= 0),
  latency_ms      int,
  check (answered_at is not null or (answer is null and error is null)),
  check (answer is null or error is null)
);
-- A host that died between question and answer leaves a row of its own behind: the question is asked anew.
create unique index completions_answered on completions (step_id, purpose, question) where answer is not null;
create index completions_question on completions (step_id, purpose, question);
create index completions_trace on completions (trace_id, completion_id);
create index completions_task on completions (task_id);
create index completions_asked on completions (asked_at) include (model, input_tokens, output_tokens, usd);

-- The first of `budgets` in which a question has no room, with what is used of it; null where all have.
create function budget_reached(asked jsonb, budgets jsonb) returns jsonb language plpgsql as $$
declare
  budget jsonb;
  tokens float8;
  dollars float8;
  used float8;
begin
  for budget in select value from jsonb_array_elements(budgets) loop
    if budget ->> 'scope' = 'trace' then
      select sum(input_tokens + output_tokens), sum(usd) into tokens, dollars
      from completions where trace_id = (asked ->> 'trace_id')::uuid;
    elsif budget ->> 'scope' = 'task' then
      select sum(input_tokens + output_tokens), sum(usd) into tokens, dollars
      from completions where task_id = (asked ->> 'task_id')::uuid;
    else
      select sum(input_tokens + output_tokens), sum(usd) into tokens, dollars
      from completions
      where asked_at >= (budget ->> 'since')::timestamptz and asked_at < (budget ->> 'until')::timestamptz
        and (budget ->> 'model' is null or model = budget ->> 'model');
    end if;
    used := coalesce(case budget ->> 'unit' when 'tokens' then tokens else dollars end, 0);
    -- What costs nothing has room in every budget of money.
    if (budget ->> 'wanted')::float8 > 0 and used + (budget ->> 'wanted')::float8 > (budget ->> 'most')::float8 + 1e-9 then
      return budget || jsonb_build_object('used', used);
    end if;
  end loop;
  return null;
end $$;

-- Stores a question with what it may use, for the first of `choices` (a model, with its price and the budgets that hold for
-- it) for which there is room. Answers what is stored already, where the question was answered before a crash.
--
-- Whoever reserves waits for whoever reserves before it, and only then reads what is used: every statement of a function
-- that is volatile sees what was committed before that statement began.
create function reserve_completion(asked jsonb, choices jsonb, others jsonb) returns jsonb language plpgsql volatile as $$
declare
  choice jsonb;
  reached jsonb;
  first_reached jsonb;
  stored jsonb;
  spent jsonb := '[]';
  one jsonb;
begin
  perform pg_advisory_xact_lock(hashtext('syris.completions'), hashtext(asked ->> 'trace_id'));
  -- Always the last: nobody who has it waits for one of a trace.
  if jsonb_path_exists(choices, '$[*].budgets[*] ? (@.scope == "day")') then
    perform pg_advisory_xact_lock(hashtext('syris.completions.day'));
  end if;
  select jsonb_build_object('outcome', 'answered', 'completion_id', completion_id, 'answer', answer, 'error', error,
                            'latency_ms', latency_ms, 'request_hash', request_hash)
  into stored
  from completions
  where step_id = (asked ->> 'step_id')::uuid and purpose = asked ->> 'purpose'
    and question = (asked ->> 'question')::int
    and (answer is not null or error ->> 'code' <> 'llm.aborted')
  order by answer is null, completion_id desc
  limit 1;
  if stored is not null then
    return stored;
  end if;
  for choice in select value from jsonb_array_elements(choices) loop
    reached := budget_reached(asked, choice -> 'budgets');
    if reached is null then
      insert into completions (completion_id, purpose, trace_id, event_id, task_id, step_id, question, host_id, asked_at,
                               model, prompt_hash, request_hash, request, facts, parts, input_tokens, output_tokens, usd)
      select q.completion_id, q.purpose, q.trace_id, q.event_id, q.task_id, q.step_id, q.question, q.host_id, q.asked_at,
             choice ->> 'model', q.prompt_hash, q.request_hash, q.request, q.facts, q.parts, q.input_tokens,
             q.output_tokens, (choice ->> 'usd')::float8
      from jsonb_populate_record(null::completions, asked) q;
      for one in select value from jsonb_array_elements(others) loop
        if budget_reached(asked, jsonb_build_array(one)) is not null then
          spent := spent || jsonb_build_array(one -> 'model');
        end if;
      end loop;
      return jsonb_build_object('outcome', 'reserved', 'model', choice -> 'model', 'only', choice -> 'only', 'spent', spent);
    end if;
    first_reached := coalesce(first_reached, reached);
  end loop;
  return first_reached || jsonb_build_object('outcome', 'refused');
end $$;

-- What was said in a thread before what still fits a context, in fewer words.
create table thread_summaries (
  channel         text        not null,
  thread_id       text        not null,
  -- The last event that it tells of: newer ones are told word by word.
  until_event_id  uuid        not null,
  text            text        not null check (char_length(text) between 1 and 8000),
  trust           text        not null check (trust in ('operator', 'trusted', 'untrusted')),
  events          int         not null check (events > 0),
  completion_id   uuid,
  created_at      timestamptz not null,
  primary key (channel, thread_id, until_event_id)
);

-- What surrounds a question (core/tasks/ContextRows.ts): what was said in its thread, and what is under way and waits for a
-- yes; of those the newest, so many and no more. `told`: whoever asks may hear of more than came the same way.
--
-- Planned once for a connection and not for each question: with a table for each month, that takes longer than to look. What
-- there is nothing of costs one look.
create function context_of(this_task uuid, this_event uuid, in_channel text, by_connector text, in_thread text, told boolean)
returns json language plpgsql stable set plan_cache_mode = force_generic_plan as $$
declare
  place record;
  summary json;
  since uuid;
  lines json := '[]';
  looked_at bigint;
  oldest uuid;
  earlier bigint := 0;
  open json := '[]';
  open_tasks bigint := 0;
  ended json := '[]';
  waiting json := '[]';
  pending bigint := 0;
begin
  select e.locale, e.device_id into place from events e where e.event_id = this_event;

  if in_thread is not null then
    select to_json(s), s.until_event_id into summary, since
    from (select s.text, s.trust, s.events, s.until_event_id
          from thread_summaries s
          where told and s.channel = in_channel and s.thread_id = in_thread and s.until_event_id < this_event
          order by s.until_event_id desc
          limit 1) s;
    since := coalesce(since, '00000000-0000-0000-0000-000000000000');

    -- Compared as pairs, so that only the index of threads has them in this order. A stranger who knows the name of a thread
    -- hears nothing that came another way.
    with recent as materialized (
      select e.event_id, e.trace_id, e.occurred_at,
             left(coalesce(e.text, case when e.structured <> '{}' then e.structured::text end), 4000) as text, e.trust
      from events e
      where e.thread_id is not null and (e.thread_id, e.event_id) < (in_thread, this_event)
        and (e.thread_id, e.event_id) > (in_thread, since)
        and e.channel = in_channel and (told or e.connector_id = by_connector)
      order by e.thread_id desc, e.event_id desc
      limit 200
    ), first as materialized (
      select event_id from recent order by event_id limit 1
    ), stained as materialized (
      select distinct t.trace_id
      from (select task_id, trace_id from tasks
            where trace_id = any(array(select trace_id from recent)) and task_id > (select event_id from first) offset 0) t
           cross join lateral (
             select from steps s where s.task_id = t.task_id and s.checkpoint ->> 'trust' = 'untrusted' limit 1) s
    ), line as (
      select r.event_id, r.trace_id, r.occurred_at as at, r.text, r.trust, left(s.reply, 4000) as reply,
             s.settled_at as answered_at, d.tool, r.trace_id in (select trace_id from stained) as untrusted
      from recent r
           left join lateral (select * from settlements where event_id = r.event_id offset 0) s on true
           left join lateral (select tool from routing_decisions where event_id = r.event_id offset 0) d on true
      where s.outcome is distinct from 'dropped'
    )
    select coalesce((select json_agg(l order by l.event_id desc) from line l), '[]'), (select count(*) from recent),
           (select event_id from first)
    into lines, looked_at, oldest;

    if looked_at = 200 then
      select count(*) into earlier
      from (
        select from events e
        where e.thread_id is not null and (e.thread_id, e.event_id) < (in_thread, oldest)
          and (e.thread_id, e.event_id) > (in_thread, since)
          and e.channel = in_channel and (told or e.connector_id = by_connector)
        limit 10000) c;
    end if;
  end if;

  if told and exists (select from work w where w.kind = 'task' and w.work_id <> this_task) then
    select coalesce(json_agg(json_build_object('task_id', t.task_id, 'name', t.name, 'status', t.status,
                               'updated_at', t.updated_at, 'waits_for', w.waits_for,
                               'trust', coalesce(e.trust, 'untrusted')) order by t.task_id desc), '[]')
    into open
    from (select w.work_id, w.waits_for, w.event_id from work w
          where w.kind = 'task' and w.work_id <> this_task
          order by w.work_id desc
          limit 12) w
         cross join lateral (select * from tasks where task_id = w.work_id offset 0) t
         left join lateral (select trust from events where event_id = w.event_id offset 0) e on true;
    select count(*) into open_tasks
    from (select from work w where w.kind = 'task' and w.work_id <> this_task limit 10000) c;
  end if;

  if told then
    with newest as materialized (
      select t.task_id, t.name, t.status, t.updated_at, t.trigger_event_id
      from tasks t
      where t.task_id <> this_task
      order by t.task_id desc
      limit 50
    ), ended as (
      select * from newest
      where status in ('succeeded', 'failed', 'canceled') and updated_at > clock_timestamp() - interval '24 hours'
      order by task_id desc
      limit 5
    )
    select coalesce(json_agg(json_build_object('task_id', t.task_id, 'name', t.name, 'status', t.status,
                               'updated_at', t.updated_at, 'waits_for', null,
                               'trust', coalesce(e.trust, 'untrusted')) order by t.task_id desc), '[]')
    into ended
    from ended t
         left join lateral (select trust from events where event_id = t.trigger_event_id offset 0) e on true;
  end if;

  if told and exists (select from approvals a where a.status = 'pending' and a.expires_at > clock_timestamp()) then
    select coalesce(json_agg(json_build_object('number', a.number, 'tool', a.tool, 'summary', a.summary,
                               'expires_at', a.expires_at,
                               'trust', coalesce(a.labels ->> 'trust', e.trust, 'untrusted')) order by a.approval_id desc),
                    '[]')
    into waiting
    from (select a.approval_id, a.number, a.tool, a.labels, a.event_id, a.expires_at,
                 left(coalesce(a.preview, a.what::text), 4000) as summary
          from approvals a
          where a.status = 'pending' and a.expires_at > clock_timestamp()
          order by a.approval_id desc
          limit 12) a
         left join lateral (select trust from events where event_id = a.event_id offset 0) e on true;
    select count(*) into pending
    from (select from approvals a where a.status = 'pending' and a.expires_at > clock_timestamp() limit 10000) c;
  end if;

  return json_build_object(
    'locale', place.locale, 'device_id', place.device_id,
    'summary', summary, 'lines', lines, 'earlier', earlier,
    'tasks', open, 'open_tasks', open_tasks, 'ended', ended,
    'approvals', waiting, 'pending', pending);
end $$;
