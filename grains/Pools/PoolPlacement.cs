using System.Collections.Immutable;
using System.Globalization;
using Marionette.Runners;

namespace Marionette.Pools;

/// <summary>A host, and what was given to it, places that are kept included.</summary>
internal sealed record PlacementHost(HostView View, ImmutableArray<HostRunnerView> Runners);

/// <summary>What a choice came to.</summary>
internal enum PlacementKind
{
    /// <summary>A host was found.</summary>
    Chosen = 1,
    /// <summary>None has room now; it may change by itself or by an operator.</summary>
    Full = 2,
    /// <summary>No host that there is could ever take it.</summary>
    Never = 3,
}

/// <summary>The choice.</summary>
/// <param name="Text">The host's id; or the reason, for people.</param>
internal sealed record Placement(PlacementKind Kind, string Text);

/// <summary>Which host takes a runner: a pure function, the same for any order of the hosts.</summary>
internal static class PoolPlacement
{
    /// <summary>A runner has two disks of its profile's size: the workspace, and its own with home and temporary files.</summary>
    public const int DisksOfRunner = 2;

    /// <summary>
    /// The host that has the runner already. Else the one where the files of its workspace lie, since they are nowhere else, unless that host is lost.
    /// Else the least loaded of those that may, can and have room.
    /// </summary>
    public static Placement Choose(IReadOnlyCollection<PlacementHost> hosts, PlaceRunner need, PoolOptions options)
    {
        var refused = need.Refused.IsDefault ? [] : need.Refused;
        var having = hosts.Where(host => !refused.Contains(host.View.Id) && host.Runners.Any(r => r.RunnerKey == need.RunnerKey && r.Epoch == need.Epoch && IsKept(r)))
            .OrderBy(host => host.View.Status != HostStatus.Online).ThenBy(host => host.View.Id, StringComparer.Ordinal).FirstOrDefault();
        if (having is not null) return new Placement(PlacementKind.Chosen, having.View.Id);
        if (hosts.Count == 0) return new Placement(PlacementKind.Full, "The pool has no hosts.");

        var homes = hosts.Where(host => host.View.Status is HostStatus.Online or HostStatus.Offline && host.View.Workspaces.Contains(need.WorkspaceId)).ToList();
        var candidates = homes.Count > 0 ? (IReadOnlyCollection<PlacementHost>)homes : hosts;
        var (never, notNow, best) = (new List<string>(), new List<string>(), default(PlacementHost?));
        foreach (var host in candidates.OrderBy(host => host.View.Id, StringComparer.Ordinal))
        {
            if (NeverReason(host.View, need, options) is { } forGood) never.Add(forGood);
            else if (NowReason(host, need, options, refused) is { } forNow) notNow.Add(forNow);
            else if (best is null || Burden(host, need, options).CompareTo(Burden(best, need, options)) < 0) best = host;
        }

        if (best is not null) return new Placement(PlacementKind.Chosen, best.View.Id);
        var start = homes.Count > 0 ? "Its files lie on one host, which cannot take it" : "No host can take it";
        return notNow.Count == 0
            ? new Placement(PlacementKind.Never, $"{start}: {Summed(never)}.")
            : new Placement(PlacementKind.Full, $"{start} now: {Summed([.. notNow, .. never])}.");
    }

    /// <summary>Whether a host's runners leave room: the host's own grain asks, too, since two choices may have crossed.</summary>
    public static string? NoRoom(HostFacts facts, IEnumerable<HostRunnerView> runners, string runnerKey, RunnerShape shape, PoolOptions options)
    {
        var (cpus, memory, disk) = Held(runners, runnerKey);
        if (cpus + shape.Cpus > (facts.Cpus * options.CpuOvercommit) + 1e-6) return $"no room for {Text(shape.Cpus)} cores";
        if (memory + shape.MemoryMib > facts.MemoryMib) return $"no room for {shape.MemoryMib} MiB of memory";
        return shape.DiskMib > 0 && disk + (DisksOfRunner * shape.DiskMib) > facts.DiskMib ? $"no room for two disks of {shape.DiskMib} MiB" : null;
    }

    /// <summary>Whether a host that serves one tenant at a time has another one's runners.</summary>
    public static bool ServesAnother(IEnumerable<HostRunnerView> runners, string runnerKey) =>
        runners.Any(runner => GrainKeys.Split(runner.RunnerKey).Tenant != GrainKeys.Split(runnerKey).Tenant);

