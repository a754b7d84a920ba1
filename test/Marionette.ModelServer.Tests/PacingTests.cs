using System.Threading.Channels;
using Microsoft.Extensions.Time.Testing;
using static Marionette.ModelServer.Tests.Requests;

namespace Marionette.ModelServer.Tests;

/// <summary>Time passes only when a test says so; what must not come early is asked for before the clock moves.</summary>
public sealed class PacingTests : ServerTest
{
    private readonly TimerCountingProvider _time = new();

    protected override ModelServerOptions Options => new() { TimeProvider = _time };

    [Fact]
    public async Task Silence_UntilItsTimeIsUp_NothingFollowsTheStart()
    {
        using var response = await PostAsync(Body(true, User("@scenario silence seconds=60 text=back")));
        using var reader = new SseReader(await response.Content.ReadAsStreamAsync(Deadline));
        Assert.Equal("message_start", (string?)(await reader.ReadAsync(Deadline))!["type"]);
        var next = reader.ReadAsync(Deadline);
        await _time.NextTimerAsync(Deadline);

        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.False(next.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("content_block_start", (string?)(await next)!["type"]);
        Assert.Equal("back", SseReader.TextOf(await reader.ReadAllAsync(Deadline)));
    }

    [Fact]
    public async Task Slow_Chunks_ComeOneADelay()
    {
        using var response = await PostAsync(Body(true, User("@scenario slow chunks=3 delay_ms=100 size=64")));
        using var reader = new SseReader(await response.Content.ReadAsStreamAsync(Deadline));
        var head = new List<string?>();
        for (var chunk = 0; chunk < 3; chunk++)
        {
            await _time.NextTimerAsync(Deadline);
            _time.Advance(TimeSpan.FromMilliseconds(100));
            string? type;
            do
            {
                var item = (await reader.ReadAsync(Deadline))!;
                type = (string?)item["type"];
                if (type == "content_block_delta") head.Add(((string?)item["delta"]!["text"])?[..10]);
            }
            while (type != "content_block_delta");
        }

        Assert.Equal(["0000000000", "0000000001", "0000000002"], head);
        Assert.Equal("message_stop", (string?)(await reader.ReadAllAsync(Deadline))[^1]["type"]);
    }

    [Fact]
    public async Task Slow_OnceItsGateIsOpen_IsSlowNoMore()
    {
        const string prompt = "@scenario slow chunks=3 delay_ms=100 size=64";
        using var response = await PostAsync(Body(true, User($"{prompt} gate=a")));
        using var reader = new SseReader(await response.Content.ReadAsStreamAsync(Deadline));
        var rest = reader.ReadAllAsync(Deadline);
        await _time.NextTimerAsync(Deadline);
        Server.Open("another");
        Assert.False(rest.IsCompleted);
        Server.Open("a");
        Server.Open("a");
        Assert.Equal(192, SseReader.TextOf(await rest).Length);

        using var later = await PostAsync(Body(true, User($"{prompt} gate=a")));
        using var again = new SseReader(await later.Content.ReadAsStreamAsync(Deadline));
        Assert.Equal("message_stop", (string?)(await again.ReadAllAsync(Deadline))[^1]["type"]);
    }

    [Fact]
    public async Task Dispose_WhileAStreamIsSilent_EndsItAtOnce()
    {
        using var response = await PostAsync(Body(true, User("@scenario silence seconds=60")));
        await _time.NextTimerAsync(Deadline);
        await Server.DisposeAsync();

        await Assert.ThrowsAnyAsync<Exception>(() => response.Content.ReadAsStringAsync(Deadline));
        Assert.Equal("silence", Assert.Single(Server.Requests).Scenario);
    }

    /// <summary>Tells when the server has begun to wait, so that no test has to guess.</summary>
    private sealed class TimerCountingProvider : FakeTimeProvider
    {
        private readonly Channel<TimeSpan> _timers = Channel.CreateUnbounded<TimeSpan>();

        public ValueTask<TimeSpan> NextTimerAsync(CancellationToken cancellationToken) =>
            _timers.Reader.ReadAsync(cancellationToken);

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            _timers.Writer.TryWrite(dueTime);
            return timer;
        }
    }
}
