-- Mirrors of the git repositories that workspaces are cloned from: one for each address, depth and filter. Addresses and credentials stand here as hashes under a
-- key of the tenant's: the table tells nobody what is cloned, or with what. A row that is lost costs one full clone; its snapshot goes with the next upkeep.
create table marionette.git_mirror (
    tenant       text collate "C" not null,
    name         bytea not null,            -- address, depth and filter
    owner        bytea not null,            -- the same and the credential: whoever names it is shown the mirror
    snapshot     text collate "C",          -- null: none yet
    bytes        bigint not null default 0,
    asked        integer not null default 1, -- clones of this owner: the first alone is no reason to keep anything
    used_at      timestamptz not null default now(),
    made_at      timestamptz,
    making_until timestamptz,               -- a runner stores one, until then
    primary key (tenant, name)
);
