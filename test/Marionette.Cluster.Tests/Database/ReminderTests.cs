using Marionette.TestSupport;
using Microsoft.Extensions.DependencyInjection;

namespace Marionette.Cluster.Tests.Database;

public sealed class ReminderTests(PostgresFixture postgres) : DatabaseTest(postgres)
{
    private StorageSilo silo = null!;
    private IReminderTable table = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        silo = await StorageSilo.StartAsync(Source, Cancel);
        table = silo.Services.GetRequiredService<IReminderTable>();
    }

    public override async ValueTask DisposeAsync()
    {
        await silo.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task Reminder_SurvivesItsSilo_AndRingsInTheNextOne()
    {
        var key = "acme/bell";
        await silo.Grains.GetGrain<IBellGrain>(key).RegisterAsync();
        await RingsAsync(silo);

        await silo.DisposeAsync();
        silo = await StorageSilo.StartAsync(Source, Cancel);
        await RingsAsync(silo);

        await silo.Grains.GetGrain<IBellGrain>(key).UnregisterAsync();
        Assert.Equal(0, await ScalarAsync<long>("select count(*) from reminder"));

        async Task RingsAsync(StorageSilo on) => await Eventually.SeesAsync(
            "rings", () => on.Grains.GetGrain<IBellGrain>(key).RingsAsync(), rings => rings > 0, Cancel);
    }

    [Fact]
    public async Task Upsert_ThenRead_GivesTheReminderBack()
    {
        var entry = Entry("acme/a", "wake");
        entry.Period = TimeSpan.FromDays(60); // more milliseconds than an int holds
        var etag = await table.UpsertRow(entry);
        var read = await table.ReadRow(entry.GrainId, "wake");

        Assert.Equal(
            (entry.GrainId, entry.ReminderName, entry.StartAt, entry.Period, etag),
            (read!.GrainId, read.ReminderName, read.StartAt, read.Period, read.ETag));
        Assert.Single((await table.ReadRows(entry.GrainId)).Reminders);
        Assert.Null(await table.ReadRow(entry.GrainId, "other"));
    }

    [Fact]
    public async Task Remove_WithAnOldVersion_IsRefused_AlsoAfterDeletionAndAnew()
    {
        var entry = Entry("acme/a", "wake");
        var first = (await table.UpsertRow(entry))!;
        var second = (await table.UpsertRow(entry))!;
        Assert.False(await table.RemoveRow(entry.GrainId, "wake", first));
        Assert.True(await table.RemoveRow(entry.GrainId, "wake", second));

        await table.UpsertRow(entry);
        Assert.False(await table.RemoveRow(entry.GrainId, "wake", first));
        Assert.NotNull(await table.ReadRow(entry.GrainId, "wake"));
    }

    [Fact]
    public async Task ReadRange_CoversTheRingOnce_WhereverItIsCut()
    {
        var all = new List<uint>();
        for (var i = 0; i < 50; i++)
        {
            var entry = Entry($"acme/{i}", "wake");
            await table.UpsertRow(entry);
            all.Add(entry.GrainId.GetUniformHashCode());
        }

        // Cuts on both sides of the sign, at a hash itself, and at the ends of the ring.
        uint[] cuts = [0, all[0], 0x40000000, 0x7FFFFFFF, 0x80000000, 0xC0000000, uint.MaxValue];
        foreach (var begin in cuts)
        {
            foreach (var end in cuts)
            {
                var wanted = all.Where(hash => begin < end ? hash > begin && hash <= end : hash > begin || hash <= end);
                var read = (await table.ReadRows(begin, end)).Reminders.Select(row => row.GrainId.GetUniformHashCode());
                Assert.Equal(wanted.Order(), read.Order());
            }
        }
    }

    private static ReminderEntry Entry(string key, string name) => new()
    {
        GrainId = GrainId.Create("bell", key),
        ReminderName = name,
        StartAt = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc),
        Period = TimeSpan.FromMinutes(1),
    };
}

[Alias("test.bell")]
public interface IBellGrain : IGrainWithStringKey
{
    [Alias("register")] Task RegisterAsync();

    [Alias("unregister")] Task UnregisterAsync();

    /// <summary>Rings since this activation.</summary>
    [Alias("rings")] Task<int> RingsAsync();
}

[GrainType("bell")]
public sealed class BellGrain : Grain, IBellGrain, IRemindable
{
    private int rings;

    public Task RegisterAsync() =>
        this.RegisterOrUpdateReminder("wake", TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(200));

    public async Task UnregisterAsync() => await this.UnregisterReminder((await this.GetReminder("wake"))!);

    public Task<int> RingsAsync() => Task.FromResult(rings);

    public Task ReceiveReminder(string reminderName, TickStatus status)
    {
        rings++;
        return Task.CompletedTask;
    }
}
