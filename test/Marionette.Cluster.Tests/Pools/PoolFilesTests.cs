using System.Text;
using Marionette.Pools;
using Marionette.Sessions;
using Marionette.TestSupport;
using Marionette.Workspaces;

namespace Marionette.Cluster.Tests.Pools;

/// <summary>Files of workspaces on hosts: they go once their session has ended and is stored, by what the rows say, and not before.</summary>
public sealed class PoolFilesTests(PostgresFixture postgres) : PoolTest(postgres)
{
    private int _sessions;

    [Fact]
    public async Task FilesOfAnEndedSession_ThatAreStored_Go_AndNobodyGetsThemAgain()
    {
        await StartSweepingAsync();
        var host = await UpAsync();
        var (session, _, workspace) = await UsedAsync();
        await Workspace(workspace).FreeAsync(session, Cancel);
        await EndedAsync(session, workspace);

        await SeesForgottenAsync(host, workspace);
        await SeesHostAsync(host, view => !view.Workspaces.Contains(workspace));
        var refusal = await FailsAsync(FaultCode.Conflict, () => Workspace(workspace).AcquireAsync(NewSession(), 1, Cancel));
        Assert.Contains(session, refusal.Message, StringComparison.Ordinal);
    }

    /// <summary>What no checkpoint has, what a session or a schedule may go on with, and what a runner has.</summary>
    [Fact]
    public async Task FilesThatMayBeNeeded_Stay()
    {
        await StartSweepingAsync();
        var host = await UpAsync(facts => facts with { Cpus = 64, MemoryMib = 500_000, DiskMib = 1_000_000 });
        var kept = new List<string>();
        async Task<(string Session, string Key, string Workspace)> KeptAsync(bool release = true)
        {
            var used = await UsedAsync(release);
            kept.Add(used.Workspace);
            return used;
        }

        var behind = await KeptAsync();
        await EndedAsync(behind.Session, behind.Workspace, point => point with { Seq = 4 });
        var none = await KeptAsync();
        await EndedAsync(none.Session, none.Workspace, _ => null);
        var incomplete = await KeptAsync();
        await EndedAsync(incomplete.Session, incomplete.Workspace, point => point with { Reason = "stop", IsComplete = false });
        var suspended = await KeptAsync();
        await RowAsync(suspended.Session, suspended.Workspace, SessionStatus.Suspended);
        var scheduled = await KeptAsync();
        await InsertAsync("scheduled_task", "acme/stsk_0000000000000001", $$$"""{"status":"disabled","session":{"workspace_id":"{{{scheduled.Workspace}}}"}}""");
        await EndedAsync(scheduled.Session, scheduled.Workspace);
        var shared = await KeptAsync();
        await RowAsync(NewSession(), shared.Workspace, SessionStatus.Pending);
        await EndedAsync(shared.Session, shared.Workspace);
        var earlier = await KeptAsync();
        await RowAsync(NewSession(), earlier.Workspace, SessionStatus.Terminated, _ => null);
        await EndedAsync(earlier.Session, earlier.Workspace);
        var deleted = await KeptAsync();
        await RowAsync(deleted.Session, deleted.Workspace, SessionStatus.Suspended);
        await ExecuteAsync("delete from marionette.snapshot where id = $1", Home(deleted.Session));
        await ChangeAsync("session", deleted.Session, """{"status":"terminated"}""");
        var held = await KeptAsync(release: false);
        await EndedAsync(held.Session, held.Workspace);

        // The sweep that finds the second of these began after all of the above was there.
        for (var i = 0; i < 2; i++)
        {
            var stored = await UsedAsync();
            await EndedAsync(stored.Session, stored.Workspace);
            await SeesForgottenAsync(host, stored.Workspace);
        }

        Assert.Equal(2, host.Count<ForgetWorkspaceOrder>());
        await SeesHostAsync(host, view => view.Workspaces.Order().SequenceEqual(kept.Order()));
        Assert.Null((await Workspace(deleted.Workspace).GetAsync(Cancel)).RetiredAt);

        await host.Grain.OrderAsync(Order(held.Key, RunnerOrderKind.Release), TimeSpan.FromSeconds(10), Cancel);
        await SeesForgottenAsync(host, held.Workspace);
        await ExecuteAsync("delete from marionette.grain_state where grain_type = 'scheduled_task'");
        await SeesForgottenAsync(host, scheduled.Workspace);
        Assert.Equal(4, host.Count<ForgetWorkspaceOrder>());
    }

