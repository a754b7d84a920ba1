using System.Net;
using Marionette.TestSupport;
using Microsoft.Extensions.DependencyInjection;

namespace Marionette.Cluster.Tests.Database;

public sealed class MembershipTests(PostgresFixture postgres) : DatabaseTest(postgres)
{
    private StorageSilo silo = null!;
    private IMembershipTable table = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        silo = await StorageSilo.StartAsync(Source, Cancel);
        table = silo.Services.GetRequiredService<IMembershipTable>();
    }

    public override async ValueTask DisposeAsync()
    {
        await silo.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task TwoSilos_OneKilled_IsDeclaredDeadAndItsRowIsCleanedUp()
    {
        var port = StorageSilo.FreePort();
        await using var other = HostProcess.Start("silo", ConnectionString, $"{port}", $"{StorageSilo.FreePort()}");
        await other.ReadyAsync(Cancel);
        await Eventually.SeesAsync("status", () => StatusAsync(port), status => status == SiloStatus.Active, Cancel);
        Assert.Equal(2, await ScalarAsync<long>("select count(*) from membership where status = 3"));

        await other.KillAsync();

        await Eventually.SeesAsync("status", () => StatusAsync(port), status => status != SiloStatus.Active, Cancel);
        await Eventually.SeesAsync("status", () => StatusAsync(port), status => status is null, Cancel);
        Assert.Equal(1, await ScalarAsync<long>("select count(*) from membership"));
    }

    [Fact]
    public async Task Insert_ByTwoAtOnceWithOneVersion_OneWins()
    {
        for (var round = 0; round < 10; round++)
        {
            var version = (await table.ReadAllAsync(Cancel)).Version;
            var outcomes = await Task.WhenAll(
                Enumerable.Range(0, 2).Select(i => Task.Run(() => table.InsertRowAsync(Entry(1 + (round * 2) + i), version.Next(), Cancel), Cancel)));
            Assert.Single(outcomes, true);
            Assert.Equal(version.Version + 1, (await table.ReadAllAsync(Cancel)).Version.Version);
        }
    }

    [Fact]
    public async Task Insert_SameSiloTwice_IsRefusedAndTheVersionStays()
    {
        Assert.True(await table.InsertRowAsync(Entry(1), (await table.ReadAllAsync(Cancel)).Version.Next(), Cancel));
        var before = (await table.ReadAllAsync(Cancel)).Version;
        Assert.False(await table.InsertRowAsync(Entry(1), before.Next(), Cancel));
        Assert.Equal(before.Version, (await table.ReadAllAsync(Cancel)).Version.Version);
    }

    [Fact]
    public async Task Update_ChangesStatusAndVotes_AndNeverTurnsTheHeartbeatBack()
    {
        var entry = Entry(1);
        await table.InsertRowAsync(entry, (await table.ReadAllAsync(Cancel)).Version.Next(), Cancel);
        var (read, etag) = (await table.ReadRowAsync(entry.SiloAddress, Cancel)).Members.Single();
        await table.UpdateIAmAliveAsync(Copy(entry, alive: entry.IAmAliveTime.AddMinutes(5)), Cancel);

        read.Status = SiloStatus.Dead;
        read.AddOrUpdateSuspector(Entry(2).SiloAddress, entry.StartTime, 3);
        Assert.True(await table.UpdateRowAsync(read, etag, (await table.ReadAllAsync(Cancel)).Version.Next(), Cancel));

        var stored = (await table.ReadRowAsync(entry.SiloAddress, Cancel)).Members.Single().Item1;
        Assert.Equal(SiloStatus.Dead, stored.Status);
        Assert.Equal(Entry(2).SiloAddress, Assert.Single(stored.SuspectTimes!).Item1);
        Assert.Equal(entry.IAmAliveTime.AddMinutes(5), stored.IAmAliveTime);
        Assert.Equal(("silo-1", "host", 7001), (stored.SiloName, stored.HostName, stored.ProxyPort));
    }

    [Fact]
    public async Task Update_WithAnOldTableVersion_IsRefused()
    {
        var entry = Entry(1);
        var before = (await table.ReadAllAsync(Cancel)).Version;
        await table.InsertRowAsync(entry, before.Next(), Cancel);
        var (read, etag) = (await table.ReadRowAsync(entry.SiloAddress, Cancel)).Members.Single();
        read.Status = SiloStatus.Dead;
        Assert.False(await table.UpdateRowAsync(read, etag, before.Next(), Cancel));
        Assert.Equal(SiloStatus.Joining, (await table.ReadRowAsync(entry.SiloAddress, Cancel)).Members.Single().Item1.Status);
    }

    [Fact]
    public async Task Cleanup_TakesSilosDeadForLong_AndKeepsTheRest()
    {
        // dead long ago; still joining; active with an old heartbeat; declared dead a moment ago
        await AddAsync(1, SiloStatus.Dead, "-2 days");
        await AddAsync(2, SiloStatus.Joining, "-2 days");
        await AddAsync(3, SiloStatus.Active, "-2 days");
        await AddAsync(4, SiloStatus.Dead, "0 days");

        await table.CleanupDefunctSiloEntriesAsync(TimeProvider.System.GetUtcNow().AddDays(-1), Cancel);

        Assert.Equal([2, 3, 4], await ListAsync<int>("select generation from membership where address = '10.0.0.9' order by 1"));

        async Task AddAsync(int n, SiloStatus status, string changed)
        {
            await table.InsertRowAsync(Entry(n), (await table.ReadAllAsync(Cancel)).Version.Next(), Cancel);
            await ExecuteAsync(
                $"update membership set status = $2, i_am_alive = now() - interval '2 days', start_time = now() - interval '3 days', " +
                $"changed_at = now() + interval '{changed}' where generation = $1",
                n, (int)status);
        }
    }

    [Fact]
    public async Task Delete_RemovesTheCluster()
    {
        await table.DeleteMembershipTableEntriesAsync("test", Cancel);
        Assert.Equal(0, await ScalarAsync<long>("select count(*) from membership"));
        Assert.Equal(0, await ScalarAsync<long>("select count(*) from membership_version"));
        await table.InitializeMembershipTableAsync(true, Cancel); // so that the silo can leave in order
    }

    private async Task<SiloStatus?> StatusAsync(int port) => (await table.ReadAllAsync(Cancel)).Members
        .FirstOrDefault(row => row.Item1.SiloAddress.Endpoint.Port == port)?.Item1.Status;

    private static MembershipEntry Entry(int n) => new()
    {
        SiloAddress = SiloAddress.New(IPAddress.Parse("10.0.0.9"), 7000, n),
        SiloName = $"silo-{n}",
        HostName = "host",
        Status = SiloStatus.Joining,
        ProxyPort = 7001,
        StartTime = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc),
        IAmAliveTime = new DateTime(2026, 1, 1, 0, 0, 1, DateTimeKind.Utc),
    };

    private static MembershipEntry Copy(MembershipEntry entry, DateTime alive)
    {
        var copy = Entry(entry.SiloAddress.Generation);
        copy.IAmAliveTime = alive;
        return copy;
    }
}
