using System.Collections.Immutable;
using System.Text.Json;
using Marionette.Cluster.Tests.Providers;
using Marionette.Log;
using Marionette.Providers;
using Marionette.Runners;
using Marionette.Sessions;
using Marionette.TestSupport;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Core.Internal;

namespace Marionette.Cluster.Tests.Sessions;

/// <summary>Session, runner and provider grains around a runner that stands still.</summary>
public sealed class PausedSessionTests(PostgresFixture postgres) : ScriptedSilo(postgres)
{
    private const string Id = "sess_0000000000000001";

    private ISessionGrain Session => Grains.GetGrain<ISessionGrain>("acme/" + Id);

    [Fact]
    public async Task Runner_IsFrozen_HungUpOn_AndGoesOnInItsEpoch()
    {
        var agent = await PausedAsync();
        var view = await Session.GetAsync(Cancel);
        Assert.Equal((agent.Id, "paused", 1L), (view.RunnerId, view.Phase, view.Epoch));
        Assert.Equal(RunnerStatus.Paused, (await agent.Runner.GetAsync(Cancel)).Status);
        await Eventually.SeesAsync("the end of its stream", () => Task.FromResult(agent.Ends.ToArray()), ends => ends is [(1, "")], Cancel);
        // Its gateway may tell of the end of the stream late, or not know yet.
        await agent.Runner.PresenceAsync(false, Cancel);
        await agent.Runner.PresenceAsync(true, Cancel);
        Assert.Equal(RunnerStatus.Paused, (await agent.Runner.GetAsync(Cancel)).Status);
        Assert.False(await Session.KnowsRunnerAsync(1, "c0", Cancel));
        Assert.Equal(FaultCode.Unavailable, (await Assert.ThrowsAsync<MarionetteException>(() => agent.AttachAsync(Cancel))).Code);
        Assert.Equal(FaultCode.Unavailable, (await Assert.ThrowsAsync<MarionetteException>(() => agent.ConnectAsync(Cancel))).Code);

        await Session.ResumeAsync("go on", Cancel);
        await Eventually.SeesAsync("unpaused", () => Task.FromResult(Backend.Paused.Count), n => n == 0, Cancel);
        await agent.ConnectAsync(Cancel);
        view = await Session.GetAsync(Cancel);
        Assert.Equal((SessionStatus.Active, agent.Id, 1L, null), (view.Status, view.RunnerId, view.Epoch, view.PausedAt));
        Assert.Equal(RunnerStatus.Online, (await agent.Runner.GetAsync(Cancel)).Status);
        await agent.SayAsync("text", new { text = "still here" }, null, Cancel);
        Assert.Single(Backend.Started);
    }

    [Fact]
    public async Task Death_WhileItStandsStill_IsNoticed_AndTheResumeTakesAnotherRunner()
    {
        var agent = await PausedAsync();
        Backend.Runners.TryRemove(agent.Spec.RunnerKey, out _);
        Backend.Tell(new RunnerEndedNotice(agent.Spec.RunnerKey, 1));
        var view = await SeesAsync(session => session.RunnerId is null);
        Assert.Equal((SessionStatus.Suspended, null), (view.Status, view.PausedAt));
        Assert.Equal("removed", (await LastAsync("runner.lost")).GetProperty("cause").GetString());
        await Session.ResumeAsync("go on", Cancel);
        await AgentAsync(2);
    }

    [Fact]
    public async Task Death_ThatNobodyToldOf_IsFoundByTheResume_WithItsCause()
    {
        var agent = await PausedAsync();
        Backend.Runners.TryRemove(agent.Spec.RunnerKey, out _);
        await Session.ResumeAsync("go on", Cancel);
        Assert.Equal("removed", (await SeesEventAsync("runner.lost")).GetProperty("cause").GetString());
        var next = await AgentAsync(2);
        await next.ConnectAsync(Cancel);
        Assert.Equal(SessionStatus.Active, (await Session.GetAsync(Cancel)).Status);
    }

    [Fact]
    public async Task Runner_ThatDoesNotCallAfterItsPause_IsGivenUp_ForAnother()
    {
        Behave = options => options.ConnectTimeout = TimeSpan.FromSeconds(1);
        await PausedAsync();
        await Session.ResumeAsync("go on", Cancel);
        Assert.Equal("unpause_failed", (await SeesEventAsync("runner.lost")).GetProperty("cause").GetString());
        await AgentAsync(2);
    }

