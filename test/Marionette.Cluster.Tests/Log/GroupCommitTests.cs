using System.Collections.Immutable;
using System.Text;
using Marionette.Cluster.Tests.Database;
using Marionette.Log;
using Marionette.Sessions;
using Marionette.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace Marionette.Cluster.Tests.Log;

/// <summary>
/// The append on a real PostgreSQL. Few events go as arrays in one statement, many by COPY in a transaction: both ways keep the same promises.
/// </summary>
public sealed class GroupCommitTests(PostgresFixture postgres) : DatabaseTest(postgres)
{
    private const string Tenant = "acme";
    private static readonly DateTimeOffset At = new(2026, 2, 3, 4, 5, 6, 789, TimeSpan.Zero);

    private GroupCommitter _committer = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        _committer = new GroupCommitter(Source, NullLogger<GroupCommitter>.Instance);
        await _committer.StartAsync(Cancel);
    }

    public override async ValueTask DisposeAsync()
    {
        await _committer.StopAsync(CancellationToken.None);
        _committer.Dispose();
        await base.DisposeAsync();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(127)]
    [InlineData(128)]
    [InlineData(3000)]
    public async Task Append_OfAnyLength_IsReadBackAsItWas(int count)
    {
        // Payloads of every size around the copy's buffer, a task that comes and goes, and characters beyond ASCII.
        var events = Enumerable.Range(1, count).Select(seq => new LoggedEvent(
            seq, seq % 7 == 0 ? "tool_use" : "text.delta", seq % 3 == 0 ? null : $"task_{seq / 100}", seq % 5 == 0 ? null : "trun_ü", seq * 2L,
            At.AddTicks(seq * TimeSpan.TicksPerMicrosecond), Payload(seq % 50 == 1 ? 65_000 + (seq * 13) : seq % 10))).ToImmutableArray();

        Assert.True(await _committer.AppendAsync(Batch("sess_a", events)));

        var stored = await new PostgresSessionLog(Source, _committer).ReadAsync("sess_a", 0, count + 1, Cancel);
        Assert.Equal(count, stored.Length);
        foreach (var (was, now) in events.Zip(stored))
        {
            Assert.Equal(was with { Payload = now.Payload }, now);
            Assert.Equal(was.Payload, now.Payload);
        }

        Assert.Equal(count, await ScalarAsync<long>("select head from session_head where session = 'sess_a'"));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(500)]
    public async Task Append_OfTwoActivations_StoresTheFirstAndNothingOfTheSecond(int count)
    {
        Assert.True(await _committer.AppendAsync(Batch("sess_a", Outputs(1, count))));
        Assert.False(await _committer.AppendAsync(Batch("sess_a", Outputs(1, count + 50))));
        Assert.False(await _committer.AppendAsync(Batch("sess_a", Outputs(count, count))));
        Assert.False(await _committer.AppendAsync(Batch("sess_a", Outputs(count + 2, count))));
        Assert.True(await _committer.AppendAsync(Batch("sess_a", Outputs(count + 1, count))));
        Assert.Equal(2 * count, await ScalarAsync<long>("select count(*) from session_event where session = 'sess_a'"));
    }

    [Theory]
    [InlineData(5)]
    [InlineData(300)]
    public async Task Append_OfManySessionsAtOnce_FailsTheStaleOnesAlone(int count)
    {
        for (var n = 0; n < 20; n += 2) Assert.True(await _committer.AppendAsync(Batch($"sess_{n}", Outputs(1, 1))));

        var won = await Task.WhenAll(Enumerable.Range(0, 20).Select(n => _committer.AppendAsync(Batch($"sess_{n}", Outputs(1, count)))));

        Assert.Equal(Enumerable.Range(0, 20).Select(n => n % 2 == 1), won);
        Assert.Equal(10 + (10 * count), await ScalarAsync<long>("select count(*) from session_event"));
        Assert.Equal(10, await ScalarAsync<long>("select count(*) from session_head where head = $1", (long)count));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(500)]
    public async Task Append_WithALifecycleEvent_TellsTheTenantAndWritesTheRowOfWinnersOnly(int count)
    {
        ImmutableArray<LoggedEvent> events = [.. Outputs(1, count), new LoggedEvent(count + 1, "task.started", "task_1", "trun_1", 0, At, Payload(9))];
        var row = new StateRow("session", $"{Tenant}/sess_a", Encoding.UTF8.GetBytes("""{"status":"active"}"""));

        Assert.True(await _committer.AppendAsync(new LogBatch(Tenant, "sess_a", events, [row])));
        Assert.False(await _committer.AppendAsync(new LogBatch(Tenant, "sess_a", events, [row])));

        Assert.Equal(["task.started"], await ListAsync<string>("select type from tenant_event"));
        Assert.Equal([1L], await ListAsync<long>("select version from grain_state"));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(500)]
    public async Task Append_WithARowThatIsNoJson_FailsItsSessionAloneAndLeavesNothing(int count)
    {
        var bad = new StateRow("session", $"{Tenant}/sess_bad", Encoding.UTF8.GetBytes("{"));
        var failing = _committer.AppendAsync(new LogBatch(Tenant, "sess_bad", Outputs(1, count), [bad]));
        var others = Enumerable.Range(0, 10).Select(n => _committer.AppendAsync(Batch($"sess_{n}", Outputs(1, count)))).ToArray();

        await Assert.ThrowsAsync<MarionetteException>(() => failing);
        Assert.All(await Task.WhenAll(others), Assert.True);
        Assert.Equal(0, await ScalarAsync<long>("select count(*) from session_event where session = 'sess_bad'"));
        Assert.Equal(0, await ScalarAsync<long>("select count(*) from session_head where session = 'sess_bad'"));
    }

    private static LogBatch Batch(string session, ImmutableArray<LoggedEvent> events) => new(Tenant, session, events, []);

    private static ImmutableArray<LoggedEvent> Outputs(long first, int count) =>
        [.. Enumerable.Range(0, count).Select(n => new LoggedEvent(first + n, "text", "task_1", "trun_1", first + n, At, Payload(20)))];

    private static byte[] Payload(int length) => Encoding.UTF8.GetBytes($"{{\"text\":\"{new string('x', length)}\"}}");
}
