using System.Formats.Tar;
using System.IO.Compression;
using System.Net;
using System.Text.Json;
using Marionette.Agent.Tests.Workspaces;
using Marionette.EndToEnd.Tests.Behaviour;
using Marionette.EndToEnd.Tests.Support;

namespace Marionette.EndToEnd.Tests.Faults;

/// <summary>Sessions that begin where another one was, and sessions that go back.</summary>
public sealed class ForkTests(HealthyStack healthy) : IClassFixture<HealthyStack>
{
    private Stack Stack => healthy.Stack;

    private Api Api => healthy.Stack.Api;

    [Fact]
    public async Task Forks_HaveTheFiles_AndGoTheirOwnWays()
    {
        var source = await CreateAsync();
        await RunAsync(source, "printf one > a.txt && printf home > $HOME/note && head -c 2000000 /dev/urandom > big.bin");
        var digest = await RunAsync(source, "sha256sum < big.bin");
        var point = await PointAsync(source, "run");
        var stored = (await Api.GetAsync("/api/v1/storage")).GetProperty("bytes_stored").GetInt64();
        var forks = new[] { await ForkAsync(new { session_id = source }), await ForkAsync(new { session_id = source }) };
        Assert.Equal(stored, (await Api.GetAsync("/api/v1/storage")).GetProperty("bytes_stored").GetInt64());
        foreach (var fork in forks)
        {
            Assert.Equal($"one home {digest}", await RunAsync(fork, $"printf '%s %s ' \"$(cat a.txt)\" \"$(cat $HOME/note)\"; sha256sum < big.bin; printf {fork} > a.txt"));
            var view = await Api.GetAsync($"/api/v1/sessions/{fork}");
            Assert.Equal((source, point.GetProperty("seq").GetInt64()), (view.GetProperty("from").Text("session_id"), view.GetProperty("from").GetProperty("seq").GetInt64()));
            Assert.Equal("command", view.Text("agent"));
        }

        Assert.Equal("one", await RunAsync(source, "cat a.txt"));
        Assert.Equal(forks[0], await RunAsync(forks[0], "cat a.txt"));
        // Compared without a runner of either.
        var points = new[] { await PointAsync(forks[0], "run"), await PointAsync(forks[1], "run") };
        var diff = await Api.GetAsync($"/api/v1/snapshots/{points[1].Text("workspace")}/diff?base={points[0].Text("workspace")}");
        Assert.Equal("a.txt changed", string.Join(';', diff.GetProperty("items").EnumerateArray().Select(one => $"{one.Text("path")} {one.Text("change")}")));
    }

    [Fact]
    public async Task Fork_OfAnOlderCheckpoint_GoesOnInItsConversation()
    {
        var source = await Stack.StartClaudeAsync(new { permission_mode = "bypassPermissions" });
        await Api.TaskEndedAsync(await Api.SubmitAsync(source, "@scenario write file=keep.txt text=\"first\""));
        await PointAsync(source, "run");
        var first = await CheckpointAsync(source);
        await Api.TaskEndedAsync(await Api.SubmitAsync(source, "@scenario write file=keep.txt text=\"second\""));
        await Wait.ForAsync(async () => (await CheckpointAsync(source)).Text("id") != first.Text("id"), "the second checkpoint");
        var before = await Api.GetAsync($"/api/v1/sessions/{source}");

        // Its key is its own.
        Assert.Equal(HttpStatusCode.BadRequest, await Api.StatusAsync("/api/v1/sessions", new { from = new { checkpoint_id = first.Text("id") } }));
        var fork = await Stack.StartClaudeAsync(new { permission_mode = "bypassPermissions", from = new { checkpoint_id = first.Text("id") } });
        var ended = await Api.TaskEndedAsync(await Api.SubmitAsync(fork, "@scenario say text=again"));
        Assert.True(ended.Text("status") == "completed", ended.ToString());
        var view = await Api.GetAsync($"/api/v1/sessions/{fork}");
        Assert.Equal(before.Text("conversation_id"), view.Text("conversation_id"));
        Assert.Equal("first", (await ReadAsync(fork, "keep.txt")).TrimEnd('\n'));
        Assert.Equal("second", (await ReadAsync(source, "keep.txt")).TrimEnd('\n'));
    }

