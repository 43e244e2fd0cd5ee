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
