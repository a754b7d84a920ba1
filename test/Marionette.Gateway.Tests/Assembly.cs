using Marionette.TestSupport;

[assembly: AssemblyFixture(typeof(PostgresFixture))]
