using System.Text.Json;
using Docker.DotNet;
using Docker.DotNet.Models;
using Marionette.Providers.Conformance;

namespace Marionette.Providers.Docker.Tests;

/// <summary>The Docker provider against the contract.</summary>
public sealed class DockerConformanceTests(EngineFixture fixture) : DockerWorld(fixture);

/// <summary>An installation of its own on the engine, for each case.</summary>
public abstract class DockerWorld(EngineFixture fixture) : ProviderConformance
{
    private readonly List<DockerProvider> _made = [];
    private readonly string _installation = $"t{Guid.NewGuid():N}"[..12];
    private DockerProvider _provider = null!;

    protected override IRunnerProvider Provider => _provider;

    internal ResourceNames Names => new(_installation);

    protected EngineFixture Fixture => fixture;

    protected IContainerOperations Containers => fixture.Client.Containers;

    public override ValueTask InitializeAsync()
    {
        Assert.SkipWhen(fixture.Engine is null, TestEngine.DockerEngine.Obstacle() ?? "");
        _provider = Make();
        return ValueTask.CompletedTask;
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_provider is null) return;
        foreach (var provider in _made) await provider.DisposeAsync();
        foreach (var container in await Containers.ListContainersAsync(new ContainersListParameters { All = true, Filters = Names.Ours() }))
            await Containers.RemoveContainerAsync(container.ID, new ContainerRemoveParameters { Force = true, RemoveVolumes = true });
        foreach (var volume in (await fixture.Client.Volumes.ListAsync(new VolumesListParameters { Filters = Names.Ours() })).Volumes ?? [])
            await fixture.Client.Volumes.RemoveAsync(volume.Name, force: true);
    }

    protected override IRunnerProvider Another() => Make();

    protected override Task CrashAsync(RunnerHandle handle) =>
        Containers.KillContainerAsync(Names.Container(handle), new ContainerKillParameters { Signal = "SIGKILL" }, Cancel);

    protected override async Task<string?> WorkspaceFileAsync(string workspaceId, string name)
    {
        var volume = Names.WorkspaceVolume("acme/run", workspaceId);
        var found = (await fixture.Client.Volumes.ListAsync(new VolumesListParameters { Filters = Names.Ours() }, Cancel)).Volumes?.ToDictionary(v => v.Name) ?? [];
        if (!found.TryGetValue(volume, out var own)) return null;
        if (own.Labels.TryGetValue(ResourceNames.FilesAt, out var at)) own = found[at];
        // The engine's folder where it is on this machine: quicker than a container for each look.
        var file = Path.Combine(own.Mountpoint, name);
        return File.Exists(file) && await File.ReadAllTextAsync(file, Cancel) is { Length: > 0 } text ? text : null;
    }

    protected override async Task<(int Code, string Output)> InsideAsync(RunnerHandle handle, string command)
    {
        var exec = await Exec.ExecCreateContainerAsync(
            Names.Container(handle), new ContainerExecCreateParameters { Cmd = ["/bin/sh", "-c", command], AttachStdout = true, AttachStderr = true }, Cancel);
        using var stream = await Exec.StartAndAttachContainerExecAsync(exec.ID, tty: false, Cancel);
        var (output, error) = await stream.ReadOutputToEndAsync(Cancel);
        return ((int)(await Exec.InspectContainerExecAsync(exec.ID, Cancel)).ExitCode, output + error);
    }

    protected override async Task<string> PublicTraceAsync(RunnerHandle handle)
    {
        var container = await Containers.InspectContainerAsync(Names.Container(handle), Cancel);
        var volumes = await fixture.Client.Volumes.ListAsync(new VolumesListParameters { Filters = Names.Ours() }, Cancel);
        using var log = await Containers.GetContainerLogsAsync(container.ID, tty: false, new ContainerLogsParameters { ShowStdout = true, ShowStderr = true }, Cancel);
        var (output, error) = await log.ReadOutputToEndAsync(Cancel);
        return JsonSerializer.Serialize(container) + JsonSerializer.Serialize(volumes) + output + error;
    }

    protected DockerProvider Make(Func<DockerProviderOptions, DockerProviderOptions>? change = null)
    {
        var provider = new DockerProvider((change ?? (o => o))(Options()), TimeProvider.System);
        _made.Add(provider);
        return provider;
    }

    protected virtual DockerProviderOptions Options() => new()
    {
        Host = fixture.Engine!.Host,
        Installation = _installation,
        ServerUrl = () => "http://127.0.0.1:1",
        Image = fixture.StandInImage,
        Pull = ImagePull.Missing,
        Network = "none",
    };

    private IExecOperations Exec => fixture.Client.Exec;
}
