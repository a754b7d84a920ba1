-- The snapshots of a tenant, as lists and rules of retention need them. The records in the chunk store are what counts: a row that is missing is made anew
-- from its record, a row whose record is gone goes as well.
create table marionette.snapshot (
    tenant      text collate "C" not null,
    id          text collate "C" not null, -- snap_…: sorts by time
    session_id  text collate "C",          -- null: uploaded
    part        text not null,             -- workspace, home, upload
    parent      text collate "C",
    name        text,                      -- for people
    kept        boolean not null default false, -- no rule of retention takes it away
    created_at  timestamptz not null,
    used_at     timestamptz not null default now(), -- somebody is reading it, or begins a session with it: it stays for a while
    files       bigint not null,
    directories bigint not null,
    links       bigint not null,
    bytes       bigint not null,
    primary key (tenant, id)
);
create index snapshot_by_session on marionette.snapshot (tenant, session_id, id);

-- When a tenant's part of the chunk store was last looked after. The row is the lock: one gateway at a time works on a tenant.
create table marionette.chunk_upkeep (
    tenant       text collate "C" primary key,
    looked_at    timestamptz,               -- records against rows, packs against the index, rules of retention
    collected_at timestamptz,               -- what no snapshot needs was deleted
    dirty        boolean not null default true, -- a snapshot was deleted since, or packs wait for their deletion
    report       jsonb                      -- what the last time came to
);