    [Fact]
    public async Task RowsThatCannotBeRead_KeepTheirFiles_AndNoOthers()
    {
        await StartSweepingAsync();
        var host = await UpAsync();
        var (first, second, third, last) = (await UsedAsync(), await UsedAsync(), await UsedAsync(), await UsedAsync());
        await RowAsync(first.Session, first.Workspace, SessionStatus.Suspended);
        await ChangeAsync("session", first.Session, """{"status":"terminated","checkpoint":7}""");
        await InsertAsync("session", $"acme/{NewSession()}", $$"""{"status":"terminated","workspace_id":"{{second.Workspace}}","updated_at":"soon"}""");
        await EndedAsync(second.Session, second.Workspace);
        await ChangeAsync("workspace", third.Workspace, """{"last_session_id":[]}""");
        await EndedAsync(third.Session, third.Workspace);
        await EndedAsync(last.Session, last.Workspace);
        await SeesForgottenAsync(host, last.Workspace);
        await SeesHostAsync(host, view => view.Workspaces.Order().SequenceEqual(((string[])[first.Workspace, second.Workspace, third.Workspace]).Order()));
    }

    [Fact]
    public async Task FilesOfASessionThatHasJustEnded_StayForAWhile()
    {
        Settings["KeepFiles"] = "01:00:00";
        await StartSweepingAsync();
        var host = await UpAsync();
        var (young, old) = (await UsedAsync(), await UsedAsync());
        await EndedAsync(young.Session, young.Workspace);
        await RowAsync(old.Session, old.Workspace, SessionStatus.Terminated, ago: TimeSpan.FromHours(2));
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
        await EndedAsync(session, workspace);
        await SeesHostAsync(host, view => !view.Workspaces.Contains(workspace));
        Assert.Equal(0, host.Count<ForgetWorkspaceOrder>());
        // What it was to be told outlives its grain.
        await DeactivateAsync(host.Grain);
        await host.AttachAsync();
        await SeesForgottenAsync(host, workspace);
    }

    /// <summary>The word to the host was lost, or the silo died between the two.</summary>
    [Fact]
    public async Task AWorkspaceThatWasGivenUpBefore_IsToldAgain()
    {
        await StartSweepingAsync();
        var host = await UpAsync();
        var (session, _, workspace) = await UsedAsync();
        await RowAsync(session, workspace, SessionStatus.Terminated, _ => null);
        Assert.True(await Workspace(workspace).RetireAsync(session, Cancel));
        await SeesForgottenAsync(host, workspace);
    }

    [Fact]
    public async Task AWorkspace_IsGivenUpByItsLastSessionAlone_AndForGood()
    {
        await StartAsync();
        var workspace = Workspace("ws_0000000000000001");
        Assert.False(await workspace.RetireAsync("sess_1", Cancel));
        await workspace.AcquireAsync("sess_1", 1, Cancel);
        await FailsAsync(FaultCode.Conflict, () => workspace.AcquireAsync("sess_2", 1, Cancel));
        await workspace.FreeAsync("sess_1", Cancel);
        Assert.Equal("sess_1", (await workspace.GetAsync(Cancel)).LastSessionId);
        await workspace.AcquireAsync("sess_2", 1, Cancel);
        Assert.False(await workspace.RetireAsync("sess_1", Cancel));
        Assert.True(await workspace.RetireAsync("sess_2", Cancel));
        await DeactivateAsync(workspace);
        Assert.True(await workspace.RetireAsync("sess_2", Cancel));
        await FailsAsync(FaultCode.Conflict, () => workspace.AcquireAsync("sess_2", 2, Cancel));
    }

