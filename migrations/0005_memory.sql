-- Memory: what the host was told to remember. What is forgotten is a row that is gone.

create table memories (
  memory_id        uuid        primary key,
  text             text        not null check (char_length(text) between 1 and 4000),
  -- The text as it is looked for. Not `to_tsvector(text)`: no language is assumed (nothing is stemmed, no word is left out),
  -- accents and case are folded, and it is split the same way whatever the server's locale (core/memory/Words.ts).
  words            tsvector    not null,
  labels           jsonb       not null check (labels ->> 'trust' in ('operator', 'trusted', 'untrusted')
                                               and labels ->> 'confidentiality' in ('public', 'private', 'secret')),
  event_id         uuid        not null,            -- where it comes from, and in what it was said
  trace_id         uuid        not null,
  task_id          uuid,
  tool_call_id     uuid        not null unique,     -- a call remembers once
  channel          text        not null,
  actor_id         text        not null,
  thread_id        text,
  tags             text[]      not null,
  created_at       timestamptz not null,
  last_recalled_at timestamptz,
  recalled         int         not null default 0
);
-- Found in the transaction that wrote it and after, in the same time: no list that a reader would have to work off.
create index memories_words on memories using gin (words) with (fastupdate = off);
create index memories_trust on memories ((labels ->> 'trust'), memory_id);
