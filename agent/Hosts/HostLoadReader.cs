using System.Globalization;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts;

/// <summary>How busy the machine is: read from the kernel, the share of cores since the last reading.</summary>
/// <param name="state">A folder of the file system that workspaces lie on.</param>
/// <param name="proc">Where the kernel's files are.</param>
internal sealed class HostLoadReader(string state, string proc = "/proc")
{
    private const int Idle = 3;
    private const int WaitingForDisk = 4;

    /// <summary>"guest" and what follows is counted in "user" already.</summary>
    private const int Counted = 8;

    private readonly Lock gate = new();
    private (long Busy, long All) last;

    /// <summary>A heartbeat without its time. What cannot be read is 0.</summary>
    public HostHeartbeat Read()
    {
        var beat = new HostHeartbeat();
        try
        {
            beat.CpuLoad = Cpu();
            var memory = Memory(proc);
            beat.MemoryUsedMib = memory.Total - memory.Available;
            beat.DiskFreeMib = new DriveInfo(state).AvailableFreeSpace >> 20;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or FormatException)
        {
            // A heartbeat says first of all that the host lives.
        }

        return beat;
    }

    /// <summary>The machine's memory in MiB.</summary>
    public static (long Total, long Available) Memory(string proc = "/proc")
    {
        long total = 0, available = 0;
        foreach (var line in File.ReadLines(Path.Combine(proc, "meminfo")))
        {
            if (line.StartsWith("MemTotal:", StringComparison.Ordinal))
                total = Kib(line);
            else if (line.StartsWith("MemAvailable:", StringComparison.Ordinal))
                available = Kib(line);
        }

        return (total >> 10, available >> 10);
    }

    private static long Kib(string line) => long.Parse(line.AsSpan(line.IndexOf(':') + 1).Trim(" kB"), NumberStyles.None, CultureInfo.InvariantCulture);

    private double Cpu()
    {
        var first = File.ReadLines(Path.Combine(proc, "stat")).First();
        var times = first.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(Counted)
            .Select(text => long.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture)).ToArray();
        var all = times.Sum();
        var busy = all - times[Idle] - times[WaitingForDisk];
        lock (gate)
        {
            var (before, time) = (last, all - last.All);
            last = (busy, all);
            return time <= 0 ? 0 : Math.Clamp((double)(busy - before.Busy) / time, 0, 1);
        }
    }
}