    private Task StartSweepingAsync()
    {
        Settings["SweepEvery"] = "00:00:01";
        Settings.TryAdd("KeepFiles", "00:00:00");
        return StartAsync();
    }

    private IWorkspaceGrain Workspace(string id) => Grains.GetGrain<IWorkspaceGrain>(GrainKeys.Of("acme", id));

    private string NewSession() => $"sess_{++_sessions:d16}";

    private static string Home(string session) => $"snap_{session}_home";

    private static Task<int> SeesForgottenAsync(ScriptedHost host, string workspace) => Eventually.SeesAsync(
        "forgotten", () => Task.FromResult(host.Count<ForgetWorkspaceOrder>(order => order.Workspace == $"acme/{workspace}")), count => count == 1, Cancel);

    /// <summary>A session's first runner on a workspace of its own.</summary>
    private async Task<(string Session, string Key, string Workspace)> UsedAsync(bool release = true)
    {
        var session = NewSession();
        var workspace = $"ws_{_sessions:d16}";
        await Workspace(workspace).AcquireAsync(session, 1, Cancel);
        var (key, host) = await RunAsync(workspace: workspace);
        if (release) await Grains.GetGrain<IHostGrain>(PoolKeys.OfHost(Name, host)).OrderAsync(Order(key, RunnerOrderKind.Release), TimeSpan.FromSeconds(10), Cancel);
        return (session, key, workspace);
    }

    private Task EndedAsync(string session, string workspace, Func<RecoveryPoint, RecoveryPoint?>? point = null) =>
        RowAsync(session, workspace, SessionStatus.Terminated, point);

    /// <summary>A session whose last run ended at 5 and is stored since 6, and the rows of its snapshots.</summary>
    private async Task RowAsync(string session, string workspace, SessionStatus status, Func<RecoveryPoint, RecoveryPoint?>? point = null, TimeSpan ago = default)
    {
        var now = TimeProvider.System.GetUtcNow();
        var stored = new RecoveryPoint(now, 6, $"snap_{session}", Home(session), "run", 1, 1) { Epoch = 1, IsQuiet = true, IsComplete = true };
        foreach (var (id, part) in new[] { (stored.Workspace, "workspace"), (stored.Home, "home") })
        {
            await ExecuteAsync(
                """
                insert into marionette.snapshot (tenant, id, session_id, part, created_at, files, directories, links, bytes)
                    values ('acme', $1, $2, $3, now(), 1, 1, 0, 1)
                """,
                id, session, part);
        }

        var row = SessionRows.Session("acme", SessionState.Empty with
        {
            WorkspaceEpoch = 1, RunSeq = 5,
            View = new SessionView
            {
                Id = session, Agent = "claude", WorkspaceId = workspace, Status = status, Epoch = 1, LastSeq = 9, CreatedAt = now, UpdatedAt = now - ago,
                RecoveryPoint = point is null ? stored : point(stored),
            },
        });
        await InsertAsync(row.Type, row.Key, Encoding.UTF8.GetString(row.Json));
    }

    private Task<int> ChangeAsync(string type, string id, string members) => ExecuteAsync(
        "update marionette.grain_state set state = state || $3::text::jsonb where grain_type = $1 and grain_key = $2", type, $"acme/{id}", members);

    private Task<int> InsertAsync(string type, string key, string json) => ExecuteAsync(
        """
        insert into marionette.grain_state (grain_type, grain_key, version, state) values ($1, $2, 1, $3::text::jsonb)
            on conflict (grain_type, grain_key) do update set state = excluded.state
        """,
        type, key, json);
}