    [Fact]
    public async Task Backend_ThatRefuses_IsSaidSo_AndTheRunnerIsStopped()
    {
        var agent = await WorkingAsync();
        Backend.PauseFailure = new ProviderException(ProviderFault.Rejected, "The freezer is broken.");
        await Session.SuspendAsync(new SuspendSession("enough", SuspendStrategies.Pause), Cancel);
        await agent.CommandAsync<PauseCommand>(Cancel);
        await agent.SayAsync("runner.settled", new { reason = "suspend" }, null, Cancel);
        await agent.CommandAsync<StopCommand>(Cancel);
        Assert.Equal("The freezer is broken.", (await LastAsync("runner.pause_failed")).GetProperty("reason").GetString());
        await agent.SayAsync("runner.stopped", new { reason = "suspend" }, null, Cancel);
        Assert.Equal((SessionStatus.Suspended, null), await StateAsync());
        await Eventually.SeesAsync("runners", () => Task.FromResult(Backend.Runners.Count), n => n == 0, Cancel);
    }

    /// <summary>Its lease is that of nobody: one that is as silent and not paused is given up meanwhile.</summary>
    [Fact]
    public async Task Silence_IsNoDeath_ForAsLongAsItIsPaused()
    {
        Behave = options => (options.RunnerSilence, options.RunnerLease) = (TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));
        var agent = await PausedAsync();
        var other = Grains.GetGrain<IRunnerGrain>("acme/run_0000000000000099");
        await other.EnsureAsync(new RunnerRequest("sess_0000000000000099", 1, "scripted", "ws_0000000000000099"), Cancel);
        await Eventually.SeesAsync("another runner", () => other.GetAsync(Cancel).AsTask(), view => view.Status == RunnerStatus.Started, Cancel);
        await other.PresenceAsync(true, Cancel);
        await Eventually.SeesAsync("its end", () => other.GetAsync(Cancel).AsTask(), view => view.Status == RunnerStatus.Lost, Cancel);
        Assert.Equal(RunnerStatus.Paused, (await agent.Runner.GetAsync(Cancel)).Status);
        Assert.NotNull((await Session.GetAsync(Cancel)).PausedAt);
    }

    [Fact]
    public async Task Sweep_OfAnotherActivation_AdoptsIt()
    {
        var agent = await PausedAsync();
        Backend.Runners["acme/run_orphan0000000000"] = new RunnerHandle("acme/run_orphan0000000000", 1);
        await Provider.Cast<IGrainManagementExtension>().DeactivateOnIdle();
        await Eventually.SeesAsync("orphan", async () =>
        {
            await Provider.GetAsync(Cancel);
            return Backend.Runners.Count;
        }, n => n == 1, Cancel);
        Assert.True(Backend.Paused.ContainsKey(agent.Spec.RunnerKey));
        await Eventually.SeesAsync("adopted", async () => (await Provider.GetAsync(Cancel)).Watched, n => n == 1, Cancel);
    }

    [Fact]
    public async Task Limit_GivesItsMemoryBack()
    {
        Behave = options => options.PauseLimit = TimeSpan.FromSeconds(1);
        await PausedAsync();
        await SeesAsync(session => session.RunnerId is null);
        Assert.Equal((SessionStatus.Suspended, null), await StateAsync());
        await Eventually.SeesAsync("runners", () => Task.FromResult(Backend.Runners.Count), n => n == 0, Cancel);
    }

    [Fact]
    public async Task Termination_RemovesIt()
    {
        await PausedAsync();
        await Session.TerminateAsync("done", Cancel);
        await Eventually.SeesAsync("runners", () => Task.FromResult(Backend.Runners.Count), n => n == 0, Cancel);
    }

    /// <summary>The silo ends between the provider's order and its outcome: what the session has to have done, it asks for once more.</summary>
    [Fact]
    public async Task SiloThatEndsInBetween_PausesItWhenItIsBack()
    {
        var agent = await WorkingAsync();
        Backend.Gate = new TaskCompletionSource();
        await Session.SuspendAsync(new SuspendSession("enough", SuspendStrategies.Pause), Cancel);
        await agent.SayAsync("runner.settled", new { reason = "suspend" }, null, Cancel);
        await StopAsync();
        Backend.Gate = ScriptedProvider.Open();
        await StartAsync();
        var view = await SeesAsync(session => session.PausedAt is not null);
        Assert.Equal((SessionStatus.Suspended, agent.Id), (view.Status, view.RunnerId));
        Assert.True(Backend.Paused.ContainsKey(agent.Spec.RunnerKey));
    }

    /// <summary>Its activation is about to go at that moment, and what follows from the resume must not go with it.</summary>
    [Fact]
    public async Task Resume_RightBehindASuspension_HasItsRunner_EachTime()
    {
        var agent = await WorkingAsync();
        for (var epoch = 1; epoch <= 60; epoch++)
        {
            await Session.SuspendAsync(new SuspendSession("enough"), Cancel);
            await agent.SayAsync("runner.stopped", new { reason = "suspend" }, null, Cancel);
            await Session.ResumeAsync("go on", Cancel);
            agent = await AgentAsync(epoch + 1);
            await agent.ConnectAsync(Cancel);
        }

        Assert.DoesNotContain(Warnings, warning => warning.StartsWith("session.effect.failed", StringComparison.Ordinal));
    }

    /// <summary>The silo ends right after the runner's row says that it is lost.</summary>
    [Fact]
    public async Task Loss_ThatTheSessionWasNotToldOf_IsToldWhenItLooks()
    {
        var agent = await WorkingAsync();
        await StopAsync();
        Backend.Runners.TryRemove(agent.Spec.RunnerKey, out _);
        await using (var command = Source.CreateCommand(
            "update marionette.grain_state set state = state || '{\"status\":\"lost\",\"loss_cause\":\"killed\",\"reason\":\"signal 9\"}' where grain_type = 'runner'"))
            Assert.Equal(1, await command.ExecuteNonQueryAsync(Cancel));
        await StartAsync();
        await Session.GetAsync(Cancel);
        var lost = await SeesEventAsync("runner.lost");
        Assert.Equal(("killed", "signal 9"), (lost.GetProperty("cause").GetString(), lost.GetProperty("detail").GetString()));
        Assert.Equal((SessionStatus.Suspended, null), await StateAsync());
    }

    [Fact]
    public async Task Strategy_ThatItsProviderCannot_IsRefused_WithItsField()
    {
        await StartAsync();
        var command = Command() with { Provider = "plain", SuspendStrategy = SuspendStrategies.Pause };
        var fault = await Assert.ThrowsAsync<MarionetteException>(() => Session.CreateAsync(command, Cancel));
        Assert.Equal((FaultCode.Invalid, "suspend_strategy"), (fault.Code, Assert.Single(fault.Errors).Field));
        await Session.CreateAsync(Command() with { Provider = "plain" }, Cancel);
        fault = await Assert.ThrowsAsync<MarionetteException>(() => Session.SuspendAsync(new SuspendSession("x", SuspendStrategies.Pause), Cancel));
        Assert.Equal((FaultCode.Invalid, "strategy"), (fault.Code, Assert.Single(fault.Errors).Field));
    }

    private async Task<ScriptedAgent> PausedAsync()
    {
        var agent = await WorkingAsync();
        await Session.SuspendAsync(new SuspendSession("enough", SuspendStrategies.Pause), Cancel);
        await agent.CommandAsync<PauseCommand>(Cancel);
        await agent.SayAsync("runner.settled", new { reason = "suspend" }, null, Cancel);
        await SeesEventAsync("runner.paused");
        Assert.True(Backend.Paused.ContainsKey(agent.Spec.RunnerKey));
        return agent;
    }

    private async Task<ScriptedAgent> WorkingAsync()
    {
        await StartAsync();
        await Session.CreateAsync(Command(), Cancel);
        await Session.ResumeAsync("begin", Cancel);
        var agent = await AgentAsync(1);
        await agent.ConnectAsync(Cancel);
        Assert.Equal(SessionStatus.Active, (await Session.GetAsync(Cancel)).Status);
        return agent;
    }

    private async Task<ScriptedAgent> AgentAsync(long epoch)
    {
        var started = await Eventually.SeesAsync(
            $"a runner of epoch {epoch}", () => Task.FromResult(Backend.Started.FirstOrDefault(spec => spec.Epoch == epoch)), spec => spec is not null, Cancel);
        return new ScriptedAgent(Grains, started!);
    }

    private Task<SessionView> SeesAsync(Func<SessionView, bool> wanted) => Eventually.SeesAsync("session", () => Session.GetAsync(Cancel).AsTask(), wanted, Cancel);

    private async Task<(SessionStatus, string?)> StateAsync() => await Session.GetAsync(Cancel) is var view ? (view.Status, view.RunnerId) : default;

    private async Task<JsonElement> SeesEventAsync(string type)
    {
        await Eventually.SeesAsync(type, ReadAsync, log => log.Any(e => e.Type == type), Cancel);
        return await LastAsync(type);
    }

    private async Task<JsonElement> LastAsync(string type)
    {
        using var document = JsonDocument.Parse((await ReadAsync()).Last(e => e.Type == type).Payload);
        return document.RootElement.Clone();
    }

    private async Task<ImmutableArray<LoggedEvent>> ReadAsync() => await Services.GetRequiredService<ISessionLog>().ReadAsync(Id, 0, 1000, Cancel);

    private static CreateSession Command() => new(
        "a session", "claude", null, null, null, [], null, null, null, "on_demand", null, "open", [], ImmutableDictionary<string, string>.Empty, "default", 1800, false, [], Provider: "scripted");
}
