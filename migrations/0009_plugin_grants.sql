-- Plugins in isolates: the code that was granted, and the code that is held until it is.

create table plugin_code (
  hash     text        primary key check (hash ~ '^[0-9a-f]{64}$'),
  -- [{path, bytes, sha256}]
  files    jsonb       not null check (jsonb_typeof(files) = 'array'),
  -- gzip of the JSON {path: text}: what of it can be shown, for hosts that have no copy
  texts    bytea       not null check (octet_length(texts) <= 4194304),
  taken_at timestamptz not null
);

create table plugin_grants (
  plugin     text        primary key check (plugin ~ '^[a-z][a-z0-9_-]{0,63}(\.[a-z0-9][a-z0-9_-]{0,63})?$'),
  path       text        not null,                   -- as the operator wrote it
  hash       text        not null references plugin_code,
  entry      text        not null,                   -- the module in the code
  asks       json,                                   -- what it asks for; not known before it was loaded
  allow      json        not null,                   -- what the configuration grants
  described  json,                                   -- what it brings
  granted_at timestamptz not null,
  granted_by text        not null check (granted_by in ('configuration', 'operator')),
  -- What it is now, where that was not granted.
  held_hash  text        references plugin_code,
  held_entry text,
  held_asks  json,
  held_since timestamptz,
  held_in    text,                                   -- the home of the host that has it
  check ((held_hash is null) = (held_entry is null) and (held_hash is null) = (held_since is null)
         and (held_hash is null) = (held_in is null)),
  -- The same code is held where it asks for more.
  check (held_hash is not null or held_asks is null),
  check (held_hash <> hash or held_asks is not null)
);
create index plugin_grants_hash on plugin_grants (hash);
create index plugin_grants_held on plugin_grants (held_hash) where held_hash is not null;
