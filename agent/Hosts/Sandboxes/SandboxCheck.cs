using System.Net;
using System.Net.Sockets;
using System.Text;
using Marionette.Agent.Egress.Namespaces;
using Marionette.Agent.Egress.Relay;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>
/// Finds out what each kind of sandbox gives on this machine, by making some and trying in them what must not work.
/// </summary>
/// <param name="allot">Gives a user.</param>
internal sealed class SandboxCheck(
    HostFolders folders, SandboxHost host, AgentCopies copies, Func<int, int> allot, TimeProvider clock, ILogger log)
{
    /// <summary>What the check's own server says to whoever reaches it.</summary>
    public const string Greeting = "marionette";

    private const int MemoryMib = 192, DiskMib = 32, Pids = 64;
    private const double Cpus = 1, FewCpus = 0.3;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60), Look = TimeSpan.FromMilliseconds(50);

    // For a machine that has its loopback alone, where there is nothing beyond the sandbox that could answer.
    private static readonly IPEndPoint Nobody = new(IPAddress.Parse("198.51.100.1"), 80);

    private static readonly string[] Secrets = ["file", "processes", "root"];

    private readonly SemaphoreSlim gate = new(1);
    private readonly SandboxMemory memory = new(Path.Combine(folders.State, SandboxFindings.FileName), clock);

    /// <summary>Checks what is to be checked now, and remembers the rest.</summary>
    public async Task<IReadOnlyList<SandboxFacts>> RunAsync(CancellationToken cancellationToken)
    {
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var subject = await Task.Run(() => SandboxSubject.Of(copies.Folder, CgroupTree.Find(folders.Name)), cancellationToken).ConfigureAwait(false);
            if (memory.Due(subject) is { Count: > 0 } due)
            {
                foreach (var finding in memory.Take(subject, await FindAsync(due, cancellationToken).ConfigureAwait(false)))
                    log.SandboxChecked(finding.Kind, finding.Works, string.Join(",", finding.Limits), finding.Egress, finding.Pause, finding.Detail);
            }

            return Facts(memory.Known!);
        }
        finally
        {
            gate.Release();
        }
    }

    /// <summary>What was found last; it is checked where nothing was.</summary>
    public async Task<IReadOnlyList<SandboxFacts>> KnownAsync(CancellationToken cancellationToken) =>
        memory.Known is { } known ? Facts(known) : await RunAsync(cancellationToken).ConfigureAwait(false);

    private static IReadOnlyList<SandboxFacts> Facts(IEnumerable<SandboxFinding> findings) => [.. findings.Select(finding => finding.ToFacts())];

    // Two servers of the machine's own: one is the gateway, which is always reached, and at the other address nothing is listed. No network is needed for it.
    private async Task<IReadOnlyList<SandboxFinding>> FindAsync(IReadOnlyList<string> kinds, CancellationToken cancellationToken)
    {
        using var gateway = Listen(IPAddress.Loopback);
        using var outside = OwnAddresses.Outside() is { } own ? Listen(own) : null;
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var greeting = Task.WhenAll(GreetAsync(gateway, end.Token), outside is null ? Task.CompletedTask : GreetAsync(outside, end.Token));
        var found = new List<SandboxFinding>();
        foreach (var kind in kinds)
            found.Add(await FindAsync(kind, (IPEndPoint)gateway.LocalEndPoint!, (IPEndPoint?)outside?.LocalEndPoint ?? Nobody, cancellationToken)
                .ConfigureAwait(false));
        await end.CancelAsync().ConfigureAwait(false);
        await greeting.ConfigureAwait(false);
        return found;
    }

    private static Socket Listen(IPAddress address)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(address, 0));
        socket.Listen();
        return socket;
    }

    private async Task<SandboxFinding> FindAsync(string kind, IPEndPoint gateway, IPEndPoint outside, CancellationToken cancellationToken)
    {
        var finding = new SandboxFinding { Kind = kind };
        if (SystemProgram.Find(kind) is null)
            return finding with { Detail = $"{kind} is not installed" };
        if (Firewall.Program is null)
            return finding with { Detail = "nft is missing (package nftables)" };
        var trial = new SandboxTrial(host, allot, kind, new Uri($"http://{gateway}"));
        try
        {
            return await TryAsync(finding, trial, gateway.Port, outside, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or HostFault)
        {
            return finding with { Works = false, Detail = exception.Message };
        }
        finally
        {
            await trial.CleanAsync().ConfigureAwait(false);
            TrialFiles();
        }
    }

    private async Task<SandboxFinding> TryAsync(SandboxFinding finding, SandboxTrial trial, int port, IPEndPoint outside, CancellationToken cancellationToken)
    {
        var secret = Path.Combine(folders.State, "check.secret");
        await File.WriteAllTextAsync(secret, Greeting, cancellationToken).ConfigureAwait(false);
        SandboxEnd look;
        try
        {
            look = await trial.RunAsync(["look", secret, $"{port}", $"{outside}"], Cpus, MemoryMib, 0, Pids * 4, Patience, cancellationToken)
                .ConfigureAwait(false);
        }
        finally
        {
            File.Delete(secret);
        }

        if (!look.Said.Contains(SandboxProbe.Done, StringComparison.Ordinal))
            return finding with { Detail = $"the trial ended with exit code {look.Code}: {look.Said.Trim()}" };
        var open = Secrets.Where(what => look.Said.Contains(what + "=yes", StringComparison.Ordinal)).ToList();
        if (open.Count > 0)
            return finding with { Detail = "it does not hide: " + string.Join(", ", open) };
        finding.Egress = look.Said.Contains("gateway=yes", StringComparison.Ordinal) && look.Said.Contains("loopback=no", StringComparison.Ordinal)
            && look.Said.Contains("outside=no", StringComparison.Ordinal);
        var limits = new List<string>();
        var lacks = new List<string>();
        foreach (var (limit, test) in new (string, Func<Task<bool>>)[]
                 {
                     (CgroupTree.Cpu, () => HoldsCpuAsync(trial, cancellationToken)), (CgroupTree.Memory, () => HoldsMemoryAsync(trial, cancellationToken)),
                     ("disk", () => HoldsDiskAsync(trial, cancellationToken)), (CgroupTree.Pids, () => HoldsPidsAsync(trial, cancellationToken)),
                 })
        {
            try
            {
                if (await test().ConfigureAwait(false))
                    limits.Add(limit);
                else
                    lacks.Add($"the limit of {limit} does not hold");
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                lacks.Add($"{limit}: {exception.Message}");
            }
        }

        finding.Pause = await PausesAsync(trial, lacks, cancellationToken).ConfigureAwait(false);
        if (!finding.Egress)
            lacks.Insert(0, $"the network policy does not hold ({look.Said.Trim().ReplaceLineEndings(" ")})");
        return finding with { Works = finding.Egress, Limits = limits, Detail = string.Join("; ", lacks) };
    }

    private static async Task<bool> HoldsMemoryAsync(SandboxTrial trial, CancellationToken cancellationToken)
    {
        var end = await trial.RunAsync(["memory", "2048"], Cpus, MemoryMib, 0, Pids * 4, Patience, cancellationToken).ConfigureAwait(false);
        return !end.Said.Contains(SandboxProbe.Done, StringComparison.Ordinal) && trial.OutOfMemoryKills > 0;
    }

    private static async Task<bool> HoldsDiskAsync(SandboxTrial trial, CancellationToken cancellationToken)
    {
        var end = await trial.RunAsync(["disk", $"{DiskMib + 16}"], Cpus, MemoryMib, DiskMib, Pids * 4, Patience, cancellationToken).ConfigureAwait(false);
        return end.Said.Contains("full=yes", StringComparison.Ordinal) && end.Said.Contains("workspace_full=yes", StringComparison.Ordinal);
    }

    // Those of the sandbox count as well, and gVisor may fall over when it gets none: what matters is that it ends there.
    private static async Task<bool> HoldsPidsAsync(SandboxTrial trial, CancellationToken cancellationToken)
    {
        const int tries = (Pids * 4) + 256;
        var end = await trial.RunAsync(["pids", $"{tries}"], Cpus, MemoryMib * 4, 0, Pids, Patience, cancellationToken).ConfigureAwait(false);
        return !end.Said.Contains($"pids={tries}", StringComparison.Ordinal);
    }

    private static async Task<bool> HoldsCpuAsync(SandboxTrial trial, CancellationToken cancellationToken)
    {
        await trial.RunAsync(["cpu"], FewCpus, MemoryMib, 0, Pids * 4, Patience, cancellationToken).ConfigureAwait(false);
        return trial.Throttled > 0;
    }

    private static async Task<bool> PausesAsync(SandboxTrial trial, List<string> lacks, CancellationToken cancellationToken)
    {
        try
        {
            return await trial.PausesAsync(Cpus, MemoryMib, Pids * 4, cancellationToken).ConfigureAwait(false);
        }
        catch (IOException exception)
        {
            lacks.Add("pause: " + exception.Message);
            return false;
        }
    }

    private static async Task GreetAsync(Socket listener, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                using var client = await listener.AcceptAsync(cancellationToken).ConfigureAwait(false);
                await client.SendAsync(Encoding.ASCII.GetBytes(Greeting), cancellationToken).ConfigureAwait(false);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or SocketException)
        {
            // The check is over.
        }
    }

    private void TrialFiles()
    {
        foreach (var folder in new[] { Path.Combine(folders.Workspaces, SandboxTrial.Tenant), Path.Combine(folders.Runners, SandboxTrial.Tenant) })
        {
            SandboxHost.RemoveTree(folder); // that alone: what is above it is the host's
        }
    }
}
