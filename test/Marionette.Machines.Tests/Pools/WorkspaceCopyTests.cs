using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Marionette.Pools;
using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Workspaces;

namespace Marionette.Machines.Tests.Pools;

/// <summary>
/// Where a workspace's next runner goes when its files lie on several hosts, and which of them go: by the use that the sessions' log says wrote them last, whatever
/// hosts, starts and messages were lost.
/// </summary>
public sealed class WorkspaceCopyTests
{
    private const string Workspace = "ws_1";

    private static readonly DateTimeOffset Now = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void AHostThatReturns_WhileTheNextRunnerHasNotOpenedTheFiles_IsHomeAgain()
    {
        var first = Given(New("a"), 1, 0);
        var second = Given(New("b"), 2, 1);
        // The second runner was lost in the middle of its restore: by the log the first one's files are the newest.
        Assert.Equal("a", Choose(Use(3, 1), first, second));
    }

    [Fact]
    public void AHostThatReturns_OnceTheNextRunnerHasOpenedTheFiles_IsNoHome()
    {
        var first = Given(New("a"), 1, 0);
        var second = Given(New("b"), 2, 1);
        Assert.Equal("b", Choose(Use(3, 2), first, second));
        // Nor is it when the newest files are on a lost host: then the checkpoint counts, anywhere.
        var busy = first.With("acme/run_x", new HostRunnerRecord { MemoryMib = 80_000, IsMade = true });
        Assert.Equal("c", Choose(Use(3, 2), busy, second with { Status = HostStatus.Lost }, New("c")));
    }

    [Fact]
    public void RunnersThatNeverOpenTheFiles_LeaveThemAtHome()
    {
        var host = Given(Given(Given(New("a"), 1, 0), 2, 1), 3, 1);
        Assert.Equal("a", Choose(Use(4, 1), host, New("b")));
        Assert.True(host.Copies[Workspace].Has(1));
    }

    [Fact]
    public void AStartThatFails_OrIsLostInItsMiddle_LeavesTheFilesWhoseTheyWere()
    {
        var before = Given(New("a"), 1, 0);
        var given = HostChanges.Give(before, Order(2, 1), Now.AddMinutes(1));
        Assert.Equal(before.Copies[Workspace], given.WithoutStart("acme/run_2").Copies[Workspace]);
        Assert.Equal(before.Copies[Workspace], HostChanges.GiveUp(given).Copies[Workspace]);
        // It is made elsewhere, under the same number: there it is at home.
        var other = Given(New("b"), 2, 1);
        Assert.Equal("b", Choose(Use(3, 2), HostChanges.GiveUp(given) with { Status = HostStatus.Online, Runners = given.Runners.Clear() }, other));
        // Where there were none, what a start made of them is nobody's.
        var fresh = HostChanges.GiveUp(HostChanges.Give(New("c"), Order(2, 1), Now));
        Assert.False(fresh.Copies[Workspace].Has(2));
    }

    [Fact]
    public void ARunnerThatIsMadeAnewElsewhere_IsAtHomeThere()
    {
        var first = HostChanges.Give(New("a"), Order(1, 0), Now);
        var again = HostChanges.Give(New("b"), Order(1, 0), Now.AddMinutes(1));
        Assert.Equal("b", Choose(Use(2, 1), first, again));
    }

    [Fact]
    public void ASessionThatWasTakenBackToACheckpoint_HasNoHome()
    {
        var busy = Given(New("a"), 1, 0).With("acme/run_x", new HostRunnerRecord { MemoryMib = 80_000, IsMade = true });
        Assert.Equal("b", Choose(Use(2, 2), busy, New("b")));
        Assert.Equal("a", Choose(Use(2, 1), busy, New("b")));
    }

    [Fact]
    public void WithoutAStore_TheLastUseIsAtHome()
    {
        var first = Given(New("a"), 1, 0);
        var second = Given(New("b"), 2, 0);
        Assert.Equal("b", Choose(Use(3, 0), first, second));
    }

    [Fact]
    public void Files_ThatWereUsedSince_OrThatARunnerHas_DoNotGo()
    {
        var host = Given(New("a"), 1, 0);
        Assert.True(HostChanges.MayForget(host, host.Copies[Workspace]));
        Assert.False(HostChanges.MayForget(HostChanges.Give(host, Order(2, 1), Now), host.Copies[Workspace]));
        var used = HostChanges.Give(host, Order(2, 1), Now);
        Assert.False(HostChanges.MayForget(used, used.Copies[Workspace]));
        Assert.True(HostChanges.MayForget(HostChanges.GiveUp(used.With("acme/run_2", used.Runners["acme/run_2"] with { IsMade = true })), used.Copies[Workspace]));
    }

    /// <summary>
    /// Uses that open the files or do not, starts that fail or are lost and made elsewhere, hosts that are lost and come back, and sweeps, in any order: a runner finds
    /// the newest files where a living host has them, and they never go.
    /// </summary>
    [Property(MaxTest = 400)]
    public Property InAnyOrder_ARunnerFindsTheNewestFiles_AndTheyNeverGo() => Prop.ForAll(Gen.Choose(0, 9999).ArrayOf(50).ToArbitrary(), rolls =>
    {
        var world = new World();
        foreach (var roll in rolls) world.Step(roll);
    });

    private static HostRecord New(string id) => new()
    {
        Id = id, Status = HostStatus.Online,
        Facts = new HostFacts
        {
            Cpus = 64, MemoryMib = 640_000, DiskMib = 1_000_000, Sandboxes = [new HostSandbox("runsc", true, "", ["cpu", "disk", "memory", "pids"], true, true)],
        },
    };

