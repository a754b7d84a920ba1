using System.Runtime.InteropServices;
using Marionette.Agent.Agents;
using Marionette.Agent.Hosting;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary>What this host is and can do: by the machine, by what it was told, and by the keeper's tests.</summary>
internal sealed class HostFactsReader(HostIdentity identity, string state, IRunnerKeeper keeper, TimeProvider clock, ILogger log)
{
    /// <summary>Where the machine's own programs are.</summary>
    public const string SystemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    private static readonly TimeSpan SandboxPatience = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan AgentPatience = TimeSpan.FromSeconds(5);

    /// <summary>The facts of the last reading.</summary>
    public HostFacts Current { get; private set; } = new();

    /// <summary>Reads them anew.</summary>
    /// <param name="withAgents">Also asks the agent programs for their versions, which starts each of them.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>Whether something is other than before.</returns>
    public async Task<bool> ReadAsync(bool withAgents, CancellationToken cancellationToken)
    {
        var (cpus, memory, disk) = Room(identity, state);
        var facts = new HostFacts
        {
            Name = identity.Name ?? Environment.MachineName,
            Version = AgentVersion.Text,
            System = SystemName(),
            BootId = ReadLine("/proc/sys/kernel/random/boot_id") ?? "",
            Cpus = cpus,
            MemoryMib = memory,
            DiskMib = disk,
            Labels = { identity.Labels },
        };
        facts.Sandboxes.AddRange(await SandboxesAsync(cancellationToken).ConfigureAwait(false));
        facts.Agents.AddRange(withAgents ? await AgentsAsync().ConfigureAwait(false) : Current.Agents);
        var changed = !facts.Equals(Current);
        Current = facts;
        return changed;
    }

    /// <summary>What runners may use: as told, or all cores and nine tenths of the memory and of the state folder's file system.</summary>
    public static (double Cpus, long MemoryMib, long DiskMib) Room(HostIdentity identity, string state)
    {
        // The collector's figure knows the limit of a control group around this process.
        var memory = Math.Min(HostLoadReader.Memory().Total, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes >> 20);
        return (identity.Cpus ?? Environment.ProcessorCount, identity.MemoryMib ?? memory * 9 / 10,
            identity.DiskMib ?? (new DriveInfo(state).TotalSize >> 20) * 9 / 10);
    }

    /// <summary>"Debian GNU/Linux 12 (bookworm), Linux 6.1.0, x86_64".</summary>
    public static string SystemName()
    {
        var name = "Linux";
        try
        {
            const string Key = "PRETTY_NAME=";
            name = File.ReadLines("/etc/os-release").FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal))?[Key.Length..].Trim('"') ?? name;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // A machine without that file has no name to tell.
        }

        var machine = RuntimeInformation.OSArchitecture switch
        {
            Architecture.X64 => "x86_64",
            Architecture.Arm64 => "aarch64",
            var other => other.ToString().ToLowerInvariant(),
        };
        return $"{name}, Linux {ReadLine("/proc/sys/kernel/osrelease")}, {machine}";
    }

    private static string? ReadLine(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private async Task<IReadOnlyList<SandboxFacts>> SandboxesAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await keeper.CheckAsync(cancellationToken).WaitAsync(SandboxPatience, clock, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is TimeoutException or IOException or UnauthorizedAccessException or HostFault)
        {
            log.CheckFailed(exception.Message);
            return [.. Current.Sandboxes];
        }
    }

    // Those in the tools folders alone: what else the machine has is not what runners find.
    private async Task<IEnumerable<AgentProgram>> AgentsAsync()
    {
        if (identity.Tools.Count == 0)
            return [];
        var environment = new Dictionary<string, string> { ["PATH"] = string.Join(':', [.. identity.Tools, SystemPath]) };
        var found = await AgentInventory.LookAsync(environment, AgentPatience, clock).ConfigureAwait(false);
        return from agent in found
               where identity.Tools.Any(folder => agent.Path.StartsWith(folder.TrimEnd('/') + '/', StringComparison.Ordinal))
               select new AgentProgram { Kind = agent.Kind, Program = agent.Program, Path = agent.Path, Version = agent.Version ?? "" };
    }
}
