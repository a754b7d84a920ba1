using System.Diagnostics;
using System.Text.Json.Nodes;
using Marionette.Agent.Egress.Namespaces;
using Marionette.TestEngine;

namespace Marionette.Agent.Tests.Egress.World;

/// <summary>
/// A machine with netd on it and an internet behind it, both network namespaces of the test's own: real packets, real kernel, and
/// nothing of the machine that the tests run on is touched.
/// </summary>
public sealed class EgressWorld : IAsyncLifetime
{
    /// <summary>The machine's own address on its way to the internet.</summary>
    public const string MachineAddress = "172.31.255.1";

    private readonly string folder = Directory.CreateTempSubdirectory("marionette-egress-test-").FullName;
    private NetNamespace machine = null!;

    /// <summary>Why the tests cannot run here; null when they can.</summary>
    public static string? Hindrance => MachineTrial.OfNetworks;

    internal TestInternet Internet { get; private set; } = null!;

    internal NetNamespace Machine => machine;

    internal NetdProcess Netd { get; private set; } = null!;

    internal static JsonObject Policy(string mode, params string[] allowed) => new()
    {
        ["mode"] = mode,
        ["allowed"] = new JsonArray([.. allowed.Select(entry => (JsonNode)entry)]),
    };

    public ValueTask InitializeAsync()
    {
        if (Hindrance is not null)
            return ValueTask.CompletedTask;
        machine = NetNamespace.Create(() => { });
        Internet = new TestInternet();
        Join();
        Internet.Start();
        File.WriteAllText(Path.Combine(folder, "resolv.conf"), $"nameserver {TestInternet.NameServer}\n");
        Netd = StartNetd();
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (Hindrance is null)
        {
            await Netd.DisposeAsync();
            await Internet.DisposeAsync();
            machine.Dispose();
        }

        Directory.Delete(folder, recursive: true);
    }

    /// <summary>A runner with its way out.</summary>
    internal async Task<TestRunner> RunnerAsync(JsonObject policy)
    {
        var runner = await TestRunner.StartAsync();
        var answer = await Netd.AttachAsync(runner.Key, runner.Pid, policy);
        Assert.True((bool)answer["ok"]!, answer.ToJsonString() + Netd.Log);
        return runner;
    }

    /// <summary>Another netd on the machine; the first has to be gone.</summary>
    internal NetdProcess StartNetd(params string[] options) =>
        NetdProcess.Start(machine, ["--resolv-conf", Path.Combine(folder, "resolv.conf"), .. options]);

    internal async Task RestartNetdAsync()
    {
        await Netd.DisposeAsync();
        Netd = StartNetd();
    }

    private void Join()
    {
        machine.Run(() =>
        {
            using var netlink = new Netlink();
            netlink.MakePair(Internet.Space);
        });
        In(Internet.Space, $"""
            ip link set lo up; ip link set eth0 up
            ip addr add 172.31.255.2/30 dev eth0; ip -6 addr add fd99::2/64 dev eth0 nodad
            for a in {TestInternet.Site} {TestInternet.OtherSite} {TestInternet.NameServer} {TestInternet.PrivateHost} {TestInternet.Metadata}
            do ip addr add $a/32 dev lo; done
            ip -6 addr add {TestInternet.SiteV6}/128 dev lo nodad
            """);
        In(machine, $"""
            ip link set lo up; ip link set {Netlink.PeerLink} up
            ip addr add {MachineAddress}/30 dev {Netlink.PeerLink}; ip -6 addr add fd99::1/64 dev {Netlink.PeerLink} nodad
            ip route add default via 172.31.255.2; ip -6 route add default via fd99::2
            """);
    }

    /// <summary>Runs a shell script in a namespace.</summary>
    internal static void In(NetNamespace space, string script)
    {
        using var shell = Process.Start("nsenter", [$"--net=/proc/{Environment.ProcessId}/fd/{space.Descriptor}", "sh", "-ec", script])!;
        shell.WaitForExit();
        Assert.True(shell.ExitCode == 0, $"exit code {shell.ExitCode}: {script}");
    }
}
