-- Which sessions name a workspace: whoever removes its files from a host asks that of all of them. A generated column, since no index may mention `state`
-- (0004). It writes the table anew once, which holds up the silos that are running meanwhile: a few seconds for a million rows.
alter table marionette.grain_state
    add column workspace_id text collate "C" generated always as (state ->> 'workspace_id') stored;

create index grain_state_by_workspace on marionette.grain_state (workspace_id, tenant) where grain_type = 'session' and workspace_id is not null;
