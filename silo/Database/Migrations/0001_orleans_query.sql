-- The table from which Orleans' ADO.NET providers read every statement they run, once, at silo start.
-- Table name, column names, query keys, parameter names and result columns are Orleans' contract (10.4);
-- the statements are ours. Each later migration adds those of its area.
create table marionette.orleansquery (
    querykey  text collate "C" primary key,
    querytext text not null
);
