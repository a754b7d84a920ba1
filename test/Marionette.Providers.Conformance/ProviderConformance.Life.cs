namespace Marionette.Providers.Conformance;

// Starts, stops, epochs and what stays of a runner.
public abstract partial class ProviderConformance
{
    [Fact]
    public async Task Ensure_ByTwoProcessesAtOnce_IsOneRunner()
    {
        var spec = NewSpec();
        await Task.WhenAll(Provider.EnsureAsync(spec, null, Cancel), Another().EnsureAsync(spec, null, Cancel));
        Assert.Single(await OwnedAsync(Provider));
        Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(new RunnerHandle(spec.RunnerKey, 1), Cancel)).State);
    }

    [Fact]
    public async Task Ensure_TellsItsPhases_WithTheirTimes()
    {
        var steps = new List<StartStep>();
        await Provider.EnsureAsync(NewSpec(), new Told(steps), Cancel);
        var start = Assert.Single(steps, step => step.Phase == "start");
        Assert.True(start.Took > TimeSpan.Zero);
    }

    [Fact]
    public async Task Ensure_CancelledBefore_MakesNothing()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Provider.EnsureAsync(NewSpec(), null, new CancellationToken(canceled: true)));
        Assert.Empty(await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Agent_IsToldWhoItIs()
    {
        var spec = NewSpec();
        await RunningAsync(spec);
        Assert.Equal([spec.RunnerKey, "1", spec.Token], await SeenAsync(spec.WorkspaceId, spec.RunnerKey));
    }

    [Fact]
    public async Task Agent_RunsInItsWorkspaceFolder()
    {
        var spec = NewSpec();
        var handle = await RunningAsync(spec);
        await InsideAsync(handle, "echo made inside > inside");
        Assert.Equal("made inside\n", await WorkspaceFileAsync(spec.WorkspaceId, "inside"));
    }

    [Fact]
    public async Task Ensure_AfterACrash_GivesTheNewTokenAndKeepsTheState()
    {
        var spec = NewSpec();
        var handle = await RunningAsync(spec);
        await CrashAsync(handle);
        await StateAsync(handle, RunnerState.Exited);
        await Provider.EnsureAsync(spec with { Token = "rtok_second" }, null, Cancel);
        Assert.Equal("rtok_second", (await SeenAsync(spec.WorkspaceId, spec.RunnerKey, "rtok_second"))[2]);
        Assert.Equal("start\nstart\n", await WorkspaceFileAsync(spec.WorkspaceId, "starts"));
    }

    [Fact]
    public async Task Ensure_WhileItRuns_LeavesTheAgentAlone()
    {
        var spec = NewSpec();
        await RunningAsync(spec);
        await Provider.EnsureAsync(spec with { Token = "rtok_second" }, null, Cancel);
        Assert.Equal(spec.Token, (await SeenAsync(spec.WorkspaceId, spec.RunnerKey))[2]);
        Assert.Equal("start\n", await WorkspaceFileAsync(spec.WorkspaceId, "starts"));
    }

    [Fact]
    public async Task Release_ForgetsTheState()
    {
        var spec = NewSpec();
        var handle = await RunningAsync(spec);
        await Provider.ReleaseAsync(handle, Cancel);
        await Provider.EnsureAsync(spec with { Token = "rtok_second" }, null, Cancel);
        await SeenAsync(spec.WorkspaceId, spec.RunnerKey, "rtok_second");
        Assert.Equal("start\n", await WorkspaceFileAsync(spec.WorkspaceId, "starts"));
    }

    [Fact]
    public async Task Release_AfterACrash_LeavesNothing()
    {
        var handle = await Provider.EnsureAsync(NewSpec(), null, Cancel);
        await CrashAsync(handle);
        await StateAsync(handle, RunnerState.Exited);
        await Provider.ReleaseAsync(handle, Cancel);
        Assert.Equal(RunnerState.Missing, (await Provider.ObserveAsync(handle, Cancel)).State);
        Assert.Empty(await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Stop_Running_EndsTheAgentAndKeepsItsPlace()
    {
        var handle = await RunningAsync(NewSpec());
        await Provider.StopAsync(handle, Cancel);
        Assert.Equal(RunnerState.Exited, (await Provider.ObserveAsync(handle, Cancel)).State);
        Assert.Equal([handle], await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Stop_TwiceOrUnknown_Succeeds()
    {
        var handle = await RunningAsync(NewSpec());
        await Provider.StopAsync(handle, Cancel);
        await Provider.StopAsync(handle, Cancel);
        await Provider.StopAsync(new RunnerHandle("acme/run_unknown000000", 1), Cancel);
        Assert.Equal([handle], await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Stop_ThenEnsure_RunsInItsPlace()
    {
        var spec = NewSpec();
        var handle = await RunningAsync(spec);
        await Another().StopAsync(handle, Cancel);
        await Provider.EnsureAsync(spec with { Token = "rtok_second" }, null, Cancel);
        await SeenAsync(spec.WorkspaceId, spec.RunnerKey, "rtok_second");
        Assert.Equal("start\nstart\n", await WorkspaceFileAsync(spec.WorkspaceId, "starts"));
        Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(handle, Cancel)).State);
    }

    [Fact]
    public async Task Release_AfterAStop_LeavesNothing()
    {
        var handle = await RunningAsync(NewSpec());
        await Provider.StopAsync(handle, Cancel);
        await Provider.ReleaseAsync(handle, Cancel);
        Assert.Empty(await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Observe_AnotherEpoch_IsMissing()
    {
        var handle = await Provider.EnsureAsync(NewSpec(), null, Cancel);
        Assert.Equal(RunnerState.Missing, (await Provider.ObserveAsync(handle with { Epoch = 2 }, Cancel)).State);
    }

    [Fact]
    public async Task Release_AnotherEpoch_LeavesTheRunner()
    {
        var spec = NewSpec() with { Epoch = 2 };
        var handle = await Provider.EnsureAsync(spec, null, Cancel);
        await Provider.StopAsync(handle with { Epoch = 1 }, Cancel);
        await Provider.ReleaseAsync(handle with { Epoch = 1 }, Cancel);
        Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(handle, Cancel)).State);
        Assert.Equal([handle], await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Runners_OfTwoWorkspaces_DoNotMeet()
    {
        var (first, second) = (NewSpec(), NewSpec());
        var handles = new[] { await RunningAsync(first), await RunningAsync(second) };
        await InsideAsync(handles[0], "echo mine > mine");
        Assert.Null(await WorkspaceFileAsync(second.WorkspaceId, "mine"));
    }

    [Fact]
    public async Task Release_OfOne_LeavesTheOthers()
    {
        var handles = new[] { await Provider.EnsureAsync(NewSpec(), null, Cancel), await Provider.EnsureAsync(NewSpec(), null, Cancel) };
        await Provider.ReleaseAsync(handles[0], Cancel);
        Assert.Equal([handles[1]], await OwnedAsync(Provider));
        Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(handles[1], Cancel)).State);
    }

    [Fact]
    public async Task ListOwned_Cancelled_Ends() => await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
    {
        await Provider.EnsureAsync(NewSpec(), null, Cancel);
        await foreach (var _ in Provider.ListOwnedAsync(new CancellationToken(canceled: true))) Assert.Fail("It went on.");
    });

    [Fact]
    public async Task Agent_ThatFails_TellsItsExitCode()
    {
        var handle = await Provider.EnsureAsync(Acting("fails"), null, Cancel);
        var state = await StateAsync(handle, RunnerState.Exited);
        Assert.Equal((3, DeathCauses.Exited), (state.ExitCode, state.Cause));
        Assert.Contains("it does not please me", state.Detail, StringComparison.Ordinal);
    }

    /// <summary>A runner whose agent does something of its own accord: see <see cref="StandIn"/>.</summary>
    protected RunnerSpec Acting(string how) => NewSpec() with { Profile = RunnerProfile.Default with { MemoryMib = 64, Env = RunnerProfile.Default.Env.Add("STAND_IN", how) } };

    private sealed class Told(List<StartStep> steps) : IProgress<StartStep>
    {
        public void Report(StartStep value) => steps.Add(value);
    }
}
