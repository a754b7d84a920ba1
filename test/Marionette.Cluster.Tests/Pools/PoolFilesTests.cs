using System.Text;
using Marionette.Pools;
using Marionette.Sessions;
using Marionette.TestSupport;
using Marionette.Workspaces;

namespace Marionette.Cluster.Tests.Pools;

/// <summary>Files of workspaces on hosts: they go once they are of no use, by what the sessions' rows say, and not before.</summary>
public sealed class PoolFilesTests(PostgresFixture postgres) : PoolTest(postgres)
{
    private int _sessions;

    [Fact]
    public async Task FilesOfAnEndedSession_ThatAreStored_Go_AndNobodyGetsThemAgain()
    {
        await StartSweepingAsync();
        var host = await UpAsync();
        var (session, key, workspace) = await UsedAsync();
        await Workspace(workspace).FreeAsync(session, 1, Cancel);
        await EndedAsync(session, workspace, isStored: true);

        await SeesForgottenAsync(host, workspace);
        await SeesHostAsync(host, view => !view.Workspaces.Contains(workspace));
        var refusal = await FailsAsync(FaultCode.Conflict, () => Workspace(workspace).AcquireAsync(NewSession(), 1, 0, Cancel));
        Assert.Contains(session, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(key, host.Runners.Keys);
    }

    /// <summary>What no checkpoint has, what a session or a schedule may go on with, and what a runner has.</summary>
    [Fact]
    public async Task FilesThatMayBeNeeded_Stay()
    {
        await StartSweepingAsync();
        var host = await UpAsync(facts => facts with { Cpus = 64, MemoryMib = 500_000, DiskMib = 1_000_000 });
        var unstored = await UsedAsync();
        await EndedAsync(unstored.Session, unstored.Workspace, isStored: false);
        var suspended = await UsedAsync();
        await RowAsync(suspended.Session, suspended.Workspace, SessionStatus.Suspended, isStored: true);
        var scheduled = await UsedAsync();
        await EndedAsync(scheduled.Session, scheduled.Workspace, isStored: true);
        await InsertAsync("scheduled_task", "acme/stsk_0000000000000001", $$$"""{"status":"disabled","session":{"workspace_id":"{{{scheduled.Workspace}}}"}}""");
        var shared = await UsedAsync();
        await EndedAsync(shared.Session, shared.Workspace, isStored: true);
        await RowAsync(NewSession(), shared.Workspace, SessionStatus.Pending, isStored: false);
        var held = await UsedAsync(release: false);
        await EndedAsync(held.Session, held.Workspace, isStored: true);

        // The sweep that finds the second of these began after all of the above was there.
        for (var i = 0; i < 2; i++)
        {
            var stored = await UsedAsync();
            await EndedAsync(stored.Session, stored.Workspace, isStored: true);
            await SeesForgottenAsync(host, stored.Workspace);
        }

        Assert.Equal(2, host.Count<ForgetWorkspaceOrder>());
        string[] kept = [unstored.Workspace, suspended.Workspace, scheduled.Workspace, shared.Workspace, held.Workspace];
        await SeesHostAsync(host, view => view.Workspaces.Order().SequenceEqual(kept.Order()));

        await host.Grain.OrderAsync(Order(held.Key, RunnerOrderKind.Release), TimeSpan.FromSeconds(10), Cancel);
        await SeesForgottenAsync(host, held.Workspace);
        await ExecuteAsync("delete from marionette.grain_state where grain_type = 'scheduled_task'");
        await SeesForgottenAsync(host, scheduled.Workspace);
        Assert.Equal(4, host.Count<ForgetWorkspaceOrder>());
    }

    [Fact]
    public async Task FilesOfASessionThatHasJustEnded_StayForAWhile()
    {
        Settings["KeepFiles"] = "01:00:00";
        await StartSweepingAsync();
        var host = await UpAsync();
        var (young, old) = (await UsedAsync(), await UsedAsync());
        await EndedAsync(young.Session, young.Workspace, isStored: true);
        await EndedAsync(old.Session, old.Workspace, isStored: true, ago: TimeSpan.FromHours(2));
        await SeesForgottenAsync(host, old.Workspace);
        Assert.Null((await Workspace(young.Workspace).GetAsync(Cancel)).RetiredAt);
        await SeesHostAsync(host, view => view.Workspaces.SequenceEqual([young.Workspace]));
    }

    [Fact]
    public async Task AHostThatWasAway_WhenTheSessionEnded_IsToldWhenItIsBack()
    {
        await StartSweepingAsync();
        var host = await UpAsync();
        var (session, _, workspace) = await UsedAsync();
        await host.DetachAsync();
        await EndedAsync(session, workspace, isStored: true);
        await SeesHostAsync(host, view => !view.Workspaces.Contains(workspace));
        Assert.Equal(0, host.Count<ForgetWorkspaceOrder>());
        // What it was to be told outlives its grain.
        await DeactivateAsync(host.Grain);
        await host.AttachAsync();
        await SeesForgottenAsync(host, workspace);
    }

    /// <summary>The runner that went on elsewhere is lost before it has restored: what the first host has is the newest, and home again.</summary>
    [Fact]
    public async Task AHostThatReturns_KeepsItsFiles_UntilALaterRunnerHasOpenedThemElsewhere()
    {
        Settings["HostLease"] = "00:00:05";
        await StartSweepingAsync();
        var first = await UpAsync();
        var (session, key, workspace) = await UsedAsync(release: false);
        await RowAsync(session, workspace, SessionStatus.Active, isStored: true, written: 1);
        await first.DetachAsync();
        await SeesHostAsync(first, view => view.Status == HostStatus.Lost);
        await first.Grain.OrderAsync(Order(key, RunnerOrderKind.Release), TimeSpan.FromSeconds(1), Cancel);

        var second = await UpAsync();
        var (unopened, at) = await UseAsync(session, workspace, epoch: 2, written: 1);
        Assert.Equal(second.Id, at);
        await first.AttachAsync();
        await SeesHostAsync(first, view => view.Status == HostStatus.Online);
        await second.Grain.OrderAsync(Order(unopened, RunnerOrderKind.Release), TimeSpan.FromSeconds(10), Cancel);
        var (_, back) = await UseAsync(session, workspace, epoch: 3, written: 1);
        Assert.Equal(first.Id, back);

        // Now that one has opened them there, the other host's beginning goes.
        await RowAsync(session, workspace, SessionStatus.Active, isStored: true, written: 3);
        await SeesForgottenAsync(second, workspace);
        await SeesHostAsync(second, view => view.Workspaces.IsEmpty);
        Assert.Equal(0, first.Count<ForgetWorkspaceOrder>());
        await SeesHostAsync(first, view => view.Workspaces.Contains(workspace));
    }

    [Fact]
    public async Task AWorkspace_NumbersItsUses_AndKnowsWhoseFilesAreTheNewest()
    {
        await StartAsync();
        var workspace = Workspace("ws_0000000000000001");
        Assert.Equal(new WorkspaceUse(1, 0), (await workspace.AcquireAsync("sess_1", 1, 0, Cancel)).Use);
        Assert.Equal(new WorkspaceUse(1, 0), (await workspace.AcquireAsync("sess_1", 1, 1, Cancel)).Use); // asked again
        Assert.Equal(new WorkspaceUse(2, 1), (await workspace.AcquireAsync("sess_1", 2, 1, Cancel)).Use);
        Assert.Equal(new WorkspaceUse(3, 1), (await workspace.AcquireAsync("sess_1", 3, 1, Cancel)).Use); // the second opened nothing
        Assert.Equal(new WorkspaceUse(4, 3), (await workspace.AcquireAsync("sess_1", 5, 3, Cancel)).Use); // nor did the fourth, which never came so far
        Assert.Equal(new WorkspaceUse(5, 5), (await workspace.AcquireAsync("sess_1", 6, 6, Cancel)).Use); // taken back to a checkpoint
        await FailsAsync(FaultCode.Conflict, () => workspace.AcquireAsync("sess_2", 1, 0, Cancel));
        Assert.False(await workspace.RetireAsync("sess_2", Cancel));
        await workspace.FreeAsync("sess_1", 6, Cancel);
        await DeactivateAsync(workspace);
        var next = await workspace.AcquireAsync("sess_2", 1, 0, Cancel);
        Assert.Equal((new WorkspaceUse(6, 5), 6L), (next.Use, next.SinceUse));
        Assert.False(await workspace.RetireAsync("sess_1", Cancel));
        Assert.True(await workspace.RetireAsync("sess_2", Cancel));
        Assert.True(await workspace.RetireAsync("sess_2", Cancel));
        await FailsAsync(FaultCode.Conflict, () => workspace.AcquireAsync("sess_2", 2, 1, Cancel));
    }

    private Task StartSweepingAsync()
    {
        Settings["SweepEvery"] = "00:00:01";
        Settings.TryAdd("KeepFiles", "00:00:00");
        return StartAsync();
    }

    private IWorkspaceGrain Workspace(string id) => Grains.GetGrain<IWorkspaceGrain>(GrainKeys.Of("acme", id));

    private string NewSession() => $"sess_{++_sessions:d16}";

    private static Task<int> SeesForgottenAsync(ScriptedHost host, string workspace) => Eventually.SeesAsync(
        "forgotten", () => Task.FromResult(host.Count<ForgetWorkspaceOrder>(order => order.Workspace == $"acme/{workspace}")), count => count == 1, Cancel);

    /// <summary>A session's first runner on a workspace of its own.</summary>
    private async Task<(string Session, string Key, string Workspace)> UsedAsync(bool release = true)
    {
        var session = NewSession();
        var workspace = $"ws_{_sessions:d16}";
        var (key, host) = await UseAsync(session, workspace, 1, 0);
        if (release) await Host(host).OrderAsync(Order(key, RunnerOrderKind.Release), TimeSpan.FromSeconds(10), Cancel);
        return (session, key, workspace);
    }

    private async Task<(string Key, string Host)> UseAsync(string session, string workspace, long epoch, long written)
    {
        var use = (await Workspace(workspace).AcquireAsync(session, epoch, written, Cancel)).Use;
        var key = NewRunner();
        var host = await Pool.PlaceAsync(Need(key, workspace: workspace) with { Use = use }, Cancel);
        Assert.Null((await Host(host).OrderAsync(Ensure(key, workspace: workspace) with { Use = use }, TimeSpan.FromSeconds(10), Cancel))!.Fault);
        return (key, host);
    }

    private IHostGrain Host(string id) => Grains.GetGrain<IHostGrain>(PoolKeys.OfHost(Name, id));

    private Task<int> EndedAsync(string session, string workspace, bool isStored, TimeSpan ago = default) =>
        RowAsync(session, workspace, SessionStatus.Terminated, isStored, ago: ago);

    private Task<int> RowAsync(string session, string workspace, SessionStatus status, bool isStored, long written = 1, TimeSpan ago = default)
    {
        var now = TimeProvider.System.GetUtcNow();
        var row = SessionRows.Session("acme", SessionState.Empty with
        {
            WorkspaceEpoch = written, RunSeq = 5,
            View = new SessionView
            {
                Id = session, Agent = "claude", WorkspaceId = workspace, Status = status, Epoch = written, LastSeq = 9, CreatedAt = now, UpdatedAt = now - ago,
                RecoveryPoint = new RecoveryPoint(now, isStored ? 6 : 4, "snap_1", "snap_2", "run", 1, 1) { Epoch = written, IsQuiet = true },
            },
        });
        return InsertAsync(row.Type, row.Key, Encoding.UTF8.GetString(row.Json));
    }

    private Task<int> InsertAsync(string type, string key, string json) => ExecuteAsync(
        """
        insert into marionette.grain_state (grain_type, grain_key, version, state) values ($1, $2, 1, $3::text::jsonb)
            on conflict (grain_type, grain_key) do update set state = excluded.state
        """,
        type, key, json);
}
