using System.Text.Json;
using Docker.DotNet;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker.Tests;

/// <summary>An installation of its own on the engine, for each case.</summary>
internal sealed class DockerWorld : IAsyncDisposable
{
    /// <summary>What a machine may need that does much else at the same time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);

    private readonly List<DockerProvider> _made = [];
    private int _runners;

    public DockerWorld(EngineFixture fixture)
    {
        Assert.SkipWhen(fixture.Engine is null, TestEngine.DockerEngine.Obstacle() ?? "");
        Fixture = fixture;
        Provider = Make();
    }

    public EngineFixture Fixture { get; }

    public DockerProvider Provider { get; }

    public string Installation { get; } = $"t{Guid.NewGuid():N}"[..12];

    public ResourceNames Names => new(Installation);

    public IContainerOperations Containers => Fixture.Client.Containers;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public RunnerSpec NewSpec(RunnerProfile? profile = null) =>
        new($"acme/run_{_runners++:d16}", 1, $"rtok_secret_{_runners}", $"ws_{_runners:d16}") { Profile = profile ?? RunnerProfile.Default };

    /// <summary>A profile whose stand-in does something of its own accord.</summary>
    public static RunnerProfile Acting(string how) => RunnerProfile.Default with { MemoryMib = 64, Env = RunnerProfile.Default.Env.Add("STAND_IN", how) };

    public DockerProvider Make(string? image = null, ImagePull pull = ImagePull.Missing, Uri? host = null, TimeSpan? limit = null, string? network = "none", string? server = null, TimeProvider? clock = null)
    {
        var provider = new DockerProvider(
            new DockerProviderOptions
            {
                Host = host ?? Fixture.Engine!.Host,
                Installation = Installation,
                ServerUrl = () => server ?? "http://127.0.0.1:1",
                Image = image ?? Fixture.StandInImage,
                Pull = pull,
                Network = network,
                CallTimeout = limit ?? TimeSpan.FromSeconds(60),
            },
            clock ?? TimeProvider.System);
        _made.Add(provider);
        return provider;
    }

    public async Task<string?> WorkspaceFileAsync(string workspaceId, string name)
    {
        var found = (await Fixture.Client.Volumes.ListAsync(new VolumesListParameters { Filters = Names.Ours() }, Cancel)).Volumes?.ToDictionary(v => v.Name) ?? [];
        if (!found.TryGetValue(Names.WorkspaceVolume("acme/run", workspaceId), out var own)) return null;
        if (own.Labels.TryGetValue(ResourceNames.FilesAt, out var at)) own = found[at];
        // The engine's own folder, since the engine is on this machine: quicker than a container for each look.
        var file = Path.Combine(own.Mountpoint, name);
        return File.Exists(file) && await File.ReadAllTextAsync(file, Cancel) is { Length: > 0 } text ? text : null;
    }

    /// <summary>Waits until the runner's stand-in has its configuration and has left its note.</summary>
    public async Task NotedAsync(RunnerSpec spec)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (await WorkspaceFileAsync(spec.WorkspaceId, "note") is null)
        {
            if (TimeProvider.System.GetElapsedTime(began) > Patience) throw new TimeoutException($"{spec.RunnerKey} leaves no note");
            await Task.Delay(20, Cancel); // The pause between two looks; the condition decides.
        }
    }

    public async Task<(int Code, string Output)> InsideAsync(RunnerHandle handle, string command)
    {
        var exec = Fixture.Client.Exec;
        var made = await exec.ExecCreateContainerAsync(
            Names.Container(handle), new ContainerExecCreateParameters { Cmd = ["/bin/sh", "-c", command], AttachStdout = true, AttachStderr = true }, Cancel);
        using var stream = await exec.StartAndAttachContainerExecAsync(made.ID, tty: false, Cancel);
        var (output, error) = await stream.ReadOutputToEndAsync(Cancel);
        return ((int)(await exec.InspectContainerExecAsync(made.ID, Cancel)).ExitCode, output + error);
    }

    public async Task<string> PublicTraceAsync(RunnerHandle handle)
    {
        var container = await Containers.InspectContainerAsync(Names.Container(handle), Cancel);
        var volumes = await Fixture.Client.Volumes.ListAsync(new VolumesListParameters { Filters = Names.Ours() }, Cancel);
        using var log = await Containers.GetContainerLogsAsync(container.ID, tty: false, new ContainerLogsParameters { ShowStdout = true, ShowStderr = true }, Cancel);
        var (output, error) = await log.ReadOutputToEndAsync(Cancel);
        return JsonSerializer.Serialize(container) + JsonSerializer.Serialize(volumes) + output + error;
    }

    /// <summary>Waits for a state of a runner.</summary>
    public async Task<RunnerObservedState> StateAsync(RunnerHandle handle, RunnerState wanted, DockerProvider? provider = null)
    {
        var began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            var state = await (provider ?? Provider).ObserveAsync(handle, Cancel);
            if (state.State == wanted) return state;
            if (TimeProvider.System.GetElapsedTime(began) > Patience) throw new TimeoutException($"{handle.RunnerKey} is {state}, not {wanted}");
            await Task.Delay(20, Cancel); // The pause between two looks; the condition decides.
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var provider in _made) await provider.DisposeAsync();
        foreach (var container in await Containers.ListContainersAsync(new ContainersListParameters { All = true, Filters = Names.Ours() }, CancellationToken.None))
            await Containers.RemoveContainerAsync(container.ID, new ContainerRemoveParameters { Force = true, RemoveVolumes = true }, CancellationToken.None);
        foreach (var volume in (await Fixture.Client.Volumes.ListAsync(new VolumesListParameters { Filters = Names.Ours() }, CancellationToken.None)).Volumes ?? [])
            await Fixture.Client.Volumes.RemoveAsync(volume.Name, force: true, CancellationToken.None);
    }
}
