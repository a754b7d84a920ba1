-- Which silos form the cluster. Orleans guards the whole table by one version number: a silo may change a row
-- only if it also moves the version on from the one it has read. Every statement below is one statement, so it
-- is atomic without a procedure, and the lock on the version row puts concurrent writers in line: the second one
-- wakes up, sees another version than it named, changes nothing and answers false.
create table marionette.membership_version (
    cluster    text collate "C" primary key,
    version    integer not null default 0,
    changed_at timestamptz not null default now()
);

create table marionette.membership (
    cluster       text collate "C" not null references marionette.membership_version on delete cascade,
    address       text collate "C" not null,
    port          integer not null,
    generation    integer not null,
    silo_name     text not null,
    host_name     text not null,
    status        integer not null, -- Orleans.Runtime.SiloStatus: 1 created, 2 joining, 3 active, 4 shutting down, 5 stopping, 6 dead
    proxy_port    integer not null,
    suspect_times text,
    start_time    timestamptz not null,
    i_am_alive    timestamptz not null,
    changed_at    timestamptz not null default now(), -- last change by the protocol; a heartbeat does not count
    primary key (cluster, address, port, generation)
) with (fillfactor = 50); -- heartbeats rewrite these few rows for ever; free space keeps them on their page

insert into marionette.orleansquery (querykey, querytext) values
('InsertMembershipVersionKey', $sql$
with created as (
    insert into marionette.membership_version (cluster) values (@DeploymentId)
    on conflict do nothing
    returning 1)
select exists (select 1 from created)
$sql$),

('InsertMembershipKey', $sql$
with moved as (
    update marionette.membership_version v
       set version = v.version + 1, changed_at = now()
     where v.cluster = @DeploymentId and v.version = @Version
       and not exists (
           select 1 from marionette.membership m
            where m.cluster = @DeploymentId and m.address = @Address and m.port = @Port and m.generation = @Generation)
    returning v.cluster),
added as (
    insert into marionette.membership
          (cluster, address, port, generation, silo_name, host_name, status, proxy_port, start_time, i_am_alive)
    select cluster, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime
      from moved
    returning 1)
select exists (select 1 from added)
$sql$),

-- A status change carries the writer's last knowledge of the heartbeat, which may be older than the stored one.
('UpdateMembershipKey', $sql$
with moved as (
    update marionette.membership_version v
       set version = v.version + 1, changed_at = now()
     where v.cluster = @DeploymentId and v.version = @Version
       and exists (
           select 1 from marionette.membership m
            where m.cluster = @DeploymentId and m.address = @Address and m.port = @Port and m.generation = @Generation)
    returning v.cluster),
changed as (
    update marionette.membership m
       set status = @Status, suspect_times = @SuspectTimes,
           i_am_alive = greatest(m.i_am_alive, @IAmAliveTime), changed_at = now()
      from moved
     where m.cluster = moved.cluster and m.address = @Address and m.port = @Port and m.generation = @Generation
    returning 1)
select exists (select 1 from changed)
$sql$),

('UpdateIAmAlivetimeKey', $sql$
update marionette.membership
   set i_am_alive = @IAmAliveTime
 where cluster = @DeploymentId and address = @Address and port = @Port and generation = @Generation
$sql$),

-- Both reads give the version row even if no silo matches: Orleans takes the version from the first row.
('MembershipReadRowKey', $sql$
select v.version as Version, m.address as Address, m.port as Port, m.generation as Generation,
       m.silo_name as SiloName, m.host_name as HostName, m.status as Status, m.proxy_port as ProxyPort,
       m.suspect_times as SuspectTimes, m.start_time as StartTime, m.i_am_alive as IAmAliveTime
  from marionette.membership_version v
  left join marionette.membership m
    on m.cluster = v.cluster and m.address = @Address and m.port = @Port and m.generation = @Generation
 where v.cluster = @DeploymentId
$sql$),

('MembershipReadAllKey', $sql$
select v.version as Version, m.address as Address, m.port as Port, m.generation as Generation,
       m.silo_name as SiloName, m.host_name as HostName, m.status as Status, m.proxy_port as ProxyPort,
       m.suspect_times as SuspectTimes, m.start_time as StartTime, m.i_am_alive as IAmAliveTime
  from marionette.membership_version v
  left join marionette.membership m on m.cluster = v.cluster
 where v.cluster = @DeploymentId
$sql$),

('GatewaysQueryKey', $sql$
select address as Address, proxy_port as ProxyPort, generation as Generation
  from marionette.membership
 where cluster = @DeploymentId and status = @Status and proxy_port > 0
$sql$),

-- Members go with the version row (on delete cascade).
('DeleteMembershipTableEntriesKey', $sql$
delete from marionette.membership_version where cluster = @DeploymentId
$sql$),

-- Dead and silent since the given time. (A silo killed while it joined is declared dead first, by its neighbours.)
-- changed_at keeps one that was declared dead a moment ago, however old its last heartbeat: should it wake up from
-- a long sleep, it must still find the row that tells it so.
('CleanupDefunctSiloEntriesKey', $sql$
delete from marionette.membership
 where cluster = @DeploymentId and status = 6
   and i_am_alive < @IAmAliveTime and start_time < @IAmAliveTime and changed_at < @IAmAliveTime
$sql$);
