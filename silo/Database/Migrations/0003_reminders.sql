-- Deadlines that survive everything. A silo reads the reminders of its range of the hash ring.
-- Versions come from one sequence, not from a counter per row, so that a reminder deleted and registered anew
-- never carries an old version again: a late unregister with the old one finds nothing.
create sequence marionette.reminder_version as integer cycle;

create table marionette.reminder (
    service    text collate "C" not null,
    grain_id   text collate "C" not null,
    name       text collate "C" not null,
    grain_hash integer not null,
    start_time timestamptz not null,
    period_ms  bigint not null,
    version    integer not null,
    primary key (service, grain_id, name)
);
create index reminder_by_range on marionette.reminder (service, grain_hash);

insert into marionette.orleansquery (querykey, querytext) values
('UpsertReminderRowKey', $sql$
insert into marionette.reminder as r (service, grain_id, name, grain_hash, start_time, period_ms, version)
values (@ServiceId, @GrainId, @ReminderName, @GrainHash, @StartTime, @Period, nextval('marionette.reminder_version'))
on conflict (service, grain_id, name) do update
   set grain_hash = excluded.grain_hash, start_time = excluded.start_time,
       period_ms = excluded.period_ms, version = excluded.version
returning r.version as Version
$sql$),

('ReadReminderRowKey', $sql$
select grain_id as GrainId, name as ReminderName, start_time as StartTime, period_ms as Period, version as Version
  from marionette.reminder
 where service = @ServiceId and grain_id = @GrainId and name = @ReminderName
$sql$),

('ReadReminderRowsKey', $sql$
select grain_id as GrainId, name as ReminderName, start_time as StartTime, period_ms as Period, version as Version
  from marionette.reminder
 where service = @ServiceId and grain_id = @GrainId
$sql$),

-- (begin, end] on the ring of signed hashes; 2 is the range that wraps around, or is the whole ring.
('ReadRangeRows1Key', $sql$
select grain_id as GrainId, name as ReminderName, start_time as StartTime, period_ms as Period, version as Version
  from marionette.reminder
 where service = @ServiceId and grain_hash > @BeginHash and grain_hash <= @EndHash
$sql$),

('ReadRangeRows2Key', $sql$
select grain_id as GrainId, name as ReminderName, start_time as StartTime, period_ms as Period, version as Version
  from marionette.reminder
 where service = @ServiceId and (grain_hash > @BeginHash or grain_hash <= @EndHash)
$sql$),

('DeleteReminderRowKey', $sql$
with removed as (
    delete from marionette.reminder
     where service = @ServiceId and grain_id = @GrainId and name = @ReminderName and version = @Version
    returning 1)
select exists (select 1 from removed)
$sql$),

('DeleteReminderRowsKey', $sql$
delete from marionette.reminder where service = @ServiceId
$sql$);