    private static WorkspaceUse Use(long number, long files) => new(number, files);

    private static EnsureRunnerOrder Order(long number, long files) =>
        new($"ord_{number}", $"acme/run_{number}", number, "t", Workspace, new RunnerShape { DiskMib = 1000 }, NetworkRules.Open) { Use = Use(number, files) };

    /// <summary>A runner was there, and is gone.</summary>
    private static HostRecord Given(HostRecord host, long number, long files) =>
        HostChanges.Give(host, Order(number, files), Now.AddSeconds(number)).Without($"acme/run_{number}");

    private static PlacementHost Seen(HostRecord host) => new(
        new HostView { Id = host.Id, Status = host.Status, Facts = host.Facts, Workspaces = host.Workspaces, Copies = host.Copies },
        [.. host.Runners.Select(pair => new HostRunnerView(pair.Key, pair.Value.Epoch, "running") { MemoryMib = pair.Value.MemoryMib, IsReleasing = pair.Value.IsReleasing })]);

    private static string? Choose(WorkspaceUse use, params IEnumerable<HostRecord> hosts)
    {
        var need = new PlaceRunner($"acme/run_{use.Number}", use.Number, Workspace, new RunnerShape { DiskMib = 1000 }, NetworkRules.Open, []) { Use = use };
        var choice = PoolPlacement.Choose([.. hosts.Select(Seen)], need, new PoolOptions());
        return choice.Kind == PlacementKind.Chosen ? choice.Text : null;
    }

    /// <summary>Hosts with what truly lies on them, and what the log says.</summary>
    private sealed class World
    {
        private readonly Dictionary<string, HostRecord> _hosts = new[] { "a", "b", "c" }.ToDictionary(id => id, New);
        private readonly Dictionary<string, long> _files = [];
        private long _number, _newest, _newestBefore;
        private int _time;

        public void Step(int roll)
        {
            var host = "abc"[roll / 10 % 3].ToString();
            switch (roll % 10)
            {
                case < 6:
                    Next(roll / 100 % 5);
                    break;
                case 6 or 7:
                    _hosts[host] = HostChanges.GiveUp(_hosts[host]);
                    break;
                case 8:
                    _hosts[host] = _hosts[host] with { Status = HostStatus.Online, Runners = _hosts[host].Runners.Clear() };
                    break;
                default:
                    Sweep();
                    break;
            }
        }

        private void Next(int outcome)
        {
            // Its session lets go of the last one.
            foreach (var id in _hosts.Keys.ToList()) _hosts[id] = _hosts[id] with { Runners = _hosts[id].Runners.Clear() };
            (_number, _newestBefore) = (_number + 1, _newest);
            if (Start() is not { } at) return;
            var key = $"acme/run_{_number}";
            if (outcome == 0)
            {
                // Its host is lost in the middle of the start: it is made elsewhere.
                _hosts[at] = HostChanges.GiveUp(_hosts[at]);
                if (Start() is not { } elsewhere) return;
                at = elsewhere;
            }
            else if (outcome == 1)
            {
                if (_hosts[at].Runners[key].IsFirstOfWorkspace) _files.Remove(at);
                _hosts[at] = _hosts[at].WithoutStart(key) with { Outdated = [] };
                return;
            }

            _hosts[at] = _hosts[at].With(key, _hosts[at].Runners[key] with { IsMade = true });
            if (outcome == 2) return; // It never opens the files.
            _files[at] = _newest = _number;
        }

        private string? Start()
        {
            if (Choose(Use(_number, _newestBefore), _hosts.Values) is not { } at) return null;
            var having = _hosts.Values.Where(host => host.Status == HostStatus.Online && _newest > 0 && _files.GetValueOrDefault(host.Id) == _newest).ToList();
            if (having.Count > 0) Assert.Equal(_newest, _files.GetValueOrDefault(at));
            _hosts[at] = HostChanges.Give(_hosts[at], Order(_number, _newestBefore), Now.AddSeconds(_time++));
            return at;
        }

        private void Sweep()
        {
            var facts = Facts(SessionStatus.Active, _number, Use(_number, _newestBefore), written: _newest);
            foreach (var host in _hosts.Values.ToList())
            {
                if (host.Copies.GetValueOrDefault(Workspace) is not { } copy || !OldFiles.IsOutOfDate(copy, facts) || !HostChanges.MayForget(host, copy)) continue;
                Assert.NotEqual(_newest, _files.GetValueOrDefault(host.Id));
                _files.Remove(host.Id);
                _hosts[host.Id] = host.WithoutFiles(copy.Key) with { Outdated = [] };
            }
        }
    }

    /// <summary>A session whose epochs are its uses of the workspace, with a checkpoint.</summary>
    internal static WorkspaceFacts Facts(SessionStatus status, long epoch, WorkspaceUse use, long written) => new(
        new WorkspaceView
        {
            Id = Workspace, SessionId = status == SessionStatus.Terminated ? null : "sess_1", LastSessionId = "sess_1", Epoch = epoch, Use = use, SinceUse = 1,
        },
        SessionState.Empty with
        {
            WorkspaceEpoch = written, RunSeq = 10,
            View = SessionState.Empty.View with
            {
                Status = status, Epoch = epoch, LastSeq = 20, UpdatedAt = Now, RecoveryPoint = new RecoveryPoint(Now, 15, "snap_1", "snap_2", "run", 1, 1) { IsQuiet = true },
            },
        });
}
