-- Servers of the Model Context Protocol: what their tools were when they were trusted, and what the operator switched off.
-- Artifacts: what tools gave back besides words.

create table integrations (
  integration_id text        primary key,
  enabled        boolean     not null,
  changed_at     timestamptz not null
);

create table mcp_tools (
  server        text        not null,
  tool          text        not null,              -- the server's own name for it
  -- As it was trusted: {name, description?, inputSchema, outputSchema?}; a call is bound to it.
  pin           text        not null check (pin ~ '^[0-9a-f]{64}$'),
  definition    jsonb       not null,
  trusted_at    timestamptz not null,
  -- 'first sight' or the operator
  trusted_by    text        not null,
  -- What the server says now, where that differs: the tool is in quarantine until it is trusted.
  changed_pin   text        check (changed_pin ~ '^[0-9a-f]{64}$' and changed_pin <> pin),
  changed       jsonb,
  changed_at    timestamptz,
  -- Whether the server had it when it was last asked.
  present       boolean     not null,
  seen_at       timestamptz not null,
  primary key (server, tool),
  check ((changed_pin is null) = (changed is null) and (changed_pin is null) = (changed_at is null))
);

create table artifacts (
  artifact_id  uuid        primary key,
  trace_id     uuid        not null,
  tool_call_id uuid,
  task_id      uuid,
  name         text        not null check (char_length(name) between 1 and 200),
  media_type   text        not null check (char_length(media_type) between 3 and 200),
  bytes        int         not null check (bytes between 0 and 8388608),
  sha256       text        not null check (sha256 ~ '^[0-9a-f]{64}$'),
  labels       jsonb       not null check (labels ->> 'trust' in ('operator', 'trusted', 'untrusted')
                                           and labels ->> 'confidentiality' in ('public', 'private', 'secret')),
  created_at   timestamptz not null,
  data         bytea       not null
);
create index artifacts_trace on artifacts (trace_id, artifact_id);
