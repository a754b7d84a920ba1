using Marionette.Cli.Api;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

public sealed class EventFeedTests : IAsyncLifetime
{
    private const string Events = "GET /api/v1/sessions/sess_1/events";

    // What hangs is a failure with a name, not a test program that never ends.
    private readonly CancellationTokenSource deadline = new(TimeSpan.FromSeconds(60));
    private readonly List<string> notices = [];
    private FakeServer server = null!;

    public async ValueTask InitializeAsync() => server = await FakeServer.StartAsync();

    public ValueTask DisposeAsync()
    {
        deadline.Dispose();
        return server.DisposeAsync();
    }

    [Fact]
    public async Task Read_StreamEndsInTheMiddle_GoesOnFromTheLastEventWithoutGapOrRepeat()
    {
        var log = EventStream.Log([.. Enumerable.Range(0, 9).Select(_ => ("log", (object?)null))]);
        server.OnEach(Events, EventStream.End(log[..4]), EventStream.End(log[4..6]), EventStream.Live(log[6..]));

        Assert.Equal(Enumerable.Range(1, 9).Select(n => (long)n), await ReadAsync(9));

        Assert.Equal(["0", "4", "6"], server.To(Events).Select(request => request.Headers["Last-Event-ID"]));
        Assert.Equal(["lost", "restored", "lost", "restored"], notices.Select(notice => notice.Split(':')[0]));
    }

    [Fact]
    public async Task Read_ConnectionAbortedAgainAndAgain_HasEveryEventOnce()
    {
        // An aborted connection may take along what was sent last: each try sees some more, none sees all.
        var log = EventStream.Log([.. Enumerable.Range(0, 40).Select(_ => ("log", (object?)null))]);
        var tries = 0;
        server.On(Events, async context =>
        {
            var after = int.Parse(context.Request.Query["after"]!);
            if (++tries > 20)
            {
                await EventStream.Live(log[after..])(context);
                return;
            }
            await EventStream.SendAsync(context, [.. log.Skip(after).Take(3)]);
            context.Abort();
        });
        Assert.Equal(Enumerable.Range(1, 40).Select(n => (long)n), await ReadAsync(40));
    }

    [Fact]
    public async Task Read_EventThatNeverComes_GivesUpAfterATime()
    {
        var clock = new HurriedClock { Tick = TimeSpan.FromSeconds(4) };
        server.On(Events, EventStream.Live(EventStream.Event(2, "log")));
        var error = await Assert.ThrowsAsync<CliException>(async () =>
        {
            await foreach (var _ in Feed(clock).ReadAsync("sess_1", 0, deadline.Token))
                Assert.Fail("an event came");
        });
        Assert.Contains("event 1 is missing", error.Message);
    }

    [Fact]
    public async Task Read_ServerRepeatsOldEvents_DropsThem()
    {
        var log = EventStream.Log([.. Enumerable.Range(0, 4).Select(_ => ("log", (object?)null))]);
        server.On(Events, EventStream.Live([log[0], log[1], log[0], log[1], log[2], log[1], log[3]]));

        Assert.Equal([1L, 2, 3, 4], await ReadAsync(4));
    }

    [Fact]
    public async Task Read_EventMissing_AsksAgainInsteadOfSkipping()
    {
        var log = EventStream.Log([.. Enumerable.Range(0, 4).Select(_ => ("log", (object?)null))]);
        server.OnEach(Events, EventStream.Live(log[0], log[2], log[3]), EventStream.Replay(log));

        Assert.Equal([1L, 2, 3, 4], await ReadAsync(4));
        Assert.Contains("event 2 is missing", notices[0]);
    }

    [Fact]
    public async Task Read_ServerAwayForSeveralTries_SaysSoOnce()
    {
        var log = EventStream.Log(("log", null), ("log", null));
        server.OnEach(Events,
            EventStream.End(log[0]),
            context => FakeServer.ProblemAsync(context, 503, "unavailable", "the store is away"),
            context => FakeServer.ProblemAsync(context, 503, "unavailable", "the store is away"),
            context => FakeServer.ProblemAsync(context, 500, "internal", "a defect"),
            EventStream.Replay(log));

        Assert.Equal([1L, 2], await ReadAsync(2));
        Assert.Equal(["lost", "restored"], notices.Select(notice => notice.Split(':')[0]));
    }

    [Fact]
    public async Task Read_SomethingThatIsNoEvent_ConnectsAgain()
    {
        var log = EventStream.Log(("log", null), ("log", null));
        server.OnEach(Events,
            async context =>
            {
                await EventStream.SendAsync(context, log[0]);
                await Microsoft.AspNetCore.Http.HttpResponseWritingExtensions.WriteAsync(context.Response, "data: {\"seq\":\n\n");
            },
            EventStream.Replay(log));

        Assert.Equal([1L, 2], await ReadAsync(2));
    }

    [Fact]
    public async Task Read_EventOfTwentyMegabytes_ComesWhole()
    {
        var text = new string('x', 20_000_000);
        server.On(Events, EventStream.Live(EventStream.Event(1, "text", new { text })));
        await foreach (var entry in Feed(new HurriedClock()).ReadAsync("sess_1", 0, deadline.Token))
        {
            Assert.Equal(text.Length, entry.Data.GetProperty("text").GetString()!.Length);
            break;
        }
    }

    [Theory]
    [InlineData(401, ExitCode.NotAuthorized)]
    [InlineData(403, ExitCode.NotAuthorized)]
    [InlineData(404, ExitCode.Failure)]
    public async Task Read_ServerRefuses_EndsAtOnce(int status, int exitCode)
    {
        server.OnProblem(Events, status, "code", "no");
        var error = await Assert.ThrowsAsync<ApiException>(() => ReadAsync(1));
        Assert.Equal(exitCode, error.ExitCode);
        Assert.Single(server.To(Events));
    }

    [Fact]
    public async Task Read_ConnectionSilentForTooLong_IsTakenForDead()
    {
        var clock = new HurriedClock();
        server.OnEach(Events, EventStream.Live(EventStream.Event(1, "log")), EventStream.Live(EventStream.Event(2, "log")));
        var found = new List<long>();
        await foreach (var entry in Feed(clock).ReadAsync("sess_1", 0, deadline.Token))
        {
            found.Add(entry.Seq);
            if (entry.Seq == 2)
                break;
            // The read after this event is the one that nothing comes for.
            clock.ExpireNext(EventFeed.SilenceLimit);
        }
        Assert.Equal([1L, 2], found);
        Assert.Equal(["lost:nothing came for 45 s", "restored:"], notices);
    }

    private async Task<List<long>> ReadAsync(int count)
    {
        var found = new List<long>();
        await foreach (var entry in Feed(new HurriedClock()).ReadAsync("sess_1", 0, deadline.Token))
        {
            found.Add(entry.Seq);
            if (found.Count == count)
                break;
        }
        return found;
    }

    private EventFeed Feed(TimeProvider clock) =>
        new(Api(clock), clock, new FeedNotices { Lost = why => notices.Add($"lost:{why}"), Restored = () => notices.Add("restored:") });

    private ApiClient Api(TimeProvider clock) => new(new Endpoint(new Uri(server.Url), "mk_test", "test"), clock);
}