    private static string? NeverReason(HostView host, PlaceRunner need, PoolOptions options)
    {
        var (facts, shape, tenant) = (host.Facts, need.Shape, GrainKeys.Split(need.RunnerKey).Tenant);
        if (!host.Tenants.IsEmpty && !host.Tenants.Contains(tenant)) return $"not for tenant {tenant}";
        var lacking = shape.HostLabels.Where(label => facts.Labels.GetValueOrDefault(label.Key) != label.Value)
            .Select(label => $"{label.Key}={label.Value}").Order(StringComparer.Ordinal).ToList();
        if (lacking.Count > 0) return $"no label {string.Join(", ", lacking)}";
        var kind = shape.Sandbox == "auto" ? options.Sandbox : shape.Sandbox;
        if (NoSandbox(facts, kind, shape) is { } noSandbox) return noSandbox;
        if (NoRoom(facts, [], need.RunnerKey, shape, options) is null) return null;
        return $"too small for {Text(shape.Cpus)} cores, {shape.MemoryMib} MiB of memory and two disks of {shape.DiskMib} MiB";
    }

    /// <summary>
    /// Every sandbox of a pool must hold the network policy, since also "open" keeps private networks out of reach, and the limits that the profile sets:
    /// a neighbour relies on them.
    /// </summary>
    private static string? NoSandbox(HostFacts facts, string kind, RunnerShape shape)
    {
        var fitting = facts.Sandboxes.Where(sandbox => kind == "auto" || sandbox.Kind == kind).ToList();
        var working = fitting.Where(sandbox => sandbox is { Works: true, Egress: true }).ToList();
        string[] needed = shape.DiskMib > 0 ? ["cpu", "memory", "pids", "disk"] : ["cpu", "memory", "pids"];
        if (working.Any(sandbox => needed.All(limit => Holds(sandbox, limit)))) return null;
        if (working.Count > 0) return $"no limit of {string.Join(", ", needed.Where(limit => !working.All(sandbox => Holds(sandbox, limit))))} holds there";
        var wanted = kind == "auto" ? "no sandbox that works and holds network policies" : $"no working sandbox {kind}";
        var why = fitting.Select(sandbox => sandbox.Detail).FirstOrDefault(detail => detail.Length > 0);
        return why is null ? wanted : $"{wanted} ({why})";
    }

    private static bool Holds(HostSandbox sandbox, string limit) => !sandbox.Limits.IsDefault && sandbox.Limits.Contains(limit);

    private static string? NowReason(PlacementHost host, PlaceRunner need, PoolOptions options, ImmutableArray<string> refused)
    {
        var view = host.View;
        if (view.Status == HostStatus.Offline) return "away";
        if (view.Status != HostStatus.Online) return "lost";
        if (view.Draining) return "draining";
        if (view.Taint is { } taint) return $"held off ({taint})";
        if (refused.Contains(view.Id)) return "refused it just now";
        if (options.OneTenantPerHost && ServesAnother(host.Runners, need.RunnerKey)) return "serving another tenant";
        // Workspaces without a runner hold what they hold, promised or not.
        if (need.Shape.DiskMib > 0 && view.Load is { } load && load.DiskFreeMib < need.Shape.DiskMib) return $"only {load.DiskFreeMib} MiB of its disk are free";
        return NoRoom(view.Facts, host.Runners, need.RunnerKey, need.Shape, options);
    }

    /// <summary>The larger of the shares that would be held; then how busy it is.</summary>
    private static (double Held, double Busy) Burden(PlacementHost host, PlaceRunner need, PoolOptions options)
    {
        var (cpus, memory, _) = Held(host.Runners, need.RunnerKey);
        var facts = host.View.Facts;
        var held = Math.Max((cpus + need.Shape.Cpus) / (facts.Cpus * options.CpuOvercommit), (memory + need.Shape.MemoryMib) / (double)facts.MemoryMib);
        return (Math.Round(held, 2), host.View.Load?.Cpu ?? 0);
    }

    private static (double Cpus, long MemoryMib, long DiskMib) Held(IEnumerable<HostRunnerView> runners, string butFor)
    {
        var (cpus, memory, disk) = (0.0, 0L, 0L);
        foreach (var runner in runners)
        {
            if (runner.RunnerKey == butFor) continue;
            (cpus, memory, disk) = (cpus + runner.Cpus, memory + runner.MemoryMib, disk + (DisksOfRunner * runner.DiskMib));
        }

        return (cpus, memory, disk);
    }

    /// <summary>Neither given back nor given up.</summary>
    private static bool IsKept(HostRunnerView runner) => !runner.IsReleasing && !(runner.State == "missing" && runner.Cause == Providers.DeathCauses.HostLost);

    private static string Summed(IEnumerable<string> reasons) => string.Join("; ", reasons.GroupBy(reason => reason, StringComparer.Ordinal)
        .OrderByDescending(group => group.Count()).Take(5).Select(group => $"{group.Count()} host{(group.Count() == 1 ? "" : "s")}: {group.Key}"));

    private static string Text(double number) => number.ToString("0.##", CultureInfo.InvariantCulture);
}
