using Marionette.TestSupport;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Orleans.Storage;

namespace Marionette.Cluster.Tests.Database;

public sealed class GrainStorageTests(PostgresFixture postgres) : DatabaseTest(postgres)
{
    private const string Type = "document";

    private StorageSilo silo = null!;
    private IGrainStorage storage = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        silo = await StorageSilo.StartAsync(Source, Cancel);
        storage = silo.Services.GetRequiredService<IGrainStorage>();
    }

    public override async ValueTask DisposeAsync()
    {
        await silo.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task Write_ThenRead_GivesTheStateBack()
    {
        var written = new GrainState<Document>(new Document { Status = "active", Text = "zu\0 Ende 🎻" });
        await storage.WriteStateAsync(Type, Key("a/1"), written);
        var read = await ReadAsync("a/1");

        Assert.True(read.RecordExists);
        Assert.Equal("1", written.ETag);
        Assert.Equal(written.ETag, read.ETag);
        Assert.Equal(written.State, read.State);
    }

    [Fact]
    public async Task Read_NeverWritten_IsEmptyWithoutVersion()
    {
        var read = await ReadAsync("a/none");
        Assert.False(read.RecordExists);
        Assert.Null(read.ETag);
        Assert.Equal(new Document(), read.State);
    }

    [Fact]
    public async Task Write_ManyFirstWritersAtOnce_ExactlyOneWins()
    {
        for (var round = 0; round < 20; round++)
        {
            var key = Key($"a/race{round}");
            var writers = Enumerable.Range(0, 8)
                .Select(i => new GrainState<Document>(new Document { Text = $"{i}" })).ToList();
            var outcomes = await Task.WhenAll(writers.Select(writer => TryWriteAsync(key, writer)));

            var winner = Assert.Single(writers.Zip(outcomes), pair => pair.Second).First;
            Assert.Equal(winner.State, (await ReadAsync($"a/race{round}")).State);
        }

        Assert.Equal(20, await ScalarAsync<long>("select count(*) from grain_state where version = 1"));
    }

    [Fact]
    public async Task Write_ManyWritersOfOneVersionAtOnce_ExactlyOneWins()
    {
        await storage.WriteStateAsync(Type, Key("a/2"), new GrainState<Document>(new Document()));
        var writers = new List<GrainState<Document>>();
        for (var i = 0; i < 8; i++)
        {
            var read = await ReadAsync("a/2");
            read.State = new Document { Text = $"{i}" };
            writers.Add(read);
        }

        var outcomes = await Task.WhenAll(writers.Select(writer => TryWriteAsync(Key("a/2"), writer)));

        var winner = Assert.Single(writers.Zip(outcomes), pair => pair.Second).First;
        var stored = await ReadAsync("a/2");
        Assert.Equal((winner.State, "2"), (stored.State, stored.ETag));
    }

    [Fact]
    public async Task Write_OverANewerVersion_ThrowsInconsistentStateAndKeepsTheNewer()
    {
        await storage.WriteStateAsync(Type, Key("a/3"), new GrainState<Document>(new Document { Text = "old" }));
        var stale = await ReadAsync("a/3");
        var fresh = await ReadAsync("a/3");
        fresh.State = new Document { Text = "new" };
        await storage.WriteStateAsync(Type, Key("a/3"), fresh);

        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync(Type, Key("a/3"), stale));
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.ClearStateAsync(Type, Key("a/3"), stale));
        Assert.Equal("new", (await ReadAsync("a/3")).State!.Text);
    }

    [Fact]
    public async Task Clear_LeavesNoState_AndStillFencesOffAWriterOfBefore()
    {
        var state = new GrainState<Document>(new Document { Status = "active" });
        await storage.WriteStateAsync(Type, Key("a/4"), state);
        var stale = await ReadAsync("a/4");
        await storage.ClearStateAsync(Type, Key("a/4"), state);

        var read = await ReadAsync("a/4");
        Assert.False(read.RecordExists);
        Assert.Equal(0, await ScalarAsync<long>("select count(*) from grain_state where status is not null"));
        await Assert.ThrowsAsync<InconsistentStateException>(() => storage.WriteStateAsync(Type, Key("a/4"), stale));

        read.State = new Document { Text = "again" };
        await storage.WriteStateAsync(Type, Key("a/4"), read);
        Assert.Equal("again", (await ReadAsync("a/4")).State!.Text);
    }

    [Fact]
    public async Task Clear_WithDeleteOnClear_RemovesTheRow()
    {
        var deleting = silo.Services.GetRequiredKeyedService<IGrainStorage>(StorageSilo.Deleting);
        var state = new GrainState<Document>(new Document());
        await deleting.WriteStateAsync(Type, Key("a/5"), state);
        var stale = await ReadAsync("a/5");
        await deleting.ClearStateAsync(Type, Key("a/5"), state);

        Assert.Equal(0, await ScalarAsync<long>("select count(*) from grain_state"));
        await Assert.ThrowsAsync<InconsistentStateException>(() => deleting.WriteStateAsync(Type, Key("a/5"), stale));
    }

    [Theory]
    [InlineData("cafe")] // Orleans takes it for 51966, as it does CAFE and 0cafe
    [InlineData("0123456789abcdef0123456789abcdef")]
    public async Task Write_KeyThatOrleansTakesForANumber_IsRefused(string key)
    {
        var refusal = await Assert.ThrowsAsync<PostgresException>(
            () => storage.WriteStateAsync(Type, Key(key), new GrainState<Document>(new Document())));
        Assert.Contains("tenant/id", refusal.MessageText);
    }

    [Fact]
    public async Task Write_FillsTheColumnsThatListsUse()
    {
        var made = new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.FromHours(2));
        var document = new Document { Status = "active", SessionId = "sess_x", CreatedAt = made, Labels = { ["team"] = "blue" } };
        await storage.WriteStateAsync(Type, Key("acme/doc_1"), new GrainState<Document>(document));

        Assert.Equal(
            "acme|active|sess_x|2026-03-01T10:00:00.0000000Z",
            await ScalarAsync<string>("select concat_ws('|', tenant, status, session_id, created_at) from grain_state"));
        Assert.Equal(1, await ScalarAsync<long>("select count(*) from grain_state where labels @> '{\"team\": \"blue\"}'"));
    }

    [Fact]
    public async Task Write_ListedColumnsUnchanged_TouchesNoIndex()
    {
        await storage.WriteStateAsync(Type, Key("a/6"), new GrainState<Document>(new Document { Status = "active" }));
        await using var connection = await Source.OpenConnectionAsync(Cancel);
        await using var transaction = await connection.BeginTransactionAsync(Cancel);
        await using var update = new NpgsqlCommand(
            "update grain_state set state = state || '{\"text\": \"other\"}', version = version + 1, modified_at = now()", connection);
        for (var i = 0; i < 5; i++) await update.ExecuteNonQueryAsync(Cancel);

        await using var count = new NpgsqlCommand(
            "select pg_stat_get_xact_tuples_hot_updated('grain_state'::regclass)", connection);
        Assert.Equal(5L, await count.ExecuteScalarAsync(Cancel));
    }

    private static GrainId Key(string key) => GrainId.Create("document", key);

    private async Task<GrainState<Document>> ReadAsync(string key)
    {
        var state = new GrainState<Document>();
        await storage.ReadStateAsync(Type, Key(key), state);
        return state;
    }

    private async Task<bool> TryWriteAsync(GrainId key, GrainState<Document> state)
    {
        try
        {
            await Task.Run(() => storage.WriteStateAsync(Type, key, state), Cancel);
            return true;
        }
        catch (InconsistentStateException)
        {
            return false;
        }
    }

    internal sealed record Document
    {
        public string? Status { get; init; }

        public string? SessionId { get; init; }

        public string? Text { get; init; }

        public DateTimeOffset? CreatedAt { get; init; }

        public Dictionary<string, string> Labels { get; init; } = [];

        public bool Equals(Document? other) => other is not null &&
            (Status, SessionId, Text, CreatedAt) == (other.Status, other.SessionId, other.Text, other.CreatedAt) &&
            Labels.OrderBy(label => label.Key).SequenceEqual(other.Labels.OrderBy(label => label.Key));

        public override int GetHashCode() => HashCode.Combine(Status, SessionId, Text, CreatedAt, Labels.Count);
    }
}
