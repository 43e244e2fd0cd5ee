-- Approvals that are asked for on channels of the operator's besides the chat, and answered there with a code.

-- Where each host can ask. A connector counts for as long as a host has it that has not ended.
create table operator_connectors (
  host_id        uuid not null,
  connector_id   text not null,
  channel        text not null,
  integration_id text not null,                     -- what the operator switches it off by
  tool           text not null,                     -- its `send`
  addressed      text not null,                     -- where the operator is reached by it
  primary key (host_id, connector_id)
);

-- A question is a reply to nobody but the operator: about this approval, on this connector.
alter table replies
  add column approval_id  uuid,
  add column channel      text,
  add column connector_id text,
  add column addressed    text,
  add check (num_nonnulls(approval_id, channel, connector_id, addressed) in (0, 4));

-- Codes that were sent with a question; what is stored of one is a slow hash of it. A question that is sent again has
-- another one besides. It is worth nothing when its approval is not pending any more.
create table approval_codes (
  code_hash    bytea       primary key,
  approval_id  uuid        not null,
  connector_id text        not null,
  made_at      timestamptz not null default clock_timestamp(),
  used_at      timestamptz
);
create index approval_codes_connector on approval_codes (connector_id, made_at);

-- What stands between a connector and whoever guesses. Answers on one connector are looked at one after the other.
create table code_guards (
  connector_id  text          primary key,
  salt          bytea         not null,
  wrong         timestamptz[] not null default '{}',   -- lately
  refused_until timestamptz,
  refused       int           not null default 0       -- since answers are refused
);

-- Owes the questions of approvals that are pending, of one or of all: once for each approval and connector.
create function owe_questions(one uuid default null) returns int language plpgsql as $$
declare
  made int;
begin
  with places as (
    -- Of several hosts the one that came last knows best.
    select distinct on (c.connector_id) c.*
    from operator_connectors c join hosts h on h.host_id = c.host_id and h.ended_at is null
    where not exists (select 1 from integrations i where i.integration_id = c.integration_id and not i.enabled)
    order by c.connector_id, c.host_id desc
  ), asked as (
    select * from approvals a where a.approval_id = one and a.event_id is not null
    union all
    select * from approvals a
    where one is null and a.status = 'pending' and a.expires_at > clock_timestamp() and a.event_id is not null
  ), owed as (
    insert into replies (reply_id, event_id, trace_id, tool, text, approval_id, channel, connector_id, addressed)
    select md5(a.approval_id || ':asked:' || p.connector_id)::uuid, a.event_id, a.trace_id, p.tool, a.question, a.approval_id,
           p.channel, p.connector_id, p.addressed
    from asked a cross join places p
    on conflict do nothing
    returning reply_id, event_id
  ), made_work as (
    -- Work of its own: nobody who waits for the end of the trace waits for it.
    insert into work (work_id, kind, event_id, trace_id, fence)
    select reply_id, 'reply', event_id, reply_id, nextval('fence_seq') from owed
    returning 1
  )
  select count(*) into made from made_work;
  if made > 0 then perform pg_notify('syris_work', ''); end if;
  return made;
end $$;

create function approvals_asked_elsewhere() returns trigger language plpgsql as $$
begin
  if exists (select 1 from operator_connectors) then perform owe_questions(new.approval_id); end if;
  return null;
end $$;
create trigger approvals_asked_elsewhere after insert on approvals for each row
  execute function approvals_asked_elsewhere();