    [Fact]
    public async Task Session_GoesBack_AndForwardAgain()
    {
        var session = await CreateAsync();
        await RunAsync(session, "printf one > a.txt && printf old > only-old.txt");
        await PointAsync(session, "run");
        var first = await CheckpointAsync(session);
        await RunAsync(session, "printf two > a.txt && rm only-old.txt && printf new > only-new.txt");
        Assert.Equal(HttpStatusCode.Conflict, await Api.StatusAsync($"/api/v1/sessions/{session}/restore", new { checkpoint_id = first.Text("id") }));
        await SuspendAsync(session);
        var last = await CheckpointAsync(session);
        var back = await Api.PostAsync($"/api/v1/sessions/{session}/restore", new { checkpoint_id = first.Text("id") });
        Assert.Equal(("restore", first.Text("workspace")), (back.GetProperty("recovery_point").Text("reason"), back.GetProperty("recovery_point").Text("workspace")));
        // The folders of the last runner lie on this machine still, and are not what counts.
        Assert.Equal("one old", await RunAsync(session, "printf '%s ' $(cat a.txt); cat only-old.txt; cat only-new.txt 2>/dev/null || true"));
        await SuspendAsync(session);
        await Api.PostAsync($"/api/v1/sessions/{session}/restore", new { checkpoint_id = last.Text("id") });
        Assert.Equal("two new", await RunAsync(session, "printf '%s ' $(cat a.txt); cat only-new.txt; cat only-old.txt 2>/dev/null || true"));
        var ready = (await Api.EventsAsync(session)).Where(e => e.Text("type") == "workspace.ready").Select(e => e.GetProperty("data").Text("source"));
        Assert.Equal(["new", "restored", "restored"], ready);
    }

