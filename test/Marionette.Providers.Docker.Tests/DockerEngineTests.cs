using System.Diagnostics;

namespace Marionette.Providers.Docker.Tests;

/// <summary>The engine away, started anew, and asked for much at once.</summary>
public sealed class DockerEngineTests(EngineFixture fixture) : IAsyncLifetime
{
    private DockerWorld _world = null!;

    public ValueTask InitializeAsync()
    {
        _world = new DockerWorld(fixture);
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (_world is not null) await _world.DisposeAsync();
    }

    [Fact]
    public async Task Engine_ThatIsAway_IsUnavailable_AndSaysNothingOfRunners()
    {
        var provider = _world.Make(host: new Uri("unix:///nowhere/docker.sock"));
        var handle = new RunnerHandle("acme/run_0000000000000000", 1);
        Func<Task>[] calls =
        [
            () => provider.EnsureAsync(_world.NewSpec(), null, Cancel), () => provider.ObserveAsync(handle, Cancel), () => provider.StopAsync(handle, Cancel),
            () => provider.ReleaseAsync(handle, Cancel), () => provider.PauseAsync(handle, Cancel), () => provider.ListAgentsAsync(Cancel),
            async () => { await foreach (var _ in provider.ListOwnedAsync(Cancel)); }, async () => { await foreach (var _ in provider.ListWarmAsync(Cancel)); },
            () => provider.WarmAsync(new WarmSpec("warm_1", RunnerProfile.Default), Cancel),
        ];
        foreach (var call in calls) Assert.Equal(ProviderFault.Unavailable, (await Assert.ThrowsAsync<ProviderException>(call)).Fault);
        await foreach (var _ in provider.WatchAsync(Cancel)) Assert.Fail("It told something.");
    }

    [Fact]
    public async Task Engine_ThatDoesNotAnswer_IsAmbiguous()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("marionette-mute-").FullName, "s");
        using var mute = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        mute.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
        mute.Listen();
        var provider = _world.Make(host: new Uri($"unix://{path}"), limit: TimeSpan.FromMilliseconds(200));
        Assert.Equal(ProviderFault.Ambiguous, (await Assert.ThrowsAsync<ProviderException>(() => provider.EnsureAsync(_world.NewSpec(), null, Cancel))).Fault);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task EngineRestart_WithRunnersAlive_IsTheirCause_AndTheyStartInTheirPlaces(bool killed)
    {
        Assert.SkipUnless(fixture.Engine!.IsOurs, "the engine is not ours to stop");
        var specs = new[] { _world.NewSpec(), _world.NewSpec() };
        var handles = new List<RunnerHandle>();
        foreach (var spec in specs) handles.Add(await _world.Provider.EnsureAsync(spec, null, Cancel));
        foreach (var spec in specs) await _world.NotedAsync(spec);

        if (killed) await fixture.Engine.KillDockerdAsync();
        else await fixture.Engine.StopDockerdAsync();
        foreach (var handle in handles)
            Assert.Equal(ProviderFault.Unavailable, (await Assert.ThrowsAsync<ProviderException>(() => _world.Provider.ObserveAsync(handle, Cancel))).Fault);
        await fixture.Engine.StartDockerdAsync();

        foreach (var handle in handles)
        {
            var state = await _world.StateAsync(handle, RunnerState.Exited);
            Assert.Equal(DeathCauses.EngineRestarted, state.Cause);
        }

        foreach (var spec in specs) await _world.Provider.EnsureAsync(spec, null, Cancel);
        foreach (var handle in handles) Assert.Equal(RunnerState.Running, (await _world.Provider.ObserveAsync(handle, Cancel)).State);
        foreach (var spec in specs) Assert.Equal($"written by {spec.RunnerKey}\n", await _world.WorkspaceFileAsync(spec.WorkspaceId, "note"));
    }

    [Fact]
    public async Task Fifty_AtOnce_AreMade_AndReleased()
    {
        var specs = Enumerable.Range(0, 50).Select(_ => _world.NewSpec(RunnerProfile.Default with { MemoryMib = 64 })).ToList();
        var began = Stopwatch.GetTimestamp();
        var handles = await Task.WhenAll(specs.Select(spec => _world.Provider.EnsureAsync(spec, null, Cancel)));
        TestContext.Current.SendDiagnosticMessage("50 runners in {0:0.0} s", Stopwatch.GetElapsedTime(began).TotalSeconds);
        foreach (var handle in handles) Assert.Equal(RunnerState.Running, (await _world.Provider.ObserveAsync(handle, Cancel)).State);
        await Task.WhenAll(handles.Select(handle => _world.Provider.ReleaseAsync(handle, Cancel)));
        await foreach (var owned in _world.Provider.ListOwnedAsync(Cancel)) Assert.Fail($"{owned} is left");
    }

    [Fact]
    public async Task TwoProviders_RacingOverCreateAndRelease_LeaveNothing()
    {
        var (first, second) = (_world.Provider, _world.Make());
        var spec = _world.NewSpec();
        var handle = new RunnerHandle(spec.RunnerKey, 1);
        for (var i = 0; i < 5; i++)
        {
            await Task.WhenAll(first.EnsureAsync(spec, null, Cancel), second.EnsureAsync(spec, null, Cancel));
            Assert.Equal(RunnerState.Running, (await first.ObserveAsync(handle, Cancel)).State);
            await Task.WhenAll(first.ReleaseAsync(handle, Cancel), second.ReleaseAsync(handle, Cancel));
            Assert.Equal(RunnerState.Missing, (await second.ObserveAsync(handle, Cancel)).State);
        }

        await foreach (var owned in first.ListOwnedAsync(Cancel)) Assert.Fail($"{owned} is left");
    }

    [Fact]
    public async Task Installations_OnOneEngine_DoNotMeet()
    {
        await using var other = new DockerWorld(fixture);
        var spec = _world.NewSpec();
        var handle = await _world.Provider.EnsureAsync(spec, null, Cancel);
        Assert.Equal(RunnerState.Missing, (await other.Provider.ObserveAsync(handle, Cancel)).State);
        await foreach (var owned in other.Provider.ListOwnedAsync(Cancel)) Assert.Fail($"{owned} is another's");
        await other.Provider.ReleaseAsync(handle, Cancel);
        Assert.Equal(RunnerState.Running, (await _world.Provider.ObserveAsync(handle, Cancel)).State);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
}
