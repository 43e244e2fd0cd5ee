-- What a channel keeps: its place in a stream, and which host listens where only one may.

create table channels (
  connector_id text        primary key,
  state        jsonb,                                 -- the channel's own; nothing before the first
  -- The host that listens. It counts for as long as that host's lease does.
  held_by      uuid,
  changed_at   timestamptz not null default clock_timestamp()
);
