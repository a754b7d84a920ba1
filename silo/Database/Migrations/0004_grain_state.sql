-- The state of every grain, queryable where it lies. grain_type is the name in [PersistentState("...")], grain_key
-- the grain's string key, always `tenant/id`. A database holds one installation, so Orleans' service id is no part
-- of the key. The columns that lists filter by are generated from the document: there is no second copy to drift.
--
-- No index may mention `state` itself, not even in an expression: PostgreSQL would then have to write every index
-- anew at each state change. With generated columns, a write that changes none of them touches the heap page alone
-- (a HOT update), for which the fill factor leaves room.
create table marionette.grain_state (
    grain_type  text collate "C" not null,
    grain_key   text collate "C" not null,
    version     bigint not null,
    state       jsonb not null, -- 'null' = cleared: the version stays, so that an activation of before cannot write
    modified_at timestamptz not null default now(),
    tenant      text collate "C" not null generated always as (split_part(grain_key, '/', 1)) stored,
    status      text collate "C" generated always as (state ->> 'status') stored,
    created_at  text collate "C" generated always as (state ->> 'created_at') stored, -- ISO 8601, UTC, fixed width: sorts
    session_id  text collate "C" generated always as (state ->> 'session_id') stored,
    labels      jsonb generated always as (state -> 'labels') stored,
    primary key (grain_type, grain_key)
) with (fillfactor = 70);

create index grain_state_by_tenant on marionette.grain_state (grain_type, tenant, grain_key desc);
create index grain_state_by_status on marionette.grain_state (grain_type, tenant, status);
create index grain_state_by_session on marionette.grain_state (grain_type, session_id) where session_id is not null;
create index grain_state_by_label on marionette.grain_state using gin (labels jsonb_path_ops); -- labels @> '{"a": "b"}'

-- Orleans' provider takes a string key apart if it looks like a number in hex or a GUID ("cafe", "0cafe" and "CAFE"
-- all become 51966), and hands over the parts. Two keys could then share one row, so such keys are refused.
create function marionette.grain_key(key text, n0 bigint, n1 bigint) returns text
    language plpgsql immutable parallel safe as $function$
begin
    if key is null or n0 <> 0 or n1 <> 0 then
        raise exception 'a grain with stored state needs a string key of the form tenant/id, not a number or a GUID'
            using errcode = 'invalid_parameter_value';
    end if;
    return key;
end
$function$;

insert into marionette.orleansquery (querykey, querytext) values
('ReadFromStorageKey', $sql$
select case when jsonb_typeof(state) <> 'null' then convert_to(state::text, 'UTF8') end as PayloadBinary,
       version as Version
  from marionette.grain_state
 where grain_type = @GrainTypeString
   and grain_key = marionette.grain_key(@GrainIdExtensionString, @GrainIdN0, @GrainIdN1)
$sql$),

-- No version = the first write, which the primary key lets only one of two writers make; otherwise the version that
-- the writer has read must still be the stored one. No row back = a conflict: Orleans throws InconsistentStateException.
('WriteToStorageKey', $sql$
with changed as (
    update marionette.grain_state
       set state = convert_from(@PayloadBinary, 'UTF8')::jsonb, version = version + 1, modified_at = now()
     where grain_type = @GrainTypeString
       and grain_key = marionette.grain_key(@GrainIdExtensionString, @GrainIdN0, @GrainIdN1)
       and version = @GrainStateVersion
    returning version),
created as (
    insert into marionette.grain_state (grain_type, grain_key, version, state)
    select @GrainTypeString, marionette.grain_key(@GrainIdExtensionString, @GrainIdN0, @GrainIdN1), 1,
           convert_from(@PayloadBinary, 'UTF8')::jsonb
     where @GrainStateVersion is null
    on conflict (grain_type, grain_key) do nothing
    returning version)
select version as NewGrainStateVersion from changed
union all
select version from created
$sql$),

('ClearStorageKey', $sql$
update marionette.grain_state
   set state = 'null', version = version + 1, modified_at = now()
 where grain_type = @GrainTypeString
   and grain_key = marionette.grain_key(@GrainIdExtensionString, @GrainIdN0, @GrainIdN1)
   and version = @GrainStateVersion
returning version as NewGrainStateVersion
$sql$),

-- Used instead of the above with DeleteStateOnClear. Orleans expects a number other than the one it passed.
('DeleteStorageKey', $sql$
delete from marionette.grain_state
 where grain_type = @GrainTypeString
   and grain_key = marionette.grain_key(@GrainIdExtensionString, @GrainIdN0, @GrainIdN1)
   and version = @GrainStateVersion
returning version + 1 as NewGrainStateVersion
$sql$);
