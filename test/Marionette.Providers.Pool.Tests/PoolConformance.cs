using Marionette.Pools;
using Marionette.Providers.Conformance;
using Marionette.TestEngine;
using Marionette.Workspaces;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace Marionette.Providers.Pool.Tests;

/// <summary>The pool's provider against the contract, from the grains down to the sandbox.</summary>
public abstract class PoolConformance(PoolFixture fixture, string kind) : ProviderConformance
{
    private PoolHost? _host;
    private IRunnerProvider? _provider;

    protected override IRunnerProvider Provider => _provider!;

    public override async ValueTask InitializeAsync()
    {
        var hindrance = MachineTrial.OfSandboxes(kind);
        Assert.SkipWhen(hindrance is not null, hindrance ?? "");
        _host = await fixture.HostAsync(kind);
        // Cases kill runners, which speaks against a host.
        await fixture.UntaintAsync(kind);
        _provider = Another();
    }

    /// <summary>From the session's row to the host's disk.</summary>
    [Fact]
    public async Task Files_OfAnEndedSession_GoFromTheMachine_OnceTheyAreStored()
    {
        var (spec, session) = (NewSpec(), $"sess_{kind}");
        var workspace = fixture.Services.GetRequiredService<IGrainFactory>().GetGrain<IWorkspaceGrain>($"acme/{spec.WorkspaceId}");
        await workspace.AcquireAsync(session, spec.Epoch, Cancel);
        var handle = await Provider.EnsureAsync(spec, null, Cancel);
        await UntilAsync(() => WorkspaceFileAsync(spec.WorkspaceId, "note"), text => text is not null, "the agent's file");
        await Provider.ReleaseAsync(handle, Cancel);

        await fixture.EndAsync(session, spec.WorkspaceId, isStored: false);
        Assert.NotNull(await WorkspaceFileAsync(spec.WorkspaceId, "note"));
        await fixture.EndAsync(session, spec.WorkspaceId, isStored: true);
        await UntilAsync(() => Task.FromResult(_host!.FilesOf(spec.WorkspaceId)), files => files == 0, "the end of its files");
        Assert.NotNull((await workspace.GetAsync(Cancel)).RetiredAt);
    }

    protected override IRunnerProvider Another() => new PoolProvider(
        kind, fixture.Services.GetRequiredService<IGrainFactory>(), fixture.Services.GetRequiredService<IOptionsMonitor<PoolOptions>>(), TimeProvider.System);

    protected override Task CrashAsync(RunnerHandle handle)
    {
        _host!.Crash(handle);
        return Task.CompletedTask;
    }

    protected override Task<string?> WorkspaceFileAsync(string workspaceId, string name) => Task.Run(() => _host!.WorkspaceFile(workspaceId, name));

    protected override Task<(int Code, string Output)> InsideAsync(RunnerHandle handle, string command) => Task.Run(() => _host!.Inside(handle, command));

    protected override Task<string> PublicTraceAsync(RunnerHandle handle) => Task.FromResult(_host!.PublicTrace(handle));
}

/// <summary>On hosts with bubblewrap.</summary>
public sealed class BwrapPoolTests(PoolFixture fixture) : PoolConformance(fixture, "bwrap");

/// <summary>On hosts with gVisor.</summary>
public sealed class GvisorPoolTests(PoolFixture fixture) : PoolConformance(fixture, "runsc");
