using Marionette.Silo.Database;
using Marionette.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;

namespace Marionette.Cluster.Tests.Database;

public sealed class PartitionTests(PostgresFixture postgres) : DatabaseTest(postgres)
{
    // Far from now: the template has the partitions of the present.
    private static readonly DateTimeOffset Now = new(2041, 11, 30, 23, 59, 59, TimeSpan.Zero);
    private readonly FakeTimeProvider clock = new(Now);

    [Fact]
    public async Task Ensure_MakesThisMonthAndTheNextTwo_Once()
    {
        Assert.Equal(["session_event_2041_11", "session_event_2041_12", "session_event_2042_01"], await EnsureAsync());
        Assert.Empty(await EnsureAsync());
    }

    [Fact]
    public async Task Ensure_ManySilosAtOnce_EachPartitionIsMadeOnce()
    {
        var made = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(EnsureAsync, Cancel)));
        Assert.Equal(3, made.Sum(names => names.Count));
    }

    [Fact]
    public async Task Ensure_ByARoleThatOwnsNothing_Works()
    {
        var role = $"silo_{Guid.NewGuid():N}";
        await ExecuteAsync($"create role {role} login password 'p'; grant usage on schema marionette to {role}");
        await using var source = MarionetteDataSource.Create(
            new NpgsqlConnectionStringBuilder(ConnectionString) { Username = role, Password = "p" }.ConnectionString);
        using var service = new PartitionMaintenance(source, clock, NullLogger<PartitionMaintenance>.Instance);
        Assert.Equal(3, (await service.EnsureAsync(Cancel)).Count);
    }

    [Fact]
    public async Task Service_AsMonthsPass_StaysAheadOfThem()
    {
        using var service = Service();
        await service.StartAsync(Cancel);
        Assert.Equal(3, await CountAsync());

        // December begins. Hour by hour, since the service goes to sleep at a moment of its own choice.
        await Eventually.SeesAsync(
            "partitions", () => { clock.Advance(TimeSpan.FromHours(1)); return CountAsync(); }, count => count == 4, Cancel);
        await service.StopAsync(Cancel);

        Task<long> CountAsync() => ScalarAsync<long>("select count(*) from pg_class where relname ~ '^session_event_204\\d_\\d\\d$'");
    }

    [Fact]
    public async Task Insert_GoesToTheMonthInWhichTheSessionWasMade()
    {
        await EnsureAsync();
        var december = new DateTimeOffset(2041, 12, 1, 0, 0, 0, TimeSpan.Zero);
        await InsertAsync(EntityId.New(EntityId.Session, december.AddMilliseconds(-1)), 1);
        await InsertAsync(EntityId.New(EntityId.Session, december), 1);
        await InsertAsync("sess_of-another-make", 1);

        Assert.Equal(
            ["session_event_2041_11", "session_event_2041_12", "session_event_default"],
            await ListAsync<string>("select tableoid::regclass::text from session_event order by 1"));
    }

    [Fact]
    public async Task Insert_SameSeqTwice_IsRefused()
    {
        await EnsureAsync();
        var session = EntityId.New(EntityId.Session, Now);
        await InsertAsync(session, 1);
        var refusal = await Assert.ThrowsAsync<PostgresException>(() => InsertAsync(session, 1));
        Assert.Equal(PostgresErrorCodes.UniqueViolation, refusal.SqlState);
    }

    [Fact]
    public async Task Ensure_RowsOfAMonthNobodyMade_MoveThere()
    {
        var session = EntityId.New(EntityId.Session, Now);
        await InsertAsync(session, 1);
        await InsertAsync(session, 2);
        Assert.Equal(2, await ScalarAsync<long>("select count(*) from session_event_default"));

        await EnsureAsync();

        Assert.Equal(0, await ScalarAsync<long>("select count(*) from session_event_default"));
        Assert.Equal([1, 2], await ListAsync<long>("select seq from session_event_2041_11 where session = $1 order by seq", session));
    }

    [Fact]
    public async Task Ensure_BehindALongReader_WaitsWithoutHoldingUpWriters()
    {
        await using var reader = await Source.OpenConnectionAsync(Cancel);
        await using var transaction = await reader.BeginTransactionAsync(Cancel);
        await using (var read = new NpgsqlCommand("select count(*) from session_event", reader)) await read.ExecuteScalarAsync(Cancel);

        using var service = new PartitionMaintenance(
            Source, new ShiftedTime(Now), NullLogger<PartitionMaintenance>.Instance);
        var making = service.EnsureAsync(Cancel);
        const string Waiters =
            "select count(*) from pg_locks join pg_database d on d.oid = database where not granted and datname = current_database()";
        await Eventually.SeesAsync("waiters", () => ScalarAsync<long>(Waiters), waiters => waiters > 0, Cancel);
        await InsertAsync(EntityId.New(EntityId.Session, TimeProvider.System.GetUtcNow()), 1);
        Assert.False(making.IsCompleted);

        await transaction.CommitAsync(Cancel);
        Assert.Equal(3, (await making).Count);
    }

    [Fact]
    public async Task Read_OfOneSession_LooksIntoOnePartition()
    {
        await EnsureAsync();
        var plan = await ListAsync<string>(
            $"explain select * from session_event where session = '{EntityId.New(EntityId.Session, Now)}' and seq > 5 order by seq limit 500");
        Assert.Contains(plan, line => line.Contains("session_event_2041_11"));
        Assert.DoesNotContain(plan, line => line.Contains("session_event_default") || line.Contains("2041_12"));
    }

    [Fact]
    public async Task SessionIdFloor_IsTheStartOfTheIdsOfThatMoment()
    {
        foreach (var moment in (DateTimeOffset[])[DateTimeOffset.UnixEpoch, Now, Now.AddMilliseconds(1), new(2026, 2, 3, 4, 5, 6, 789, TimeSpan.Zero)])
        {
            var floor = await ScalarAsync<string>("select session_id_floor($1)", moment);
            Assert.Equal(EntityId.New(EntityId.Session, moment)[..^8], floor);
        }
    }

    private Task<IReadOnlyList<string>> EnsureAsync() => Service().EnsureAsync(Cancel);

    private PartitionMaintenance Service() => new(Source, clock, NullLogger<PartitionMaintenance>.Instance);

    private Task<int> InsertAsync(string session, long seq) => ExecuteAsync(
        "insert into session_event (tenant, session, seq, type, at, payload) values ('acme', $1, $2, 'text', now(), '{}')",
        session, seq);

    /// <summary>Another date, but time that runs.</summary>
    private sealed class ShiftedTime(DateTimeOffset now) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => now;
    }
}
