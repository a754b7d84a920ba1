namespace Marionette.Providers.Conformance;

/// <summary>
/// What every provider promises, whatever its backend. A provider is done when a class derived from this one passes. The agent in these cases is
/// a stand-in that runs until it is told to end: the contract is about the place it runs in.
/// </summary>
public abstract partial class ProviderConformance : IAsyncLifetime
{
    /// <summary>Names of one case are no other's: a backend may keep workspaces beyond it.</summary>
    private readonly string _case = Guid.NewGuid().ToString("n")[..8];
    private int _runners;

    /// <summary>The provider under test, fresh for each case.</summary>
    protected abstract IRunnerProvider Provider { get; }

    /// <summary>A provider over the same backend, as another process of the installation would have it.</summary>
    protected abstract IRunnerProvider Another();

    /// <summary>Ends the runner's agent from outside, as a crash would.</summary>
    protected abstract Task CrashAsync(RunnerHandle handle);

    /// <summary>A file of a workspace of the tenant "acme"; null when there is none, or it is empty.</summary>
    protected abstract Task<string?> WorkspaceFileAsync(string workspaceId, string name);

    /// <summary>Runs a shell command in the runner, as its agent's user.</summary>
    protected abstract Task<(int Code, string Output)> InsideAsync(RunnerHandle handle, string command);

    /// <summary>Everything that a backend shows of a runner to whoever may list it: arguments, labels, names.</summary>
    protected abstract Task<string> PublicTraceAsync(RunnerHandle handle);

    /// <inheritdoc/>
    public virtual ValueTask InitializeAsync() => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public virtual async ValueTask DisposeAsync()
    {
        // A case that was skipped may have no provider.
        if (Provider is { } provider)
            await foreach (var owned in provider.ListOwnedAsync(CancellationToken.None)) await provider.ReleaseAsync(owned, CancellationToken.None);
        GC.SuppressFinalize(this);
    }

    /// <summary>A runner that nobody has asked for yet.</summary>
    protected RunnerSpec NewSpec(string? workspace = null) =>
        new($"acme/run_{_case}{_runners++:d8}", 1, $"rtok_secret_{_runners}", workspace ?? $"ws_{_case}{_runners:d8}");

