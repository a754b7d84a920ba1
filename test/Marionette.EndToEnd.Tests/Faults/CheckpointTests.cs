using System.Security.Cryptography;
using Marionette.EndToEnd.Tests.Behaviour;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>The machine that had a session's files is gone, in whole or in part: the session goes on from its checkpoint.</summary>
public sealed class CheckpointTests(HealthyStack healthy, ITestOutputHelper output) : CheckpointTest, IClassFixture<HealthyStack>
{
    private const int SigKill = 9;

    private protected override Stack Stack => healthy.Stack;

    [Fact]
    public async Task Run_ThatHasEnded_HasItsCheckpoint()
    {
        var session = await CreateAsync();
        await RunAsync(session, "mkdir -p src && printf one > src/a.txt && ln -s a.txt src/link && printf '#!/bin/sh' > run.sh && chmod 755 run.sh");
        var point = await PointAsync(session, "run");
        Assert.StartsWith("snap_", point.Text("workspace"), StringComparison.Ordinal);
        Assert.InRange(point.GetProperty("files").GetInt64(), 2, 100);
        var made = (await Api.EventsAsync(session)).Last(e => e.Text("type") == "checkpoint.created");
        Assert.Equal(point.GetProperty("seq").GetInt64(), made.GetProperty("seq").GetInt64());
        Assert.True(made.GetProperty("data").GetProperty("complete").GetBoolean());
        output.WriteLine(made.GetProperty("data").ToString());
    }

    /// <summary>A file that is longer or shorter each time it is looked at, and large enough to be so three times.</summary>
    [Fact]
    public async Task Checkpoint_OfAFileThatDoesNotStandStill_IsNotComplete()
    {
        const int size = 64 << 20;
        var session = await CreateAsync();
        await RunAsync(session, "printf one > a.txt");
        await PointAsync(session, "run");
        using var ended = new CancellationTokenSource();
        await using var file = File.Create(Path.Combine(await FolderAsync(session), "workspace", "busy"));
        // No holes: those are not read.
        await file.WriteAsync(RandomNumberGenerator.GetBytes(size));
        await file.FlushAsync();
        var writing = Task.Run(
            () =>
            {
                for (var i = 1; !ended.IsCancellationRequested; i = (i % 4096) + 1) file.SetLength(size + i);
            },
            CancellationToken.None);
        try
        {
            await SuspendAsync(session);
        }
        finally
        {
            await ended.CancelAsync();
            await writing;
        }

        var made = (await Api.EventsAsync(session)).Last(e => e.Text("type") == "checkpoint.created").GetProperty("data");
        Assert.Equal("stop", made.Text("reason"));
        Assert.False(made.GetProperty("complete").GetBoolean());
        Assert.Equal("busy", made.GetProperty("skipped")[0].Text("path"));
    }

    /// <summary>The first run's checkpoint is made beside the second run, which waits for it; the second one's has nothing beside it.</summary>
    [Fact]
    public async Task Checkpoint_BesideARun_SaysSo_AndTheOneBehindItIsQuiet()
    {
        var session = await CreateAsync();
        await Api.SubmitAsync(session, "printf one > a.txt");
        var second = await Api.SubmitAsync(session, "until test -e go; do sleep 0.1; done");
        await PointAsync(session, "run");
        await File.WriteAllTextAsync(Path.Combine(await FolderAsync(session), "workspace", "go"), "");
        await Api.TaskEndedAsync(second);
        await Wait.ForAsync(async () => (await MadeAsync()).Count > 1, "the checkpoint behind the second run");
        Assert.Equal([false, true], await MadeAsync());

        async Task<List<bool>> MadeAsync() => [.. (await Api.EventsAsync(session)).Where(e => e.Text("type") == "checkpoint.created")
            .Select(e => e.GetProperty("data").GetProperty("quiet").GetBoolean())];
    }

    [Fact]
    public async Task Folders_GoneAfterASuspend_ComeBackAsTheyWere()
    {
        var session = await CreateAsync();
        await RunAsync(session, """
            mkdir -p a/b empty && printf text > a/b/c.txt && head -c 3000000 /dev/urandom > big.bin && ln -s a/b/c.txt link
            chmod 640 a/b/c.txt && touch -d 2001-02-03T04:05:06 a/b/c.txt && printf seen > $HOME/note
            """);
        var before = await DigestAsync(session);
        await SuspendAsync(session);
        Assert.Equal("stop", (await PointAsync(session, "stop")).Text("reason"));
        Directory.Delete(await FolderAsync(session), recursive: true);

        var after = await DigestAsync(session);
        Assert.Equal(before, after);
        var ready = (await Api.EventsAsync(session)).Where(e => e.Text("type") == "workspace.ready").Select(e => e.GetProperty("data")).ToList();
        Assert.Equal(["new", "restored"], ready.Select(e => e.Text("source")));
        output.WriteLine(ready[^1].ToString());
    }

