using Marionette.Runners;
using Marionette.Sessions;

namespace Marionette.Machines.Tests;

public sealed class NetworkTests
{
    [Fact]
    public void Allow_UnderDeny_BecomesAListOfOne()
    {
        var walk = Denied();
        Change(walk, new NetworkChange(Allow: "api.example.com:443"));
        Assert.Equal("allow_list", walk.State.View.NetworkPolicy);
        Assert.Equal(["api.example.com:443"], walk.State.View.AllowedHosts);
        Assert.Equal("network.changed", walk.Log[^1].Type);
    }

    [Fact]
    public void Allow_Twice_IsOneChange()
    {
        var walk = Denied();
        Change(walk, new NetworkChange(Allow: "api.example.com"));
        Change(walk, new NetworkChange(Allow: "API.example.com"));
        Assert.Single(walk.Log, e => e.Type == "network.changed" && e.Payload.AsSpan().IndexOf("api.example.com"u8) >= 0);
    }

    [Fact]
    public void Change_ToTheSame_IsNothing()
    {
        var walk = new Walk().Created();
        Change(walk, new NetworkChange("open", []));
        Assert.DoesNotContain(walk.Log, e => e.Type == "network.changed");
    }

    [Fact]
    public void Allow_BeyondTheLimit_IsRefusedAndNothingChanges()
    {
        var walk = Denied();
        Change(walk, new NetworkChange("allow_list", [.. Enumerable.Range(0, SessionMachine.AllowedHostsLimit).Select(i => $"h{i}.example.com")]));
        var fault = Assert.Throws<MarionetteException>(() => Change(walk, new NetworkChange(Allow: "one.more")));
        Assert.Equal("allowed_hosts", Assert.Single(fault.Errors).Field);
    }

    [Fact]
    public void BlockedAndProgress_OfAnotherEpoch_AreDropped()
    {
        var walk = new Walk().Created();
        walk.Submit();
        var before = walk.Log.Count;
        var target = new BlockedTarget("api.example.com", 443, "tcp", "not_listed", 1);
        walk.Take(SessionMachine.Blocked(walk.State, 7, target, walk.Context));
        walk.Take(SessionMachine.Progress(walk.State, 7, new RunnerStep("image", null, "pulling"), walk.Context));
        Assert.Equal(before, walk.Log.Count);
        walk.Take(SessionMachine.Blocked(walk.State, walk.State.View.Epoch, target, walk.Context));
        Assert.Equal("network.blocked", walk.Log[^1].Type);
    }

    [Fact]
    public void Throttle_IsToldWithItsEnd_AndOfAnotherEpochIsDropped()
    {
        var walk = new Walk().Created();
        walk.Submit();
        var (before, epoch) = (walk.Log.Count, walk.State.View.Epoch);
        var throttle = new RunnerThrottle(false, 0.1, "births_refused", 2);
        walk.Take(SessionMachine.Throttled(walk.State, 7, throttle, walk.Context));
        Assert.Equal(before, walk.Log.Count);

        walk.Take(SessionMachine.Throttled(walk.State, epoch, throttle, walk.Context));
        walk.Take(SessionMachine.Throttled(walk.State, epoch, throttle with { IsOver = true, Cpus = 1 }, walk.Context));

        Assert.Equal(["runner.throttled", "runner.unthrottled"], walk.Log.Skip(before).Select(entry => entry.Type));
        var runner = walk.State.View.RunnerId!;
        Fact[] told = [new RunnerThrottled(runner, epoch, 0.1, "births_refused", 2), new RunnerUnthrottled(runner, epoch, 1, 2)];
        Assert.Equal(told, walk.Log.Skip(before).Select(entry => FactCodec.Read(entry.Type, entry.Payload)));
    }

    [Theory]
    [InlineData("claude", null, "api.anthropic.com:443")]
    [InlineData("codex", null, "api.openai.com:443")]
    [InlineData("claude", "https://proxy.example.com/v1", "proxy.example.com:443")]
    [InlineData("acp", "http://[fd00::1]:8080", "[fd00::1]:8080")]
    public void TheModel_IsReachableUnderEveryPolicy(string agent, string? baseUrl, string expected) =>
        Assert.Equal([expected], ModelHosts.Of(agent, baseUrl));

    private static Walk Denied()
    {
        var walk = new Walk().Created();
        Change(walk, new NetworkChange("deny"));
        return walk;
    }

    private static void Change(Walk walk, NetworkChange change) => walk.Take(SessionMachine.Change(walk.State, new ChangeSession("ann", Network: change), walk.Context));
}