    [Fact]
    public async Task Ensure_New_Runs()
    {
        var handle = await Provider.EnsureAsync(NewSpec(), null, Cancel);
        Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(handle, Cancel)).State);
    }

    [Fact]
    public async Task Ensure_Twice_IsOneRunner()
    {
        var spec = NewSpec();
        var first = await Provider.EnsureAsync(spec, null, Cancel);
        var second = await Provider.EnsureAsync(spec, null, Cancel);
        Assert.Equal(first, second);
        Assert.Single(await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Ensure_ManyAtOnceForOneRunner_IsOneRunner()
    {
        var spec = NewSpec();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Provider.EnsureAsync(spec, null, Cancel)));
        Assert.Single(await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Ensure_ManyRunnersAtOnce_MakesEach()
    {
        var specs = Enumerable.Range(0, 10).Select(_ => NewSpec()).ToList();
        var handles = await Task.WhenAll(specs.Select(s => Provider.EnsureAsync(s, null, Cancel)));
        Assert.Equal(specs.Select(s => s.RunnerKey).Order(), (await OwnedAsync(Provider)).Select(h => h.RunnerKey).Order());
        foreach (var handle in handles) Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(handle, Cancel)).State);
    }

    [Fact]
    public async Task Ensure_AfterACrash_RunsAgainInItsPlace()
    {
        var spec = NewSpec();
        var handle = await Provider.EnsureAsync(spec, null, Cancel);
        await CrashAsync(handle);
        await StateAsync(handle, RunnerState.Exited);
        await Provider.EnsureAsync(spec with { Token = "rtok_second" }, null, Cancel);
        Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(handle, Cancel)).State);
        Assert.Single(await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Observe_Unknown_IsMissing() =>
        Assert.Equal(RunnerState.Missing, (await Provider.ObserveAsync(new RunnerHandle("acme/run_unknown000000", 1), Cancel)).State);

    [Fact]
    public async Task Observe_AfterACrash_TellsTheCause()
    {
        var handle = await Provider.EnsureAsync(NewSpec(), null, Cancel);
        await CrashAsync(handle);
        var state = await StateAsync(handle, RunnerState.Exited);
        Assert.NotNull(state.Cause);
        Assert.NotNull(state.Detail);
    }

    [Fact]
    public async Task Release_Running_LeavesNothing()
    {
        var handle = await Provider.EnsureAsync(NewSpec(), null, Cancel);
        await Provider.ReleaseAsync(handle, Cancel);
        Assert.Equal(RunnerState.Missing, (await Provider.ObserveAsync(handle, Cancel)).State);
        Assert.Empty(await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Release_TwiceOrUnknown_Succeeds()
    {
        var handle = await Provider.EnsureAsync(NewSpec(), null, Cancel);
        await Provider.ReleaseAsync(handle, Cancel);
        await Provider.ReleaseAsync(handle, Cancel);
        await Provider.ReleaseAsync(new RunnerHandle("acme/run_unknown000000", 1), Cancel);
    }

    [Fact]
    public async Task Release_KeepsTheWorkspace_ForTheNextRunner()
    {
        var first = NewSpec();
        await Provider.EnsureAsync(first, null, Cancel);
        var text = await UntilAsync(() => WorkspaceFileAsync(first.WorkspaceId, "note"), t => t is not null, "the agent's file");
        await Provider.ReleaseAsync(new RunnerHandle(first.RunnerKey, 1), Cancel);
        Assert.Equal(text, await WorkspaceFileAsync(first.WorkspaceId, "note"));
        await Provider.EnsureAsync(NewSpec(first.WorkspaceId), null, Cancel);
        Assert.Equal(text, await WorkspaceFileAsync(first.WorkspaceId, "note"));
    }

    [Fact]
    public async Task ListOwned_OfAnotherProcess_FindsTheSame()
    {
        var handle = await Provider.EnsureAsync(NewSpec(), null, Cancel);
        var other = Another();
        Assert.Equal([handle], await OwnedAsync(other));
        Assert.Equal(RunnerState.Running, (await other.ObserveAsync(handle, Cancel)).State);
    }

    [Fact]
    public async Task Release_ByAnotherProcess_EndsIt()
    {
        var handle = await Provider.EnsureAsync(NewSpec(), null, Cancel);
        await Another().ReleaseAsync(handle, Cancel);
        await StateAsync(handle, RunnerState.Missing);
    }

    [Fact]
    public async Task Token_IsNotForOthersToSee()
    {
        var spec = NewSpec();
        var handle = await Provider.EnsureAsync(spec, null, Cancel);
        Assert.DoesNotContain(spec.Token, await PublicTraceAsync(handle), StringComparison.Ordinal);
        Assert.DoesNotContain(spec.Token, spec.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Agents_AreListedWithoutARunner()
    {
        var agents = await Provider.ListAgentsAsync(Cancel);
        Assert.All(agents, agent => Assert.All([agent.Kind, agent.Program, agent.Path], Assert.NotEmpty));
        Assert.Equal(agents.Count, agents.DistinctBy(agent => (agent.Kind, agent.Program)).Count());
        Assert.Empty(await OwnedAsync(Provider));
    }

    [Fact]
    public void Capabilities_SayWhatStandsBetween() => Assert.NotEmpty(Provider.Capabilities.Isolation);

    /// <summary>Makes a runner and waits until its agent has left its notes.</summary>
    protected async Task<RunnerHandle> RunningAsync(RunnerSpec spec)
    {
        var handle = await Provider.EnsureAsync(spec, null, Cancel);
        await SeenAsync(spec.WorkspaceId, spec.RunnerKey);
        return handle;
    }

    /// <summary>Waits for the agent of a runner to have read its configuration, and tells what it read: runner, epoch, token.</summary>
    protected async Task<string[]> SeenAsync(string workspace, string runnerKey, string? token = null) => (await UntilAsync(
        () => WorkspaceFileAsync(workspace, "seen"),
        text => text is not null && text.StartsWith(runnerKey + "\n", StringComparison.Ordinal) && (token is null || text.Contains(token, StringComparison.Ordinal)),
        "the agent's notes"))!.Trim().Split('\n');

    /// <summary>A refusal of a kind.</summary>
    protected static async Task RejectedAsync(Func<Task> call) =>
        Assert.Equal(ProviderFault.Rejected, (await Assert.ThrowsAsync<ProviderException>(call)).Fault);

    /// <summary>The case's own deadline.</summary>
    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Waits for a state of a runner.</summary>
    protected async Task<RunnerObservedState> StateAsync(RunnerHandle handle, RunnerState wanted) =>
        await UntilAsync(() => Provider.ObserveAsync(handle, Cancel), s => s.State == wanted, $"{handle.RunnerKey} to be {wanted}");

    /// <summary>Looks until it holds.</summary>
    protected static async Task<T> UntilAsync<T>(Func<Task<T>> look, Func<T, bool> holds, string what)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var seen = await look();
            if (holds(seen)) return seen;
            if (TimeProvider.System.GetElapsedTime(began) > TimeSpan.FromSeconds(30)) throw new TimeoutException($"Waited for {what}; last: {seen}");
            await Task.Delay(20, Cancel); // The pause between two looks; the condition decides.
        }
    }

    /// <summary>What a provider says is the installation's.</summary>
    protected static async Task<List<RunnerHandle>> OwnedAsync(IRunnerProvider provider)
    {
        var owned = new List<RunnerHandle>();
        await foreach (var handle in provider.ListOwnedAsync(Cancel)) owned.Add(handle);
        return owned;
    }
}
