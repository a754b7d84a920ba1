-- Which chunk of a workspace's snapshots lies in which pack of the chunk store. Gateways ask here; packs tell the same of themselves.
create table marionette.chunk_pack (
    number   bigint primary key generated always as identity,
    tenant   text collate "C" not null,
    name     bytea not null, -- 32 bytes: the hash of the pack, and its name in the store
    length   bigint not null,
    added_at timestamptz not null default now(),
    unique (tenant, name)
);

-- A row is a chunk's place. Its tenant is its pack's: a pack of another tenant that names the same id is another place, which the join never shows.
-- A chunk may lie in several packs, and a pack may name one twice; the place that was known first holds.
create table marionette.chunk (
    id            uuid not null,     -- 16 bytes that tell nothing; as a uuid they take no length and compare fast
    pack          bigint not null,
    position      integer not null,  -- first byte in the pack
    stored_length integer not null,
    plain_length  integer not null,
    kind          smallint not null, -- as in a pack's list: what it holds, and how it was packed
    primary key (id, pack, position)
);
create index chunk_by_pack on marionette.chunk (pack); -- for packs that a collection deletes
