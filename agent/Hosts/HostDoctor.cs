using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Marionette.Agent.Agents;
using Marionette.Agent.Egress;
using Marionette.Agent.Egress.Names;
using Marionette.Agent.Egress.Relay;
using Marionette.Agent.Hosting;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary>One point of <c>--doctor</c>.</summary>
/// <param name="Good">True: as it should be; null: works, but lacks something; false: does not work.</param>
/// <param name="Advice">What to do; empty when there is nothing to do.</param>
internal sealed record DoctorPoint(string Name, bool? Good, string Text, string Advice = "")
{
    public override string ToString()
    {
        var mark = Good switch { true => "ok", null => "so-so", false => "no" };
        return $"{mark,-6} {Name,-15} {Text}{(Advice.Length > 0 ? $" -> {Advice}" : "")}";
    }
}

/// <summary><c>--check</c> and <c>--doctor</c>: what this machine can do as a host, found out by doing it.</summary>
internal static class HostDoctor
{
    private const string CgroupRoot = "/sys/fs/cgroup";
    private const int EnoughConnections = 64;
    private static readonly string[] AllLimits = ["cpu", "memory", "pids", "disk"];
    private static readonly TimeSpan ServerPatience = TimeSpan.FromSeconds(5);

    /// <summary>Prints the sandboxes as JSON.</summary>
    /// <returns>0 when one of them works, else 1.</returns>
    public static async Task<int> CheckAsync(HostOptions options, TimeProvider clock, ILogger log)
    {
        var sandboxes = await HostTrial.RunAsync(options, clock, log).ConfigureAwait(false);
        Console.Out.WriteLine(ToJson(sandboxes));
        return CodeOf(sandboxes);
    }

    /// <summary>Prints one line per point.</summary>
    /// <returns>0 when a sandbox works, else 1.</returns>
    public static async Task<int> TellAsync(HostOptions options, TimeProvider clock, ILogger log)
    {
        var sandboxes = await HostTrial.RunAsync(options, clock, log).ConfigureAwait(false);
        var server = options.Server ?? HostIdentity.Load(options.State)?.ServerUri;
        DoctorPoint[] points =
        [
            .. Machine(), .. sandboxes.SelectMany(Sandbox), await PolicyAsync(clock, log).ConfigureAwait(false), Room(options),
            server is null
                ? new DoctorPoint("server", null, "not asked", "--server URL tells whether it can be reached")
                : await ServerAsync(server).ConfigureAwait(false),
        ];
        foreach (var point in points)
            Console.Out.WriteLine(point);
        var works = sandboxes.Where(sandbox => sandbox.Works).Select(sandbox => sandbox.Kind).ToList();
        Console.Out.WriteLine(works.Count > 0
            ? $"This machine can be a host: {string.Join(", ", works)}."
            : "No sandbox works: this machine cannot be a host yet.");
        return CodeOf(sandboxes);
    }

