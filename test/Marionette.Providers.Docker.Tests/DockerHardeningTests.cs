namespace Marionette.Providers.Docker.Tests;

/// <summary>What a runner is made of, as the engine tells it and as it looks from inside.</summary>
public sealed class DockerHardeningTests(EngineFixture fixture) : IAsyncLifetime
{
    private DockerWorld _world = null!;
    private RunnerHandle _handle = null!;

    public async ValueTask InitializeAsync()
    {
        _world = new DockerWorld(fixture);
        _handle = await _world.Provider.EnsureAsync(_world.NewSpec(RunnerProfile.Default with { MemoryMib = 256, Cpus = 0.5, Pids = 64 }), null, Cancel);
    }

    public async ValueTask DisposeAsync()
    {
        if (_world is not null) await _world.DisposeAsync();
    }

    [Fact]
    public async Task Engine_SaysThatAllIsTakenAway()
    {
        var container = await _world.Containers.InspectContainerAsync(_world.Names.Container(_handle), Cancel);
        var host = container.HostConfig;
        Assert.Equal(["ALL"], host.CapDrop);
        Assert.Empty(host.CapAdd ?? []);
        Assert.Equal(["no-new-privileges:true"], host.SecurityOpt);
        Assert.True(host.ReadonlyRootfs);
        Assert.False(host.Privileged);
        Assert.Equal("10001:10001", container.Config.User);
        Assert.Equal((256L << 20, 256L << 20, 500_000_000L, 64L), (host.Memory, host.MemorySwap, host.NanoCPUs, host.PidsLimit));
        Assert.Empty(host.Binds ?? []);
        Assert.All(container.Mounts, mount => Assert.Equal("volume", mount.Type));
        Assert.Empty(host.Devices ?? []);
        Assert.Equal("", host.PidMode);
        Assert.Equal("private", host.IpcMode);
        Assert.Empty(host.PortBindings ?? new Dictionary<string, IList<global::Docker.DotNet.Models.PortBinding>>());
    }

    [Theory]
    [InlineData("grep -E '^Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/1/status | grep -v 0000000000000000")]
    [InlineData("grep NoNewPrivs /proc/1/status | grep -v '1$'")]
    [InlineData("grep '^Seccomp:' /proc/1/status | grep -v '2$'")]
    [InlineData("find / -xdev -perm /6000 -type f -writable 2>/dev/null")]
    [InlineData("find / -name docker.sock -o -name containerd.sock 2>/dev/null")]
    [InlineData("ls /sys/class/net | grep -v '^lo$'")]
    public async Task Inside_NothingIsFound(string search) => Assert.Equal("", (await _world.InsideAsync(_handle, search)).Output.Trim());

    [Theory]
    [InlineData("touch /usr/local/bin/x")]
    [InlineData("touch /etc/x")]
    [InlineData("touch /run/x")]
    [InlineData("mount -t tmpfs none /mnt")]
    [InlineData("mknod /tmp/x b 8 0")]
    [InlineData("unshare --user true && unshare --mount true")]
    [InlineData("chroot / true")]
    [InlineData("hostname x")]
    [InlineData("echo 1 > /proc/sys/net/ipv4/ip_forward")]
    [InlineData("cat /proc/kcore > /dev/null")]
    [InlineData("echo b > /proc/sysrq-trigger")]
    public async Task Inside_IsRefused(string attempt) => Assert.NotEqual(0, (await _world.InsideAsync(_handle, attempt)).Code);

    [Theory]
    [InlineData("touch /workspace/x /home/agent/x /var/lib/marionette/x /tmp/x")]
    [InlineData("printf '#!/bin/sh\\nexit 0\\n' > /tmp/run && chmod +x /tmp/run && /tmp/run")]
    [InlineData("[ $(id -u) = 10001 ] && [ $(id -g) = 10001 ]")]
    [InlineData("! grep -rqs rtok_ /var/lib/marionette /proc/1/environ /proc/1/cmdline")]
    [InlineData("git --version")]
    public async Task Inside_WorksAsAgentsNeedIt(string attempt)
    {
        var (code, output) = await _world.InsideAsync(_handle, attempt);
        Assert.True(code == 0, output);
    }

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
}
