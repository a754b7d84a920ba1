using Docker.DotNet.Models;

namespace Marionette.Providers.Docker.Tests;

/// <summary>Why runners end, each made to happen.</summary>
public sealed class DockerDeathTests(EngineFixture fixture) : IAsyncLifetime
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

    [Theory]
    [InlineData("eats")]
    [InlineData("child-eats")]
    public async Task OutOfMemory_OfTheAgentOrItsChild_IsTold(string how)
    {
        var handle = await _world.Provider.EnsureAsync(_world.NewSpec(DockerWorld.Acting(how)), null, Cancel);
        var state = await _world.StateAsync(handle, RunnerState.Exited);
        Assert.Equal(DeathCauses.OutOfMemory, state.Cause);
        Assert.Contains("memory", state.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FullDisk_IsTold()
    {
        var spec = _world.NewSpec(DockerWorld.Acting("fills"));
        // A workspace's volume of 64 KiB, there before the runner: the provider uses what it finds under the name.
        await fixture.Client.Volumes.CreateAsync(
            new VolumesCreateParameters
            {
                Name = _world.Names.WorkspaceVolume(spec.RunnerKey, spec.WorkspaceId),
                Labels = _world.Names.Labels(ResourceNames.FilesRole),
                Driver = "local",
                DriverOpts = new Dictionary<string, string> { ["type"] = "tmpfs", ["device"] = "tmpfs", ["o"] = "size=64k,mode=0777" },
            },
            Cancel);
        var handle = await _world.Provider.EnsureAsync(spec, null, Cancel);
        var state = await _world.StateAsync(handle, RunnerState.Exited);
        Assert.Equal((DeathCauses.DiskFull, 1), (state.Cause, state.ExitCode));
        Assert.Contains("No space left on device", state.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Kill_FromOutside_IsTold()
    {
        var handle = await _world.Provider.EnsureAsync(_world.NewSpec(), null, Cancel);
        await _world.Containers.KillContainerAsync(_world.Names.Container(handle), new ContainerKillParameters { Signal = "SIGKILL" }, Cancel);
        var state = await _world.StateAsync(handle, RunnerState.Exited);
        Assert.Equal((DeathCauses.Killed, 137), (state.Cause, state.ExitCode));
    }

    [Fact]
    public async Task Removal_BehindOurBack_IsTold_AndCanBeStartedAgainOrReleased()
    {
        var spec = _world.NewSpec();
        var handle = await _world.Provider.EnsureAsync(spec, null, Cancel);
        await RemoveAsync(handle);
        var state = await _world.Provider.ObserveAsync(handle, Cancel);
        Assert.Equal((RunnerState.Missing, DeathCauses.Removed), (state.State, state.Cause));
        Assert.Contains(handle, await OwnedAsync()); // its state is still ours to remove

        await _world.Provider.EnsureAsync(spec, null, Cancel);
        Assert.Equal(RunnerState.Running, (await _world.Provider.ObserveAsync(handle, Cancel)).State);
        await RemoveAsync(handle);
        await _world.Provider.ReleaseAsync(handle, Cancel);
        Assert.Empty(await OwnedAsync());
        Assert.Null((await _world.Provider.ObserveAsync(handle, Cancel)).Cause);
    }

    [Fact]
    public async Task Removal_IsToldByTheWatchToo()
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await using var notices = _world.Provider.WatchAsync(life.Token).GetAsyncEnumerator(life.Token);
        var next = notices.MoveNextAsync().AsTask();
        var handle = await _world.Provider.EnsureAsync(_world.NewSpec(), null, Cancel);
        await RemoveAsync(handle);
        Assert.True(await next.WaitAsync(TimeSpan.FromSeconds(30), Cancel));
        Assert.Equal(new RunnerEndedNotice(handle.RunnerKey, 1), notices.Current);
        await life.CancelAsync();
    }

    [Fact]
    public async Task MissingImage_IsRejectedByItsName_AndLeavesNothing()
    {
        var steps = new List<StartStep>();
        var fault = await Assert.ThrowsAsync<ProviderException>(
            () => _world.Provider.EnsureAsync(_world.NewSpec(RunnerProfile.Default with { Image = "no-such-image:7" }), new Told(steps), Cancel));
        Assert.Equal(ProviderFault.Rejected, fault.Fault);
        Assert.Contains("no-such-image:7", fault.Message, StringComparison.Ordinal);
        Assert.Contains(steps, step => step is { Phase: "image", Detail: "pulling no-such-image:7" });
        Assert.Empty(await OwnedAsync());
    }

    [Fact]
    public async Task MissingImage_IsNotPulled_WhereThatIsForbidden()
    {
        var steps = new List<StartStep>();
        var provider = _world.Make(image: "no-such-image:7", pull: ImagePull.Never);
        Assert.Equal(ProviderFault.Rejected, (await Assert.ThrowsAsync<ProviderException>(() => provider.EnsureAsync(_world.NewSpec(), new Told(steps), Cancel))).Fault);
        Assert.Empty(steps);
    }

    [Fact]
    public async Task Image_WithoutTheAgent_IsRefused_AndLeavesNothing()
    {
        var container = await _world.Containers.CreateContainerAsync(
            new CreateContainerParameters { Image = fixture.StandInImage, User = "0:0", Entrypoint = ["rm"], Cmd = ["/usr/local/bin/marionette-agent"], HostConfig = new HostConfig { NetworkMode = "none" } }, Cancel);
        await _world.Containers.StartContainerAsync(container.ID, new ContainerStartParameters(), Cancel);
        await _world.Containers.WaitContainerAsync(container.ID, Cancel);
        await fixture.Client.Images.CommitContainerChangesAsync(new CommitContainerChangesParameters { ContainerID = container.ID, RepositoryName = "marionette-without-agent", Tag = "test" }, Cancel);
        await _world.Containers.RemoveContainerAsync(container.ID, new ContainerRemoveParameters(), Cancel);

        var fault = await Assert.ThrowsAsync<ProviderException>(
            () => _world.Provider.EnsureAsync(_world.NewSpec(RunnerProfile.Default with { Image = "marionette-without-agent:test" }), null, Cancel));
        Assert.Equal(ProviderFault.Rejected, fault.Fault);
        Assert.Contains("marionette-agent", fault.Message, StringComparison.Ordinal);
        Assert.Empty(await OwnedAsync());
    }

    private Task RemoveAsync(RunnerHandle handle) =>
        _world.Containers.RemoveContainerAsync(_world.Names.Container(handle), new ContainerRemoveParameters { Force = true }, Cancel);

    private async Task<List<RunnerHandle>> OwnedAsync()
    {
        var owned = new List<RunnerHandle>();
        await foreach (var handle in _world.Provider.ListOwnedAsync(Cancel)) owned.Add(handle);
        return owned;
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private sealed class Told(List<StartStep> steps) : IProgress<StartStep>
    {
        public void Report(StartStep value) => steps.Add(value);
    }
}
