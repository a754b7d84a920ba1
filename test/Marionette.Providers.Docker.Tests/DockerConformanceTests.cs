using Docker.DotNet.Models;
using Marionette.Providers.Conformance;

namespace Marionette.Providers.Docker.Tests;

/// <summary>The Docker provider against the contract.</summary>
public sealed class DockerConformanceTests(EngineFixture fixture) : ProviderConformance
{
    private DockerWorld? _world;

    private DockerProvider? _provider;

    protected override IRunnerProvider Provider => _provider!;

    public override ValueTask InitializeAsync()
    {
        _world = new DockerWorld(fixture);
        _provider = _world.Make(network: null);
        return ValueTask.CompletedTask;
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
        if (_world is not null) await _world.DisposeAsync();
    }

    protected override IRunnerProvider Another() => _world!.Make(network: null);

    protected override Task CrashAsync(RunnerHandle handle) =>
        _world!.Containers.KillContainerAsync(_world.Names.Container(handle), new ContainerKillParameters { Signal = "SIGKILL" }, Cancel);

    protected override Task<string?> WorkspaceFileAsync(string workspaceId, string name) => _world!.WorkspaceFileAsync(workspaceId, name);

    protected override Task<(int Code, string Output)> InsideAsync(RunnerHandle handle, string command) => _world!.InsideAsync(handle, command);

    protected override Task<string> PublicTraceAsync(RunnerHandle handle) => _world!.PublicTraceAsync(handle);
}
