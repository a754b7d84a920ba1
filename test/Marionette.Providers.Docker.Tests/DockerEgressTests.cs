using System.Net;
using System.Net.Sockets;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker.Tests;

/// <summary>The network helper beside the runners: the way to the gateway, and what happens when the helper dies.</summary>
public sealed class DockerEgressTests(EngineFixture fixture) : IAsyncLifetime
{
    private const string Call = "exec 3<>/dev/tcp/gateway.marionette.internal/9090 && head -n 1 <&3";

    private readonly TcpListener _gateway = new(IPAddress.Loopback, 0);
    private DockerWorld _world = null!;
    private DockerProvider _provider = null!;

    public ValueTask InitializeAsync()
    {
        _world = new DockerWorld(fixture);
        _gateway.Start();
        _ = ServeAsync();
        _provider = _world.Make(network: null, server: $"http://127.0.0.1:{((IPEndPoint)_gateway.LocalEndpoint).Port}");
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (_world is not null) await _world.DisposeAsync();
        _gateway.Dispose();
    }

    [Fact]
    public async Task Gateway_OnTheHostsLoopback_IsReached_WhateverThePolicy()
    {
        var handle = await _provider.EnsureAsync(_world.NewSpec() with { Egress = new EgressPolicy(EgressMode.Deny, []) }, null, Cancel);
        Assert.Equal("hello from the gateway\n", await InsideAsync(handle, Call));
    }

    [Fact]
    public async Task Runners_DoNotReachEachOther()
    {
        var first = await _provider.EnsureAsync(_world.NewSpec(), null, Cancel);
        var second = await _provider.EnsureAsync(_world.NewSpec(), null, Cancel);
        Assert.NotEqual(await NamespaceAsync(first), await NamespaceAsync(second));
        Assert.NotEqual(0, (await _world.InsideAsync(second, "timeout 3 bash -c 'exec 3<>/dev/tcp/10.200.0.2/22'")).Code);
    }

    [Fact]
    public async Task Helper_ThatDies_TakesTheNetworkAlong_AndIsBroughtBack()
    {
        var handle = await _provider.EnsureAsync(_world.NewSpec() with { Egress = new EgressPolicy(EgressMode.Deny, []) }, null, Cancel);
        Assert.Equal("hello from the gateway\n", await InsideAsync(handle, Call));
        var before = (await _world.Containers.InspectContainerAsync(_world.Names.Network, Cancel)).ID;
        await _world.Containers.KillContainerAsync(before, new ContainerKillParameters { Signal = "SIGKILL" }, Cancel);
        var began = TimeProvider.System.GetTimestamp();
        while (await InsideAsync(handle, Call) != "hello from the gateway\n")
        {
            Assert.True(TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromSeconds(30), "the network did not come back");
            await Task.Delay(50, Cancel); // The pause between two looks; the condition decides.
        }

        Assert.NotEqual(before, (await _world.Containers.InspectContainerAsync(_world.Names.Network, Cancel)).ID);
    }

    [Fact]
    public async Task Helper_IsOne_ForTwoProcessesOfTheInstallation()
    {
        var other = _world.Make(network: null);
        await Task.WhenAll(_provider.EnsureAsync(_world.NewSpec(), null, Cancel), other.EnsureAsync(_world.NewSpec(), null, Cancel));
        Assert.Single(await _world.Containers.ListContainersAsync(new ContainersListParameters { All = true, Filters = _world.Names.Ours(ResourceNames.NetworkRole) }, Cancel));
    }

    [Fact]
    public async Task Helper_ThatCannotRun_IsSaidSo_AndNoRunnerIsLeft()
    {
        // The look-alike image has no real agent: what should be the helper ends at once.
        var container = await _world.Containers.CreateContainerAsync(
            new CreateContainerParameters { Image = fixture.StandInImage, User = "0:0", Entrypoint = ["rm"], Cmd = ["/usr/local/bin/marionette-agent.real"], HostConfig = new HostConfig { NetworkMode = "none" } }, Cancel);
        await _world.Containers.StartContainerAsync(container.ID, new ContainerStartParameters(), Cancel);
        await _world.Containers.WaitContainerAsync(container.ID, Cancel);
        await fixture.Client.Images.CommitContainerChangesAsync(new CommitContainerChangesParameters { ContainerID = container.ID, RepositoryName = "marionette-without-netd", Tag = "test" }, Cancel);
        await _world.Containers.RemoveContainerAsync(container.ID, new ContainerRemoveParameters(), Cancel);
        var provider = _world.Make(image: "marionette-without-netd:test", network: null);
        var fault = await Assert.ThrowsAsync<ProviderException>(() => provider.EnsureAsync(_world.NewSpec(), null, Cancel));
        Assert.Equal(ProviderFault.Unavailable, fault.Fault);
        await foreach (var owned in provider.ListOwnedAsync(Cancel)) Assert.Fail($"{owned} is left");
    }

    private async Task<string> InsideAsync(RunnerHandle handle, string script) => (await _world.InsideAsync(handle, $"timeout 5 bash -c '{script}' 2>/dev/null")).Output;

    private async Task<string> NamespaceAsync(RunnerHandle handle) => (await _world.InsideAsync(handle, "readlink /proc/self/ns/net")).Output;

    private async Task ServeAsync()
    {
        try
        {
            while (true)
            {
                using var client = await _gateway.AcceptTcpClientAsync();
                await client.GetStream().WriteAsync("hello from the gateway\n"u8.ToArray());
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or IOException)
        {
            // The test is over.
        }
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
}