    internal static string ToJson(IEnumerable<SandboxFacts> sandboxes)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("agent_version"u8, AgentVersion.Text);
            json.WriteStartArray("sandboxes"u8);
            foreach (var sandbox in sandboxes)
            {
                json.WriteStartObject();
                json.WriteString("kind"u8, sandbox.Kind);
                json.WriteBoolean("works"u8, sandbox.Works);
                json.WriteString("detail"u8, sandbox.Detail);
                json.WriteStartArray("limits"u8);
                foreach (var limit in sandbox.Limits)
                    json.WriteStringValue(limit);
                json.WriteEndArray();
                json.WriteBoolean("egress"u8, sandbox.Egress);
                json.WriteBoolean("pause"u8, sandbox.Pause);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    /// <summary>The lines of one kind of sandbox.</summary>
    internal static IEnumerable<DoctorPoint> Sandbox(SandboxFacts sandbox)
    {
        if (!sandbox.Works)
        {
            yield return new DoctorPoint(sandbox.Kind, false, sandbox.Detail.Length > 0 ? sandbox.Detail : "does not work");
            yield break;
        }

        yield return new DoctorPoint(sandbox.Kind, true, sandbox.Detail.Length > 0 ? $"works; {sandbox.Detail}" : "works");
        var missing = AllLimits.Except(sandbox.Limits).ToList();
        yield return new DoctorPoint($"{sandbox.Kind} limits", missing.Count == 0 ? true : null, $"hold: {List(sandbox.Limits)}",
            missing.Count == 0 ? "" : $"{List(missing)} of runners is not held: see cgroups and loop devices");
        yield return new DoctorPoint($"{sandbox.Kind} network", true, "policy holds"); // else it would not count as working
        yield return new DoctorPoint($"{sandbox.Kind} pause", sandbox.Pause ? true : null, sandbox.Pause ? "works" : "does not work");
    }

    private static string List(IEnumerable<string> words) => string.Join(", ", words) is { Length: > 0 } text ? text : "none";

    private static int CodeOf(IEnumerable<SandboxFacts> sandboxes) =>
        sandboxes.Any(sandbox => sandbox.Works) ? ExitCodes.Stopped : ExitCodes.BadConfiguration;

    private static IEnumerable<DoctorPoint> Machine()
    {
        var root = Environment.IsPrivilegedProcess;
        yield return new DoctorPoint("root", root, root ? "yes" : $"{Environment.UserName} is not root", root ? "" : "run it as root");
        yield return new DoctorPoint("kernel", true, HostFactsReader.SystemName());
        yield return Program("bwrap", null, "install bubblewrap");
        yield return Program("runsc", null, "install gVisor's runsc for code that you do not trust");
        yield return Program("nft", false, "install nftables: no sandbox counts as working without a network policy");
        yield return Cgroups();
        var loop = File.Exists("/dev/loop-control");
        yield return new DoctorPoint("loop devices", loop ? true : null, loop ? "there" : "no /dev/loop-control", loop ? ""
            : "modprobe loop: disk limits need it");
    }

    private static DoctorPoint Program(string name, bool? without, string advice) => ChildEnvironment.Find(name, HostFactsReader.SystemPath) is { } path
        ? new DoctorPoint(name, true, path)
        : new DoctorPoint(name, without, "not found", advice);

    private static DoctorPoint Cgroups()
    {
        var controllers = Path.Combine(CgroupRoot, "cgroup.controllers");
        if (File.Exists(controllers))
            return Cgroups("v2", File.ReadAllText(controllers).Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        var folders = Directory.Exists(CgroupRoot) ? Directory.GetDirectories(CgroupRoot) : [];
        return folders.Length > 0
            ? Cgroups("v1", [.. folders.SelectMany(folder => Path.GetFileName(folder).Split(','))])
            : new DoctorPoint("cgroups", null, "not mounted", "mount them at /sys/fs/cgroup: limits of runners need them");
    }

    private static DoctorPoint Cgroups(string version, string[] controllers)
    {
        string[] needed = ["cpu", "memory", "pids"];
        var missing = needed.Except(controllers).ToList();
        return new DoctorPoint("cgroups", missing.Count == 0 ? true : null, version + (missing.Count == 0 ? "" : $" without {List(missing)}"),
            missing.Count == 0 ? "" : "enable the controllers: limits of runners need them");
    }

    private static async Task<DoctorPoint> PolicyAsync(TimeProvider clock, ILogger log)
    {
        using var peers = new PeerStock();
        var resolver = new DnsResolver(new ResolvConf(ResolvConf.DefaultPath, clock).Servers);
        var flows = new FlowBudget(EnoughConnections, EnoughConnections);
        var report = await NetdCheck.RunAsync(new EgressServices(resolver, peers, EnoughConnections, flows, clock, log)).ConfigureAwait(false);
        return report.Ok
            ? new DoctorPoint("network policy", true, report.Ipv6 ? "holds" : "holds, for IPv4 alone")
            : new DoctorPoint("network policy", false, report.Error ?? "does not hold", report.Missing is { } missing ? $"install {List(missing)}" : "");
    }

    private static DoctorPoint Room(HostOptions options)
    {
        var identity = HostIdentity.Load(options.State) ?? new HostIdentity();
        identity.Cpus = options.Cpus ?? identity.Cpus;
        identity.MemoryMib = options.MemoryMib ?? identity.MemoryMib;
        identity.DiskMib = options.DiskMib ?? identity.DiskMib;
        var (cpus, memory, disk) = HostFactsReader.Room(identity, options.State);
        var free = new HostLoadReader(options.State).Read().DiskFreeMib;
        return new DoctorPoint("room", free >= disk ? true : null,
            string.Create(CultureInfo.InvariantCulture, $"{cpus} cores, {memory} MiB memory, {disk} MiB disk for runners; {free} MiB of disk are free"),
            free >= disk ? "" : "give --disk-mib when others use this file system too");
    }

    // Any answer over HTTP/2 will do: it is what the host's stream needs.
    private static async Task<DoctorPoint> ServerAsync(Uri server)
    {
        using var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false };
        using var client = new HttpClient(handler) { Timeout = ServerPatience };
        using var request = new HttpRequestMessage(HttpMethod.Get, server)
        {
            Version = HttpVersion.Version20, VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        try
        {
            using var answer = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead).ConfigureAwait(false);
            return new DoctorPoint("server", true, $"{server} answers over HTTP/2");
        }
        catch (Exception exception) when (exception is HttpRequestException or OperationCanceledException or IOException)
        {
            return new DoctorPoint("server", false, $"{server}: {exception.Message}", "is it the gRPC address, and does a firewall or a proxy stand between?");
        }
    }
}
