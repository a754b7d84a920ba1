using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Marionette.Pools;
using Marionette.Runners;

namespace Marionette.Machines.Tests.Pools;

/// <summary>Which host takes a runner: cases, and what holds for all of them.</summary>
public sealed class PoolPlacementTests
{
    private static readonly PoolOptions Plain = new();
    private static readonly ImmutableArray<string> All = ["cpu", "disk", "memory", "pids"];

    [Theory]
    [InlineData("online", true, "b")]
    [InlineData("offline", false, "away")]
    [InlineData("lost", false, "lost")]
    [InlineData("draining", false, "draining")]
    [InlineData("tainted", false, "held off (the disk is bad)")]
    [InlineData("refused", false, "refused it just now")]
    [InlineData("full memory", false, "no room for 4096 MiB of memory")]
    [InlineData("full cpu", false, "no room for 2 cores")]
    [InlineData("disk in use", false, "only 999 MiB of its disk are free")]
    [InlineData("full disk", false, "no room for two disks of 1000 MiB")]
    public void AHost_TakesIt_OrItIsSaidWhyNotNow(string state, bool takes, string text)
    {
        var host = Host("b");
        host = state switch
        {
            "offline" => host with { View = host.View with { Status = HostStatus.Offline } },
            "lost" => host with { View = host.View with { Status = HostStatus.Lost } },
            "draining" => host with { View = host.View with { Draining = true } },
            "tainted" => host with { View = host.View with { Taint = "the disk is bad" } },
            "full memory" => With(host, Runner("acme/run_x") with { MemoryMib = 13_000 }),
            "full cpu" => With(host, Runner("acme/run_x") with { Cpus = 7 }),
            "disk in use" => host with { View = host.View with { Load = new HostLoad(0, 0, 999) } },
            "full disk" => With(host, Runner("acme/run_x") with { DiskMib = 49_500 }),
            _ => host,
        };
        var choice = PoolPlacement.Choose([host], Need() with { Refused = state == "refused" ? ["b"] : [] }, Plain);
        Assert.Equal(takes ? PlacementKind.Chosen : PlacementKind.Full, choice.Kind);
        Assert.Contains(text, choice.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("label", "no label gpu=yes")]
    [InlineData("tenant", "not for tenant acme")]
    [InlineData("sandbox", "no working sandbox bwrap (no user namespaces)")]
    [InlineData("unknown sandbox", "no working sandbox runc")]
    [InlineData("egress", "no sandbox that works and holds network policies")]
    [InlineData("limits", "no limit of pids, disk holds there")]
    [InlineData("size", "too small for 2 cores, 20000 MiB of memory and two disks of 1000 MiB")]
    public void WhatNoHostCouldEverTake_IsSaidSo(string what, string text)
    {
        var (host, need) = (Host("b"), Need());
        (host, need) = what switch
        {
            "label" => (host, need with { Shape = need.Shape with { HostLabels = need.Shape.HostLabels.Add("gpu", "yes") } }),
            "tenant" => (host with { View = host.View with { Tenants = ["other"] } }, need),
            "sandbox" => (host, need with { Shape = need.Shape with { Sandbox = "bwrap" } }),
            "unknown sandbox" => (host, need with { Shape = need.Shape with { Sandbox = "runc" } }),
            "limits" => (Facts(host, facts => facts with { Sandboxes = [new HostSandbox("runsc", true, "", ["cpu", "memory"], true, true)] }), need),
            "egress" => (Facts(host, facts => facts with { Sandboxes = [new HostSandbox("runsc", true, "", [], false, true)] }), need),
            _ => (host, need with { Shape = need.Shape with { MemoryMib = 20_000 } }),
        };
        var choice = PoolPlacement.Choose([host], need, Plain);
        Assert.Equal(PlacementKind.Never, choice.Kind);
        Assert.Contains(text, choice.Text, StringComparison.Ordinal);
        Assert.Equal("a", PoolPlacement.Choose([host, what == "tenant" ? Host("a") : Able("a")], need, Plain).Text);
    }

    [Fact]
    public void APoolWithoutHosts_IsWaitedFor() => Assert.Equal(PlacementKind.Full, PoolPlacement.Choose([], Need(), Plain).Kind);

    [Fact]
    public void ThePoolsSandbox_StandsForAuto_AndNotForAWish()
    {
        var bwrap = Facts(Host("b"), facts => facts with { Sandboxes = [new HostSandbox("bwrap", true, "", All, true, true)] });
        var strict = new PoolOptions { Sandbox = "runsc" };
        Assert.Equal(PlacementKind.Chosen, PoolPlacement.Choose([bwrap], Need(), Plain).Kind);
        Assert.Equal(PlacementKind.Never, PoolPlacement.Choose([bwrap], Need(), strict).Kind);
        Assert.Equal(PlacementKind.Chosen, PoolPlacement.Choose([bwrap], Need() with { Shape = Need().Shape with { Sandbox = "bwrap" } }, strict).Kind);
    }

    [Fact]
    public void AProfileWithoutALimitOfDisk_NeedsNoneToHold()
    {
        var host = Facts(Host("b"), facts => facts with { Sandboxes = [new HostSandbox("runsc", true, "", ["cpu", "memory", "pids"], true, true)] });
        Assert.Equal(PlacementKind.Never, PoolPlacement.Choose([host], Need(), Plain).Kind);
        Assert.Equal(PlacementKind.Chosen, PoolPlacement.Choose([host], Need() with { Shape = Need().Shape with { DiskMib = 0 } }, Plain).Kind);
    }

    [Fact]
    public void Files_BindARunnerToTheirHost_UnlessThatIsLost()
    {
        var home = With(Host("z") with { View = Host("z").View with { Workspaces = ["ws_1"] } }, Runner("acme/run_x") with { MemoryMib = 10_000 });
        Assert.Equal("z", PoolPlacement.Choose([Host("a"), home], Need(), Plain).Text);
        var away = home with { View = home.View with { Status = HostStatus.Offline } };
        Assert.Equal(PlacementKind.Full, PoolPlacement.Choose([Host("a"), away], Need(), Plain).Kind);
        var lost = home with { View = home.View with { Status = HostStatus.Lost } };
        Assert.Equal("a", PoolPlacement.Choose([Host("a"), lost], Need(), Plain).Text);
    }

    [Fact]
    public void TheLeastLoaded_IsChosen()
    {
        var (busy, held) = (Host("a") with { View = Host("a").View with { Load = new HostLoad(0.9, 0, 50_000) } }, With(Host("b"), Runner("acme/run_x")));
        var idle = Host("c") with { View = Host("c").View with { Load = new HostLoad(0.1, 0, 50_000) } };
        Assert.Equal("c", PoolPlacement.Choose([busy, held, idle], Need(), Plain).Text);
        Assert.Equal("a", PoolPlacement.Choose([busy, held], Need(), Plain).Text);
    }

    [Fact]
    public void ARunnerThatWasGivenUpOrBack_IsNotThereAnyMore()
    {
        var own = Runner("acme/run_1");
        Assert.Equal("b", PoolPlacement.Choose([Host("a"), With(Host("b"), own)], Need(), Plain).Text);
        Assert.Equal("a", PoolPlacement.Choose([Host("a"), With(Host("b"), own with { IsReleasing = true })], Need(), Plain).Text);
        Assert.Equal("a", PoolPlacement.Choose([Host("a"), With(Host("b"), own with { State = "missing", Cause = "host_lost" })], Need(), Plain).Text);
        Assert.Equal("a", PoolPlacement.Choose([Host("a"), With(Host("b"), own with { Epoch = 0 })], Need(), Plain).Text);
    }

    /// <summary>Starts, ends and losses in any order: memory and disk are never promised twice, cores no more than they may be, tenants are kept apart.</summary>
    [Property(MaxTest = 300)]
    public Property InAnyOrder_NoHostIsOverfull_OrServesWhomItMayNot()
    {
        var steps = Gen.Choose(0, 999).ArrayOf(40);
        return Prop.ForAll(steps.ToArbitrary(), rolls =>
        {
            var options = new PoolOptions { OneTenantPerHost = rolls[0] % 2 == 0 };
            var hosts = new Dictionary<string, PlacementHost>
            {
                ["a"] = Host("a"),
                ["b"] = Host("b") with { View = Host("b").View with { Tenants = ["t0"] } },
                ["c"] = Facts(Host("c"), facts => facts with { Labels = facts.Labels.Add("gpu", "yes"), Cpus = 1 }),
            };
            foreach (var (roll, i) in rolls.Select((roll, i) => (roll, i)))
            {
                var tenant = $"t{roll % 3}";
                if (roll % 7 == 0)
                {
                    foreach (var (id, host) in hosts) hosts[id] = host with { Runners = [.. host.Runners.Skip(1)] };
                    continue;
                }

                var need = Need($"{tenant}/run_{i}") with
                {
                    WorkspaceId = $"ws_{i}", Shape = new RunnerShape { Cpus = 0.5 + (roll % 4), MemoryMib = 1000 * (1 + (roll % 5)), DiskMib = 10_000 * (roll % 4),
                        HostLabels = roll % 11 == 0 ? ImmutableDictionary<string, string>.Empty.Add("gpu", "yes") : ImmutableDictionary<string, string>.Empty },
                };
                var choice = PoolPlacement.Choose([.. hosts.Values], need, options);
                Assert.Equal(choice, PoolPlacement.Choose([.. hosts.Values.Reverse()], need, options));
                if (choice.Kind != PlacementKind.Chosen) continue;
                var at = hosts[choice.Text];
                Assert.True(at.View.Tenants.IsEmpty || at.View.Tenants.Contains(tenant));
                Assert.True(need.Shape.HostLabels.IsEmpty || choice.Text == "c");
                at = With(at, Runner(need.RunnerKey) with { Cpus = need.Shape.Cpus, MemoryMib = need.Shape.MemoryMib, DiskMib = need.Shape.DiskMib });
                hosts[choice.Text] = at;
                Assert.True(at.Runners.Sum(r => r.Cpus) <= at.View.Facts.Cpus * options.CpuOvercommit);
                Assert.True(at.Runners.Sum(r => r.MemoryMib) <= at.View.Facts.MemoryMib);
                Assert.True(at.Runners.Sum(r => 2 * r.DiskMib) <= at.View.Facts.DiskMib);
                if (options.OneTenantPerHost) Assert.Single(at.Runners.Select(r => GrainKeys.Split(r.RunnerKey).Tenant).Distinct());
                // The same runner is found where it is, however full that host is by now.
                Assert.Equal(choice, PoolPlacement.Choose([.. hosts.Values], need, options));
            }
        });
    }

    private static PlacementHost Host(string id) => new(
        new HostView
        {
            Id = id, Status = HostStatus.Online,
            Facts = new HostFacts
            {
                Cpus = 4, MemoryMib = 16_000, DiskMib = 100_000,
                Sandboxes = [new HostSandbox("runsc", true, "", All, true, true), new HostSandbox("bwrap", false, "no user namespaces", [], false, false)],
            },
        },
        []);

    /// <summary>One that takes everything.</summary>
    private static PlacementHost Able(string id) => Facts(Host(id), facts => facts with
    {
        MemoryMib = 64_000, Labels = facts.Labels.Add("gpu", "yes"), Sandboxes = [.. new[] { "runsc", "bwrap", "runc" }.Select(kind => new HostSandbox(kind, true, "", All, true, true))],
    });

    private static PlacementHost Facts(PlacementHost host, Func<HostFacts, HostFacts> change) => host with { View = host.View with { Facts = change(host.View.Facts) } };

    private static PlacementHost With(PlacementHost host, HostRunnerView runner) => host with { Runners = host.Runners.Add(runner) };

    private static HostRunnerView Runner(string key) => new(key, 1, "running") { Cpus = 2, MemoryMib = 4096, DiskMib = 1000, WorkspaceId = $"ws_{key}" };

    private static PlaceRunner Need(string key = "acme/run_1") => new(key, 1, "ws_1", new RunnerShape { DiskMib = 1000 }, NetworkRules.Open, []);
}
