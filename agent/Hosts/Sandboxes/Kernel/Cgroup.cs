using System.Globalization;
using Marionette.Agent.Processes;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>The control group of one sandbox, in one hierarchy or several.</summary>
internal sealed class Cgroup(IReadOnlyList<CgroupMount> places)
{
    public const string Members = "cgroup.procs";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(20);

    /// <summary>The folders that a process joins.</summary>
    public IReadOnlyList<string> Folders => [.. places.Select(place => place.Folder)];

    public bool Exists => places.All(place => Directory.Exists(place.Folder));

    /// <summary>Puts limits in force.</summary>
    public void Limit(double cpus, long memoryMib, int pids)
    {
        LimitProcessors(cpus);
        foreach (var place in places)
        {
            if (place.Controllers.Contains(CgroupTree.Memory) && memoryMib > 0)
                LimitMemory(place, Text(memoryMib << 20));
            if (place.Controllers.Contains(CgroupTree.Pids) && pids > 0)
                Set(place, "pids.max", Text(pids));
        }
    }

    /// <summary>Puts another limit of processor time in force, and the weight that goes with it. 0 = as it is.</summary>
    public void LimitProcessors(double cpus)
    {
        const int period = 100_000;
        var quota = Math.Max(1000, (long)(cpus * period));
        foreach (var place in places.Where(place => place.Controllers.Contains(CgroupTree.Cpu) && cpus > 0))
        {
            if (place.IsUnified)
                Set(place, "cpu.max", $"{quota} {period}");
            else
                Set(place, "cpu.cfs_quota_us", Text(quota));
            Weigh(place, cpus);
        }
    }

    /// <summary>Its part of a processor that others want as well, by the cores that it may have; a group that nobody weighed counts as one core.</summary>
    public static void Weigh(CgroupMount place, double cpus)
    {
        if (!place.Controllers.Contains(CgroupTree.Cpu))
            return;
        // Defaults and bounds of the kernel's: version 1 has 1024 of 2 to 262144, version 2 has 100 of 1 to 10000.
        if (place.IsUnified)
            Set(place, "cpu.weight", Text(Math.Clamp((long)(cpus * 100), 1, 10_000)));
        else
            Set(place, "cpu.shares", Text(Math.Clamp((long)(cpus * 1024), 2, 262_144)));
    }

    /// <summary>Every process in it.</summary>
    public IReadOnlyList<int> Processes() =>
    [
        .. places.SelectMany(place => Lines(Path.Combine(place.Folder, Members))).Distinct().Select(line => int.Parse(line, CultureInfo.InvariantCulture)),
    ];

    /// <summary>Times that the kernel ended a process because of the limit of memory.</summary>
    public long OutOfMemoryKills() => Counter(CgroupTree.Memory, "memory.oom_control", "memory.events", "oom_kill");

    /// <summary>Times that the limit of processor time held something up.</summary>
    public long Throttled() => Counter(CgroupTree.Cpu, "cpu.stat", "cpu.stat", "nr_throttled");

    /// <summary>Times that the limit of processes refused one.</summary>
    public long BirthsRefused() => Counter(CgroupTree.Pids, "pids.events", "pids.events", "max");

    /// <summary>Stops every process where it is, or lets them go on; returns when they have.</summary>
    /// <exception cref="IOException">They have not.</exception>
    public async Task FreezeAsync(bool frozen, CancellationToken cancellationToken)
    {
        var place = places.First(place => place.Controllers.Contains(CgroupTree.Freezer));
        var (file, value) = place.IsUnified ? ("cgroup.freeze", frozen ? "1" : "0") : ("freezer.state", frozen ? "FROZEN" : "THAWED");
        for (var began = Environment.TickCount64; ; await Task.Delay(Look, cancellationToken).ConfigureAwait(false))
        {
            // Version 1 may have to be told again while processes are born.
            Set(place, file, value);
            if (place.IsUnified
                ? Lines(Path.Combine(place.Folder, "cgroup.events")).Contains("frozen " + value)
                : Lines(Path.Combine(place.Folder, file)).Contains(value))
                return;
            if (Environment.TickCount64 - began > Patience.TotalMilliseconds)
                throw new IOException($"{place.Folder} does not become {value}");
        }
    }

    /// <summary>Ends every process and removes the group. Absent is a success.</summary>
    /// <exception cref="IOException">Something in it does not end.</exception>
    public async Task RemoveAsync(CancellationToken cancellationToken)
    {
        for (var began = Environment.TickCount64; ; await Task.Delay(Look, cancellationToken).ConfigureAwait(false))
        {
            Kill();
            var left = false;
            foreach (var place in places)
                left |= !TryRemove(place.Folder);
            if (!left)
                return;
            if (Environment.TickCount64 - began > Patience.TotalMilliseconds)
                throw new IOException($"{places[0].Folder}: processes {string.Join(", ", Processes())} do not end");
        }
    }

    /// <summary>Sends the end to every process that is in it now, frozen or not.</summary>
    public void Kill()
    {
        foreach (var place in places)
        {
            var all = Path.Combine(place.Folder, "cgroup.kill");
            if (place.IsUnified && File.Exists(all))
                TrySet(all, "1");
        }

        foreach (var pid in Processes())
            _ = Libc.Kill(pid, Libc.SigKill);
        // A frozen process of version 1 dies when it is let go.
        foreach (var place in places.Where(place => !place.IsUnified && place.Controllers.Contains(CgroupTree.Freezer) && Directory.Exists(place.Folder)))
            TrySet(Path.Combine(place.Folder, "freezer.state"), "THAWED");
    }

    public static bool TryRemove(string folder)
    {
        try
        {
            if (Directory.Exists(folder))
                RemoveFolder(folder);
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    // The files in it are the kernel's: they go with the folder, and cannot be removed one by one.
    private static void RemoveFolder(string folder)
    {
        if (SandboxCalls.RemoveFolder(folder) != 0)
            throw Egress.Namespaces.NetCalls.Failure(folder);
    }

    private static void LimitMemory(CgroupMount place, string bytes)
    {
        if (place.IsUnified)
        {
            Set(place, "memory.max", bytes);
            TrySet(Path.Combine(place.Folder, "memory.swap.max"), "0");
            return;
        }

        // The limit of both together may never be below that of memory alone.
        var both = Path.Combine(place.Folder, "memory.memsw.limit_in_bytes");
        if (File.Exists(both))
            TrySet(both, "-1");
        Set(place, "memory.limit_in_bytes", bytes);
        if (File.Exists(both))
            TrySet(both, bytes);
    }

    private static void Set(CgroupMount place, string file, string value) => File.WriteAllText(Path.Combine(place.Folder, file), value);

    private static void TrySet(string path, string value)
    {
        try
        {
            File.WriteAllText(path, value);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Not there, or gone meanwhile.
        }
    }

    private long Counter(string controller, string first, string second, string name)
    {
        var place = places.FirstOrDefault(place => place.Controllers.Contains(controller));
        if (place is null)
            return 0;
        var line = Lines(Path.Combine(place.Folder, place.IsUnified ? second : first))
            .FirstOrDefault(line => line.StartsWith(name + " ", StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line.AsSpan(name.Length + 1), CultureInfo.InvariantCulture);
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static string[] Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
