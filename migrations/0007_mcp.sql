-- Servers of the Model Context Protocol: what their tools were when they were trusted, and what the operator switched off.
-- Artifacts: what tools gave back besides words.

create table integrations (
  integration_id text        primary key,
  enabled        boolean     not null,
  changed_at     timestamptz not null
);

create table mcp_tools (
  server        text        not null,
  tool          text        not null check (tool ~ '^[A-Za-z0-9_.-]{1,128}$'),  -- the server's own name for it
  -- As it was trusted: {name, description?, inputSchema, outputSchema?}, in the server's own order; a call is bound to it.
  pin           text        not null check (pin ~ '^[0-9a-f]{64}$'),
  definition    json        not null,
  trusted_at    timestamptz not null,
  -- 'first sight' or the operator
  trusted_by    text        not null,
  -- What the server says now, where that differs: the tool is in quarantine until it is trusted.
  changed_pin   text        check (changed_pin ~ '^[0-9a-f]{64}$' and changed_pin <> pin),
  changed       json,
  changed_at    timestamptz,
  -- Whether the server had it, in a form that can be used, when it was last asked.
  present       boolean     not null,
  primary key (server, tool),
  check ((changed_pin is null) = (changed is null) and (changed_pin is null) = (changed_at is null)),
  check (present or changed_pin is null)
);

create table artifacts (
  artifact_id  uuid        primary key,
  trace_id     uuid        not null,
  tool_call_id uuid,
  task_id      uuid,
  name         text        not null check (char_length(name) between 1 and 200),
  media_type   text        not null check (char_length(media_type) between 3 and 200),
  bytes        int         not null check (bytes between 0 and 8388608 and bytes = octet_length(data)),
  sha256       text        not null check (sha256 ~ '^[0-9a-f]{64}$'),
  labels       jsonb       not null check (labels ->> 'trust' in ('operator', 'trusted', 'untrusted')
                                           and labels ->> 'confidentiality' in ('public', 'private', 'secret')),
  created_at   timestamptz not null,
  data         bytea       not null
);
create index artifacts_trace on artifacts (trace_id, artifact_id);

-- Numbers of what servers ask the operator: one that was shown is never used again, also after a restart.
create sequence mcp_questions;

-- What a server asks the model while one of its tools runs.
alter table completions drop constraint completions_purpose_check;
alter table completions add constraint completions_purpose_check check (purpose in ('decide', 'summarize', 'sample'));
