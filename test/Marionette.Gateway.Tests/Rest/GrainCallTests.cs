using Marionette.Gateway.Rest;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Gateway.Tests.Rest;

public sealed class GrainCallTests : IDisposable
{
    private readonly FakeTimeProvider clock = new();
    private readonly List<TaskCompletionSource<string>> calls = [];
    private readonly CancellationTokenSource caller = new();

    private static CancellationToken Ends => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Answer_InTime_IsAskedForOnce()
    {
        var answer = RunAsync();
        calls[0].SetResult("done");
        Assert.Equal("done", await answer);
        Assert.Single(calls);
    }

    [Fact]
    public async Task Silence_IsAskedAgain_AfterThePatience()
    {
        var answer = RunAsync();
        clock.Advance(GrainCall.Patience - TimeSpan.FromMilliseconds(1));
        Assert.Single(calls);
        clock.Advance(TimeSpan.FromMilliseconds(1));
        await CallsAsync(2);
        calls[1].SetResult("from another silo");
        Assert.Equal("from another silo", await answer);
    }

    [Fact]
    public async Task AnswerThatIsLate_CountsStill()
    {
        var answer = RunAsync();
        clock.Advance(GrainCall.Patience);
        await CallsAsync(2);
        calls[0].SetResult("removed");
        Assert.Equal("removed", await answer);
    }

    [Fact]
    public async Task LostCall_BesideOneThatIsOut_WaitsForThatOne()
    {
        var answer = RunAsync();
        clock.Advance(GrainCall.Patience);
        await CallsAsync(2);
        calls[0].SetException(new SiloUnavailableException());
        calls[1].SetResult("done");
        Assert.Equal("done", await answer);
        Assert.Equal(2, calls.Count);
    }

    [Fact]
    public async Task LostCalls_AreRepeatedThreeTimes()
    {
        var answer = RunAsync();
        for (var i = 0; i < 4; i++)
        {
            await CallsAsync(i + 1);
            calls[i].SetException(new SiloUnavailableException());
        }
        await Assert.ThrowsAsync<SiloUnavailableException>(() => answer);
        Assert.Equal(4, calls.Count);
    }

    [Fact]
    public async Task Silence_ForGood_EndsWithTheTimeoutOfTheFirstCall()
    {
        var answer = RunAsync();
        for (var i = 2; i <= 4; i++)
        {
            clock.Advance(GrainCall.Patience);
            await CallsAsync(i);
        }
        clock.Advance(TimeSpan.FromMinutes(1));
        calls[0].SetException(new TimeoutException());
        await Assert.ThrowsAsync<TimeoutException>(() => answer);
        Assert.Equal(4, calls.Count);
    }

    [Fact]
    public async Task Fault_OfTheGrain_IsTheAnswer()
    {
        var answer = RunAsync();
        calls[0].SetException(new MarionetteException(FaultCode.Conflict, "It is so already."));
        Assert.Equal(FaultCode.Conflict, (await Assert.ThrowsAsync<MarionetteException>(() => answer)).Code);
        Assert.Single(calls);
    }

    [Fact]
    public async Task CallerThatLeaves_EndsTheWait()
    {
        var answer = RunAsync();
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => answer);
        Assert.Single(calls);
    }

    public void Dispose() => caller.Dispose();

    private Task<string> RunAsync() => GrainCall.RunAsync(
        clock,
        _ =>
        {
            var call = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (calls) calls.Add(call);
            return call.Task;
        },
        caller.Token);

    /// <summary>Lets the clock run on a little while the next call is not there: a pause may have begun only now.</summary>
    private async Task CallsAsync(int count)
    {
        while (true)
        {
            lock (calls)
                if (calls.Count >= count) return;
            await Task.Delay(5, Ends);
            clock.Advance(TimeSpan.FromMilliseconds(20));
        }
    }
}