    [Fact]
    public async Task Session_BeginsWithARepository_WhoseSecretIsNowhere()
    {
        await using var host = await GitHost.StartAsync();
        var commits = await host.RepositoryAsync("r.git");
        var session = await Api.CreateSessionAsync(new
        {
            agent = "command", command = new[] { "/bin/sh" }, from = new { git = new { url = host.Http("r.git"), @ref = "topic/one", depth = 0, user = GitHost.User, secret = GitHost.Secret } },
        });
        Assert.Equal($"version 2 {commits[1]} 2", await RunAsync(session, "printf '%s %s %s' \"$(cat src/file)\" $(git rev-parse HEAD) $(git rev-list --count HEAD)"));
        var view = await Api.GetAsync($"/api/v1/sessions/{session}");
        Assert.Equal((host.Http("r.git"), "topic/one"), (view.GetProperty("from").GetProperty("git").Text("url"), view.GetProperty("from").GetProperty("git").Text("ref")));
        var events = await Api.EventsAsync(session);
        Assert.Equal(commits[1], events.Single(e => e.Text("type") == "workspace.cloned").GetProperty("data").Text("commit"));
        await PointAsync(session, "run");
        Assert.DoesNotContain(GitHost.Secret, view.ToString() + string.Join('\n', events.Select(e => e.ToString())), StringComparison.Ordinal);
        var folder = Path.Combine(Stack.DataDirectory, "workspaces", view.Text("workspace_id"));
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            Assert.DoesNotContain(GitHost.Secret, await File.ReadAllTextAsync(file), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Session_WhoseRepositoryIsNotThere_RunsNothing_AndSaysWhy()
    {
        await using var host = await GitHost.StartAsync();
        var session = await Api.CreateSessionAsync(new
        {
            agent = "command", command = new[] { "/bin/sh" }, from = new { git = new { url = host.Http("none.git"), user = GitHost.User, secret = GitHost.Secret } },
        });
        var ended = await Api.TaskEndedAsync(await Api.SubmitAsync(session, "touch ran"));
        Assert.Equal(("failed", "workspace_unavailable"), (ended.Text("status"), ended.GetProperty("error").Text("code")));
        Assert.Contains("check url", ended.GetProperty("error").Text("message")!, StringComparison.Ordinal);
        // Mended at the server, the next task finds it.
        await host.RepositoryAsync("none.git");
        Assert.Equal("version 3", await RunAsync(session, "cat src/file; test ! -e ran"));
    }

    [Fact]
    public async Task Session_BeginsWithAnUpload_ThatIsAnArchive()
    {
        var snapshot = await Api.UploadAsync("/api/v1/snapshots?name=seed&strip=1", await ArchiveAsync());
        Assert.Equal(("upload", "seed"), (snapshot.Text("part"), snapshot.Text("name")));
        var session = await Api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/sh" }, from = new { snapshot_id = snapshot.Text("id") } });
        Assert.Equal("hello hello ran", await RunAsync(session, "printf '%s ' $(cat src/a.txt) $(cat link); ./run.sh"));
        var point = await PointAsync(session, "run");
        Assert.StartsWith("snap_", point.Text("home"), StringComparison.Ordinal);
        var listed = await Api.GetAsync($"/api/v1/snapshots/{point.Text("workspace")}/files?path=src");
        Assert.Equal("src/a.txt", listed.GetProperty("items")[0].Text("path"));
    }

    private static async Task<byte[]> ArchiveAsync()
    {
        using var buffer = new MemoryStream();
        await using (var packed = new GZipStream(buffer, CompressionLevel.Fastest, leaveOpen: true))
        await using (var tar = new TarWriter(packed))
        {
            await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, "project/src/a.txt") { DataStream = new MemoryStream("hello"u8.ToArray()) });
            await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.SymbolicLink, "project/link") { LinkName = "src/a.txt" });
            await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, "project/run.sh")
            {
                Mode = UnixFileMode.UserRead | UnixFileMode.UserExecute, DataStream = new MemoryStream("#!/bin/sh\necho ran\n"u8.ToArray()),
            });
        }

        return buffer.ToArray();
    }

    private Task<string> CreateAsync() => Api.CreateSessionAsync(new { agent = "command", command = new[] { "/bin/sh" } });

    private async Task<string> ForkAsync(object from) => (await Api.PostAsync("/api/v1/sessions", new { from })).Text("id")!;

    private async Task<string> RunAsync(string session, string script)
    {
        var ended = await Api.TaskEndedAsync(await Api.SubmitAsync(session, script));
        Assert.True(ended.Text("status") == "completed", ended.ToString());
        return (ended.MaybeText("result") ?? "").TrimEnd('\n');
    }

    private async Task SuspendAsync(string session)
    {
        await Api.PostAsync($"/api/v1/sessions/{session}/suspend", new { });
        await Api.SessionInAsync(session, "suspended");
        var workspace = (await Api.GetAsync($"/api/v1/sessions/{session}")).Text("workspace_id");
        await Wait.ForAsync(() => !RunnerProcess.AnyIn(Stack.DataDirectory, workspace), "the runner's end");
    }

    private async Task<JsonElement> CheckpointAsync(string session) =>
        (await Api.GetAsync($"/api/v1/sessions/{session}/checkpoints?limit=1")).GetProperty("items")[0];

    private async Task<JsonElement> PointAsync(string session, string reason)
    {
        JsonElement point = default;
        await Wait.ForAsync(
            async () => (await Api.GetAsync($"/api/v1/sessions/{session}")).TryGetProperty("recovery_point", out point) && point.Text("reason") == reason,
            $"a checkpoint of {session}");
        return point;
    }

    private async Task<string> ReadAsync(string session, string file) => await File.ReadAllTextAsync(
        Path.Combine(Stack.DataDirectory, "workspaces", (await Api.GetAsync($"/api/v1/sessions/{session}")).Text("workspace_id"), "workspace", file));
}