    [Fact]
    public async Task Folders_OfTheLastRunner_Stay()
    {
        var session = await CreateAsync();
        await RunAsync(session, "printf one > a.txt");
        await SuspendAsync(session);
        // Written behind our back, after the checkpoint: what is newest stays.
        await File.WriteAllTextAsync(Path.Combine(await FolderAsync(session), "workspace", "later.txt"), "later");
        Assert.Equal("onelater", await RunAsync(session, "cat a.txt later.txt"));
        Assert.Equal("kept", (await Api.EventsAsync(session)).Last(e => e.Text("type") == "workspace.ready").GetProperty("data").Text("source"));
    }

    [Fact]
    public async Task Folders_OfAnOlderRunner_AreNotTakenForTheNewest()
    {
        var session = await CreateAsync();
        await RunAsync(session, "printf old > state.txt && printf gone > only-old.txt");
        await SuspendAsync(session);
        var folder = await FolderAsync(session);
        var aside = folder + ".aside";
        Directory.Move(folder, aside);
        // As on another machine: restored there, changed there.
        await RunAsync(session, "printf new > state.txt && rm only-old.txt");
        await SuspendAsync(session);
        Directory.Delete(folder, recursive: true);
        // And back on the first machine, where the old files lie.
        Directory.Move(aside, folder);
        Assert.Equal("new no", await RunAsync(session, "printf '%s ' \"$(cat state.txt)\"; test -e only-old.txt && printf yes || printf no"));
    }

    [Fact]
    public async Task Runner_LostWithItsFolders_GoesOnFromTheCheckpoint()
    {
        var session = await CreateAsync();
        await RunAsync(session, "printf kept > a.txt");
        var point = await PointAsync(session, "run");
        var view = await Api.GetAsync($"/api/v1/sessions/{session}");
        var agent = RunnerProcess.PidOf(RunnerProcess.Folder(Stack.DataDirectory, view))!.Value;
        var folder = await FolderAsync(session);
        // The provider cannot start this agent again: its folder is gone with the rest.
        Directory.Delete(folder, recursive: true);
        Directory.Delete(RunnerProcess.Folder(Stack.DataDirectory, view), recursive: true);
        ServerProcess.Signal(agent, SigKill);

        Assert.Equal("kept", await RunAsync(session, "cat a.txt"));
        var ready = (await Api.EventsAsync(session)).Last(e => e.Text("type") == "workspace.ready").GetProperty("data");
        Assert.Equal(("restored", point.Text("workspace")), (ready.Text("source"), ready.Text("workspace")));
    }

    [Fact]
    public async Task Conversation_ComesBackWithTheHome()
    {
        var session = await Stack.StartClaudeAsync(new { permission_mode = "bypassPermissions" });
        await Api.TaskEndedAsync(await Api.SubmitAsync(session, "@scenario write file=keep.txt text=\"from before\""));
        var before = await Api.GetAsync($"/api/v1/sessions/{session}");
        await SuspendAsync(session);
        Directory.Delete(await FolderAsync(session), recursive: true);
        var ended = await Api.TaskEndedAsync(await Api.SubmitAsync(session, "@scenario say text=again"));
        Assert.Equal("completed", ended.Text("status"));
        var after = await Api.GetAsync($"/api/v1/sessions/{session}");
        Assert.Equal(before.Text("conversation_id"), after.Text("conversation_id"));
        Assert.Equal("from before", (await File.ReadAllTextAsync(Path.Combine(await FolderAsync(session), "workspace", "keep.txt"))).TrimEnd('\n'));
    }

    [Fact]
    public async Task Checkpoint_ThatIsDamaged_RunsNothingOnAnEmptyFolder()
    {
        var session = await CreateAsync();
        await RunAsync(session, "head -c 200000 /dev/urandom > a.bin");
        await SuspendAsync(session);
        Directory.Delete(await FolderAsync(session), recursive: true);
        FlipMiddles();
        var ended = await Api.TaskEndedAsync(await Api.SubmitAsync(session, "echo ran"));
        Assert.Equal(("failed", "workspace_unavailable"), (ended.Text("status"), ended.GetProperty("error").Text("code")));
        Assert.False(File.Exists(Path.Combine(await FolderAsync(session), "workspace", "a.bin")));
        // Mended again: the other tests share this store, and a runner that finds its checkpoint whole goes on.
        FlipMiddles();
        await SuspendAsync(session);
        Assert.Equal("200000", await RunAsync(session, "wc -c < a.bin | tr -d '\\n'"));

        void FlipMiddles()
        {
            foreach (var pack in Directory.EnumerateFiles(Path.Combine(Stack.DataDirectory, "chunks"), "*", SearchOption.AllDirectories))
            {
                if (!pack.Contains("/packs/", StringComparison.Ordinal)) continue;
                File.SetUnixFileMode(pack, UnixFileMode.UserRead | UnixFileMode.UserWrite);
                using var file = new FileStream(pack, FileMode.Open, FileAccess.ReadWrite);
                file.Position = file.Length / 2;
                var middle = file.ReadByte();
                file.Position--;
                file.WriteByte((byte)(middle ^ 1));
            }
        }
    }
}
