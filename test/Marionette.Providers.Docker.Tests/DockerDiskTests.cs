using Docker.DotNet.Models;

namespace Marionette.Providers.Docker.Tests;

/// <summary>The limit of disk: claimed where the engine takes a volume with a size, and put on a runner's volumes there.</summary>
public sealed class DockerDiskTests(EngineFixture fixture)
{
    private static readonly RunnerProfile Small = RunnerProfile.Default with { DiskMib = 64 };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Engine_WithQuotas_IsAskedOnce_AndEveryVolumeOfARunnerHasItsSize()
    {
        using var engine = new QuotaEngine(hasQuotas: true);
        await using var provider = Provider(engine);
        Assert.False(provider.Capabilities.Limits.HasFlag(RunnerLimits.Disk));

        foreach (var number in new[] { 1, 2 }) await FailsAtTheContainerAsync(provider, Spec(number, Small));

        Assert.Empty(engine.Wrong);
        Assert.True(provider.Capabilities.Limits.HasFlag(RunnerLimits.Disk));
        Assert.Equal(1, engine.VolumesAsked);
        Assert.Equal(6, engine.Volumes.Count); // files, home and spool of either; the one that was tried is gone
        Assert.All(engine.Volumes.Values, size => Assert.Equal(64L << 20, size));
    }

    [Fact]
    public async Task Slot_OfAProfileWithALimit_HasIt_AndOneWithoutHasNone()
    {
        using var engine = new QuotaEngine(hasQuotas: true);
        await using var provider = Provider(engine);

        await Assert.ThrowsAsync<ProviderException>(() => provider.WarmAsync(new WarmSpec("warm_1", Small), Cancel));
        await FailsAtTheContainerAsync(provider, Spec(1, Small with { DiskMib = 0 }));

        Assert.Empty(engine.Wrong);
        Assert.All(engine.Volumes.Where(volume => volume.Key.Contains("warm_1")), volume => Assert.Equal(64L << 20, volume.Value));
        Assert.Equal(3, engine.Volumes.Count(volume => volume.Value is null));
    }

    [Fact]
    public async Task Engine_WithoutQuotas_IsAskedOnce_AndNoVolumeHasASize()
    {
        using var engine = new QuotaEngine(hasQuotas: false);
        await using var provider = Provider(engine);

        foreach (var number in new[] { 1, 2 }) await FailsAtTheContainerAsync(provider, Spec(number, Small));

        Assert.Empty(engine.Wrong);
        Assert.False(provider.Capabilities.Limits.HasFlag(RunnerLimits.Disk));
        Assert.Equal(1, engine.VolumesAsked);
        Assert.All(engine.Volumes.Values, size => Assert.Null(size));
    }

    [Fact]
    public async Task EngineOfThisMachine_TakesTheSizeOrRefusesIt_AndTheClaimSaysWhich()
    {
        await using var world = new DockerWorld(fixture);
        var probe = new VolumesCreateParameters
        {
            Name = $"{world.Installation}.own", Driver = "local", DriverOpts = new Dictionary<string, string> { ["size"] = "1m" }, Labels = world.Names.Labels("probe"),
        };
        var takes = true;
        try
        {
            await fixture.Client.Volumes.CreateAsync(probe, Cancel);
            await fixture.Client.Volumes.RemoveAsync(probe.Name, force: true, Cancel);
        }
        catch (global::Docker.DotNet.DockerApiException)
        {
            takes = false;
        }

        var handle = await world.Provider.EnsureAsync(world.NewSpec(Small), null, Cancel);

        Assert.Equal(takes, world.Provider.Capabilities.Limits.HasFlag(RunnerLimits.Disk));
        Assert.Equal(RunnerState.Running, (await world.Provider.ObserveAsync(handle, Cancel)).State);
        var volumes = (await fixture.Client.Volumes.ListAsync(new VolumesListParameters { Filters = world.Names.Ours() }, Cancel)).Volumes;
        Assert.Equal(3, volumes.Count);
        Assert.All(volumes, volume => Assert.Equal(takes, volume.Options?.ContainsKey("size") == true));
    }

    private static RunnerSpec Spec(int number, RunnerProfile profile) =>
        new($"acme/run_{number:d16}", 1, "rtok_secret", $"ws_{number:d16}") { Profile = profile };

    private static DockerProvider Provider(QuotaEngine engine) => new(
        new DockerProviderOptions { Host = engine.Host, Installation = "test", ServerUrl = () => "http://127.0.0.1:1", Network = "none" }, TimeProvider.System);

    private static async Task FailsAtTheContainerAsync(DockerProvider provider, RunnerSpec spec) =>
        Assert.Contains("makes no containers", (await Assert.ThrowsAsync<ProviderException>(() => provider.EnsureAsync(spec, null, Cancel))).Message);
}
