using Docker.DotNet.Models;

namespace Marionette.Providers.Docker.Tests;

/// <summary>What is left of warm slots whose making, claim or removal broke off, and of tries.</summary>
public sealed class DockerSweepTests(EngineFixture fixture) : IAsyncLifetime
{
    private DockerWorld _world = null!;
    private DockerProvider _later = null!;

    public ValueTask InitializeAsync()
    {
        _world = new DockerWorld(fixture);
        _later = _world.Make(clock: new LaterClock(TimeSpan.FromMinutes(5)));
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (_world is not null) await _world.DisposeAsync();
    }

    [Fact]
    public async Task Slot_ThatEndedUnclaimed_IsRemoved_WithItsVolumes()
    {
        await _world.Provider.WarmAsync(new WarmSpec("warm_1", RunnerProfile.Default), Cancel);
        await _world.Containers.KillContainerAsync(_world.Names.WarmContainer("warm_1"), new ContainerKillParameters { Signal = "SIGKILL" }, Cancel);
        await AssertLeftAloneAsync("warm_1");
        Assert.Empty(await WarmAsync(_later));
        Assert.Empty(await LeftAsync());
    }

    [Fact]
    public async Task Slot_ThatWasMadeAndNeverStarted_IsRemoved()
    {
        await _world.Containers.CreateContainerAsync(NewSlot("warm_1"), Cancel);
        await AssertLeftAloneAsync("warm_1");
        Assert.Empty(await WarmAsync(_later));
        Assert.Empty(await LeftAsync());
    }

    [Fact]
    public async Task Slot_WhoseRemovalBrokeOff_IsRemoved()
    {
        await _world.Provider.WarmAsync(new WarmSpec("warm_1", RunnerProfile.Default), Cancel);
        await fixture.Client.Volumes.CreateAsync(
            new VolumesCreateParameters { Name = _world.Names.Claim("warm_1"), Labels = _world.Names.Labels(ResourceNames.ClaimRole) }, Cancel);
        await _world.Containers.RemoveContainerAsync(_world.Names.WarmContainer("warm_1"), new ContainerRemoveParameters { Force = true }, Cancel);
        Assert.Empty(await WarmAsync(_later));
        Assert.Empty(await LeftAsync());
    }

    [Fact]
    public async Task Slot_OfARunnerWhoseContainerIsGone_LeavesTheWorkspaceAlone()
    {
        await _world.Provider.WarmAsync(new WarmSpec("warm_1", RunnerProfile.Default), Cancel);
        var spec = _world.NewSpec() with { WarmSlot = "warm_1" };
        var handle = await _world.Provider.EnsureAsync(spec, null, Cancel);
        await _world.NotedAsync(spec);
        await _world.Containers.RemoveContainerAsync(_world.Names.Container(handle), new ContainerRemoveParameters { Force = true }, Cancel);
        await _later.ReleaseAsync(handle, Cancel);
        Assert.Empty(await WarmAsync(_later));
        Assert.Equal($"written by {spec.RunnerKey}\n", await _world.WorkspaceFileAsync(spec.WorkspaceId, "note"));
        Assert.DoesNotContain(ResourceNames.State(_world.Names.WarmContainer("warm_1")), await LeftAsync());
    }

    [Fact]
    public async Task Probe_ThatACrashLeft_IsRemoved_AndOneOfThisMomentIsNot()
    {
        var probe = _world.Names.Probe(Guid.NewGuid());
        await fixture.Client.Volumes.CreateAsync(new VolumesCreateParameters { Name = probe, Labels = _world.Names.Labels(ResourceNames.ProbeRole) }, Cancel);
        Assert.Empty(await WarmAsync(_world.Provider));
        Assert.Contains(probe, await LeftAsync());
        Assert.Empty(await WarmAsync(_later));
        Assert.Empty(await LeftAsync());
    }

    [Fact]
    public async Task Slots_ThatRunOrAreClaimed_AreLeftAlone()
    {
        await _world.Provider.WarmAsync(new WarmSpec("warm_1", RunnerProfile.Default), Cancel);
        await _world.Provider.WarmAsync(new WarmSpec("warm_2", RunnerProfile.Default), Cancel);
        var spec = _world.NewSpec() with { WarmSlot = "warm_2" };
        var handle = await _world.Provider.EnsureAsync(spec, null, Cancel);
        await _world.NotedAsync(spec);
        await _world.Provider.StopAsync(handle, Cancel);
        Assert.Equal(["warm_1"], await WarmAsync(_later));
        await _later.EnsureAsync(spec with { Token = "rtok_second" }, null, Cancel);
        Assert.Equal(RunnerState.Running, (await _later.ObserveAsync(handle, Cancel)).State);
        Assert.Equal($"written by {spec.RunnerKey}\n", await _world.WorkspaceFileAsync(spec.WorkspaceId, "note"));
    }

    // It may be in the making.
    private async Task AssertLeftAloneAsync(string slot)
    {
        Assert.Empty(await WarmAsync(_world.Provider));
        Assert.Contains(_world.Names.WarmContainer(slot), await LeftAsync());
    }

    private CreateContainerParameters NewSlot(string slot)
    {
        var name = _world.Names.WarmContainer(slot);
        var options = new DockerProviderOptions { Host = fixture.Engine!.Host, Installation = _world.Installation, ServerUrl = () => "", Image = fixture.StandInImage, Network = "none" };
        using var engine = new Engine(options.Host, TimeSpan.FromSeconds(1), TimeProvider.System); // not asked: no size
        return new RunnerContainer(options, _world.Names, new DiskQuota(engine, _world.Names)).ForSlot(
            new WarmSpec(slot, RunnerProfile.Default), new RunnerVolumes(name, ResourceNames.Home(name), ResourceNames.State(name)), null);
    }

    private async Task<List<string>> LeftAsync()
    {
        var containers = await _world.Containers.ListContainersAsync(new ContainersListParameters { All = true, Filters = _world.Names.Ours() }, Cancel);
        var volumes = (await fixture.Client.Volumes.ListAsync(new VolumesListParameters { Filters = _world.Names.Ours() }, Cancel)).Volumes ?? [];
        return [.. containers.Select(container => container.Names[0].TrimStart('/')), .. volumes.Select(volume => volume.Name)];
    }

    private static async Task<List<string>> WarmAsync(DockerProvider provider)
    {
        var slots = new List<string>();
        await foreach (var slot in provider.ListWarmAsync(Cancel)) slots.Add(slot.SlotId);
        return slots;
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
}
