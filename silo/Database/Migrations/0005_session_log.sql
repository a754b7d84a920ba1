-- A session is its log. (session, seq) is the fence: of two activations that append to one session, one fails.
create table marionette.session_head (
    session text collate "C" primary key,
    tenant  text collate "C" not null,
    head    bigint not null -- the last seq that is stored; 0 = none
) with (fillfactor = 50); -- each append moves `head`, which no index holds: the row stays on its page

-- Partitioned by the session's id, which begins with its creation time (docs/adr/0002-partition-by-session-id.md):
-- a session lives in one partition for ever, and the primary key holds over all of them.
create table marionette.session_event (
    tenant  text collate "C" not null,
    session text collate "C" not null,
    seq     bigint not null,           -- from 1, without gaps
    type    text collate "C" not null,
    task    text collate "C",
    run     text collate "C",
    source  bigint not null default 0, -- the runner's own number of what led to this event; 0 = not from a runner
    at      timestamptz not null,
    payload bytea not null,            -- the event's body, UTF-8 JSON
    primary key (session, seq)
) partition by range (session);

-- Takes what no month covers: ids of another make, or a month nobody made in time. Normally empty.
create table marionette.session_event_default partition of marionette.session_event default;

-- lz4 where the server has it: bodies over 2 KB compress several times faster than with PostgreSQL's own method.
do $do$
begin
    if exists (select 1 from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)) then
        alter table marionette.session_event alter column payload set compression lz4;
        alter table marionette.session_event_default alter column payload set compression lz4;
        alter table marionette.grain_state alter column state set compression lz4;
    end if;
end
$do$;

-- The lowest session id of a moment: `sess_` and the milliseconds since 1970 as 8 digits of base 62 (0-9 A-Z a-z).
create function marionette.session_id_floor(moment timestamptz) returns text
    language plpgsql immutable strict parallel safe as $function$
declare
    digits constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    rest bigint := floor(extract(epoch from moment) * 1000);
    id text := '';
begin
    for digit in 1..8 loop
        id := substr(digits, (rest % 62)::integer + 1, 1) || id;
        rest := rest / 62;
    end loop;
    return 'sess_' || id;
end
$function$;

-- Makes the partitions of `months` months from the one `from_month` lies in (UTC) and returns the new ones.
-- Safe to call at any time, from anywhere, twice. Rows that already went to the default partition are moved.
-- Attaching needs the default partition for itself for a moment, so callers set a lock_timeout and try again.
-- Runs with its owner's rights: the role that silos use need not own the tables.
create function marionette.ensure_session_partitions(from_month date, months integer) returns setof text
    language plpgsql security definer set search_path = pg_catalog, pg_temp as $function$
declare
    first_day date;
    name text;
    low text;
    high text;
begin
    perform pg_advisory_xact_lock(5571340226921284932); -- one maker at a time; any number that is ours alone
    for i in 0..months - 1 loop
        first_day := date_trunc('month', from_month::timestamp) + make_interval(months => i);
        name := 'session_event_' || to_char(first_day, 'YYYY_MM');
        continue when to_regclass('marionette.' || name) is not null;
        low := marionette.session_id_floor(first_day::timestamp at time zone 'UTC');
        high := marionette.session_id_floor((first_day + interval '1 month') at time zone 'UTC');
        execute format('create table marionette.%I (like marionette.session_event including all)', name);
        if exists (select 1 from marionette.session_event_default where session >= low and session < high) then
            lock table only marionette.session_event in share row exclusive mode; -- no writer between move and attach
            execute format(
                'with moved as (delete from marionette.session_event_default where session >= %L and session < %L returning *)
                 insert into marionette.%I select * from moved', low, high, name);
        end if;
        execute format(
            'alter table marionette.session_event attach partition marionette.%I for values from (%L) to (%L)',
            name, low, high);
        return next name;
    end loop;
end
$function$;

-- The tenant's lifecycle stream. Positions are handed out before a transaction commits, so a reader that only
-- remembers the highest position would skip the row of a slower transaction. Hence the order is (xid, position), and
-- readers take rows with xid < pg_snapshot_xmin(pg_current_snapshot()) only: nothing can appear below that any more.
-- A long writing transaction anywhere on the server therefore delays this stream, and cannot make it lose anything.
create table marionette.tenant_event (
    tenant   text collate "C" not null,
    xid      xid8 not null default pg_current_xact_id(),
    position bigint not null generated always as identity,
    session  text collate "C",
    seq      bigint,
    type     text collate "C" not null,
    task     text collate "C",
    at       timestamptz not null,
    payload  bytea not null,
    primary key (tenant, xid, position)
);

-- A dump restored into another server keeps xids which that server's counter has not reached: readers would wait for
-- ages. Run this once after such a restore (not after a physical one). Stored cursors of readers start over.
create function marionette.rebase_tenant_events() returns bigint
    language sql as $function$
with rebased as (update marionette.tenant_event set xid = '3'::xid8 where xid <> '3'::xid8 returning 1)
select count(*) from rebased
$function$;
