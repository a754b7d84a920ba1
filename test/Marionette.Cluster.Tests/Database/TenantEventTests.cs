using Marionette.TestSupport;
using Npgsql;

namespace Marionette.Cluster.Tests.Database;

public sealed class TenantEventTests(PostgresFixture postgres) : DatabaseTest(postgres)
{
    // The server's xids are shared by all tests, so a long writer of another test may delay a row: hence the polling.
    private const string Read = """
        select type from tenant_event
        where tenant = 'acme' and xid < pg_snapshot_xmin(pg_current_snapshot()) order by xid, position
        """;

    [Fact]
    public async Task Read_WhileAnEarlierTransactionIsOpen_WaitsForIt_ThenGivesBothInOrder()
    {
        await using var slow = await Source.OpenConnectionAsync(Cancel);
        await using var transaction = await slow.BeginTransactionAsync(Cancel);
        await InsertAsync(slow, "first");
        await using (var quick = await Source.OpenConnectionAsync(Cancel)) await InsertAsync(quick, "second");

        // The quick one's row is committed and has the higher position: a reader that took it would skip the slow one.
        Assert.Equal(1, await ScalarAsync<long>("select count(*) from tenant_event"));
        Assert.Empty(await ListAsync<string>(Read));

        await transaction.CommitAsync(Cancel);
        var seen = await Eventually.SeesAsync("stream", () => ListAsync<string>(Read), rows => rows.Count == 2, Cancel);
        Assert.Equal(["first", "second"], seen);
    }

    [Fact]
    public async Task Rebase_AfterARestoreIntoAYoungerServer_MakesOldRowsReadable()
    {
        await ExecuteAsync(
            "insert into tenant_event (tenant, xid, type, at, payload) values ('acme', '999999999999', 'old', now(), '')");
        Assert.Empty(await ListAsync<string>(Read));
        Assert.Equal(1, await ScalarAsync<long>("select rebase_tenant_events()"));
        Assert.Equal(["old"], await ListAsync<string>(Read));
    }

    private static async Task InsertAsync(NpgsqlConnection connection, string type)
    {
        await using var insert = new NpgsqlCommand(
            "insert into tenant_event (tenant, type, at, payload) values ('acme', $1, now(), '')", connection)
        {
            Parameters = { new() { Value = type } },
        };
        await insert.ExecuteNonQueryAsync(Cancel);
    }
}
