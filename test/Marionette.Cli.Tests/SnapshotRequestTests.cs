using System.Text;
using System.Text.Json.Nodes;
using Marionette.Cli.Tests.Support;

namespace Marionette.Cli.Tests;

/// <summary>Checkpoints, forks, snapshots and storage: what the command lines become on the wire, and what people are shown.</summary>
public sealed class SnapshotRequestTests : IAsyncLifetime, IDisposable
{
    private const string Session = """{"id":"sess_1","agent":"command","status":"suspended","recovery_point":{"workspace":"snap_w","reason":"stop","at":"2026-11-23T11:59:48Z"}}""";

    private readonly string folder = Directory.CreateTempSubdirectory("marionette-cli-").FullName;

    private FakeServer server = null!;

    public async ValueTask InitializeAsync() => server = await FakeServer.StartAsync();

    public ValueTask DisposeAsync() => server.DisposeAsync();

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task Checkpoints_AreShown()
    {
        server.On("GET /api/v1/sessions/sess_1/checkpoints",
            """{"items":[{"id":"ckpt_1","created_at":"2026-11-23T11:59:48Z","reason":"run","seq":12,"files":3,"bytes":2048,"bytes_stored":10,"workspace":"snap_w","home":"snap_h"}],"has_more":false,"total_count":1}""");
        var ran = await Support.Cli.For(server).RunAsync("sessions", "checkpoints", "sess_1", "--limit", "5");
        Assert.Equal(0, ran.Code);
        Assert.Contains("ckpt_1", ran.Out, StringComparison.Ordinal);
        Assert.Contains("2 KiB", ran.Out, StringComparison.Ordinal);
        Assert.EndsWith("?limit=5", Assert.Single(server.Requests).Target, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fork_NamesTheSession_AndSendsWhatIsGiven()
    {
        server.On("GET /api/v1/sessions/sess_1", """{"id":"sess_1","agent":"claude"}""");
        server.On("POST /api/v1/sessions", """{"id":"sess_2"}""", 201);
        var cli = Support.Cli.For(server);
        cli.Variables["ANTHROPIC_API_KEY"] = "sk-env";
        Assert.Equal(0, (await cli.RunAsync("sessions", "fork", "sess_1", "--name", "b", "--provider", "docker", "--model", "m", "--env", "A=1", "--count", "2")).Code);
        var posts = server.Requests.Where(request => request.Method == "POST").ToList();
        Assert.Equal(2, posts.Count);
        Same("""{"from":{"session_id":"sess_1"},"name":"b","provider":"docker","model":"m","api_key":"sk-env","env":{"A":"1"}}""", posts[0].Body);
    }

    [Fact]
    public async Task Fork_OfACheckpoint_NeedsNoMore()
    {
        server.On("GET /api/v1/sessions/sess_1", Session);
        server.On("POST /api/v1/sessions", """{"id":"sess_2"}""", 201);
        Assert.Equal(0, (await Support.Cli.For(server).RunAsync("sessions", "fork", "sess_1", "--checkpoint", "ckpt_1")).Code);
        Same("""{"from":{"checkpoint_id":"ckpt_1"}}""", server.Requests[^1].Body);
        Assert.Equal(2, (await Support.Cli.For(server).RunAsync("sessions", "fork", "sess_1", "--count", "101")).Code);
    }

    [Fact]
    public async Task Restore_OfASessionWithoutARunner_DoesNotSuspendIt()
    {
        server.On("GET /api/v1/sessions/sess_1", Session);
        server.On("POST /api/v1/sessions/sess_1/restore", Session);
        Assert.Equal(0, (await Support.Cli.For(server).RunAsync("sessions", "restore", "sess_1", "ckpt_1")).Code);
        Assert.Equal(["GET /api/v1/sessions/sess_1", "POST /api/v1/sessions/sess_1/restore"], server.Requests.Select(request => $"{request.Method} {request.Target}"));
        Same("""{"checkpoint_id":"ckpt_1"}""", server.Requests[^1].Body);
    }

    [Fact]
    public async Task Files_OfASession_AreThoseOfItsNewestWorkspace()
    {
        server.On("GET /api/v1/sessions/sess_1", Session);
        server.On("GET /api/v1/snapshots/snap_w/files",
            """{"items":[{"path":"src/a","type":"file","mode":"0644","size":5,"modified_at":"2026-11-23T11:59:48Z"},{"path":"src/l","type":"link","mode":"0777","modified_at":"2026-11-23T11:59:48Z","target":"a"}],"has_more":false}""");
        var ran = await Support.Cli.For(server).RunAsync("snapshots", "files", "sess_1", "src");
        Assert.Contains("src/l -> a", ran.Out, StringComparison.Ordinal);
        Assert.EndsWith("?path=src", server.Requests[^1].Target, StringComparison.Ordinal);
        server.On("GET /api/v1/sessions/sess_2", """{"id":"sess_2"}""");
        var none = await Support.Cli.For(server).RunAsync("snapshots", "files", "sess_2");
        Assert.Equal((1, true), (none.Code, none.Error.StartsWith("marionette: sess_2 has no checkpoint yet", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Diff_AsksFromTheFirstToTheSecond()
    {
        server.On("GET /api/v1/snapshots/snap_b/diff", """{"items":[{"path":"a","change":"changed","before":{"size":5},"after":{"size":2048}}],"has_more":false}""");
        var ran = await Support.Cli.For(server).RunAsync("snapshots", "diff", "snap_a", "snap_b");
        Assert.Equal("""
            CHANGE   PATH  BEFORE  AFTER
            changed  a     5 B     2 KiB

            """, ran.Out);
        Assert.EndsWith("?base=snap_a&limit=1000", server.Requests[^1].Target, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Download_UnpacksIntoAFolder_ThatMustBeEmpty()
    {
        var target = Path.Combine(folder, "out");
        server.On("GET /api/v1/snapshots/snap_w/archive", Tar("hello.txt", "hello"));
        var ran = await Support.Cli.For(server).RunAsync("snapshots", "download", "snap_w", "--to", target);
        Assert.Equal((0, ""), (ran.Code, ran.Error));
        Assert.Equal("hello", await File.ReadAllTextAsync(Path.Combine(target, "hello.txt"), TestContext.Current.CancellationToken));
        var again = await Support.Cli.For(server).RunAsync("snapshots", "download", "snap_w", "--to", target);
        Assert.Equal((1, $"marionette: {target} is not empty. Name a new folder.\n"), (again.Code, again.Error));
        Assert.Equal(2, (await Support.Cli.For(server).RunAsync("snapshots", "download", "snap_w", "--to", target, "--file", "x")).Code);
    }

    [Fact]
    public async Task Download_ToAFile_IsWholeOrNotAtAll()
    {
        var target = Path.Combine(folder, "out.tar.gz");
        server.On("GET /api/v1/snapshots/snap_w/archive", Tar("a", "b"));
        Assert.Equal(0, (await Support.Cli.For(server).RunAsync("snapshots", "download", "snap_w", "--path", "src", "--file", target)).Code);
        Assert.EndsWith("?path=src&format=tar.gz", server.Requests[^1].Target, StringComparison.Ordinal);
        server.OnProblem("GET /api/v1/snapshots/snap_x/archive", 404, "not_found", "There is no snapshot snap_x.");
        var missing = Path.Combine(folder, "missing.tar");
        Assert.Equal(1, (await Support.Cli.For(server).RunAsync("snapshots", "download", "snap_x", "--file", missing)).Code);
        Assert.False(File.Exists(missing));
    }

    [Fact]
    public async Task Upload_SendsTheFileAsItIs()
    {
        var file = Path.Combine(folder, "a.tar");
        await File.WriteAllTextAsync(file, "content", TestContext.Current.CancellationToken);
        server.On("POST /api/v1/snapshots", """{"id":"snap_u","part":"upload"}""", 201);
        var ran = await Support.Cli.For(server).RunAsync("snapshots", "upload", file, "--name", "seed", "--strip", "1");
        Assert.Equal(0, ran.Code);
        Assert.Equal(("/api/v1/snapshots?name=seed&strip=1", "content"), (server.Requests[^1].Target, server.Requests[^1].Body));
        Assert.Equal(1, (await Support.Cli.For(server).RunAsync("snapshots", "upload", Path.Combine(folder, "nothing"))).Code);
    }

    [Fact]
    public async Task Create_FromARepository_TakesTheSecretFromTheEnvironment()
    {
        server.On("POST /api/v1/sessions", """{"id":"sess_2"}""", 201);
        var cli = Support.Cli.For(server);
        cli.Variables["MARIONETTE_GIT_SECRET"] = "token";
        Assert.Equal(0, (await cli.RunAsync("sessions", "create", "--agent", "command", "--git", "https://h/r.git", "--git-ref", "main", "--git-depth", "0", "--", "sh")).Code);
        Same("""{"agent":"command","from":{"git":{"url":"https://h/r.git","ref":"main","depth":0,"secret":"token"}},"command":["sh"]}""", server.Requests[^1].Body);
        Assert.Equal(2, (await cli.RunAsync("sessions", "create", "--git-ref", "main")).Code);
    }

    [Fact]
    public async Task Change_SendsWhatIsGiven()
    {
        server.On("PATCH /api/v1/snapshots/snap_w", """{"id":"snap_w","is_kept":true}""");
        Assert.Equal(0, (await Support.Cli.For(server).RunAsync("snapshots", "change", "snap_w", "--keep", "true", "--name", "good")).Code);
        Same("""{"name":"good","is_kept":true}""", server.Requests[^1].Body);
    }

    [Fact]
    public async Task Storage_Check_FailsWhenSomethingIsWrong()
    {
        server.On("POST /api/v1/storage/check", """{"is_sound":false,"snapshots":1,"packs":2,"chunks":3,"defects":["pack x: damaged"]}""");
        var ran = await Support.Cli.For(server).RunAsync("storage", "check", "--read-data");
        Assert.Equal(1, ran.Code);
        Assert.Equal("", ran.Error);
        Assert.Contains("pack x: damaged", ran.Out, StringComparison.Ordinal);
        Assert.EndsWith("?read_data=true", server.Requests[^1].Target, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Storage_ShowsAndCollects()
    {
        server.On("GET /api/v1/storage", """{"bytes_stored":2048,"packs":2,"snapshots":3}""");
        Assert.Contains("2 KiB", (await Support.Cli.For(server).RunAsync("storage", "show")).Out, StringComparison.Ordinal);
        server.On("POST /api/v1/storage/collect", """{"checkpoints":1,"snapshots":2,"packs_condemned":3,"packs_deleted":4,"bytes_deleted":1024}""");
        Assert.Contains("1 KiB", (await Support.Cli.For(server).RunAsync("storage", "collect")).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Storage_ThatLostPacks_SaysSo_AndRewrapNamesWhatItCouldNot()
    {
        server.On("GET /api/v1/storage", """{"bytes_stored":2048,"packs":2,"snapshots":3,"packs_missing":1}""");
        Assert.Contains("1: run 'marionette storage check'", (await Support.Cli.For(server).RunAsync("storage", "show")).Out, StringComparison.Ordinal);
        server.On("POST /api/v1/storage/rewrap", """{"key":"aws-kms:x","rewrapped":2,"failed":[]}""");
        var done = await Support.Cli.For(server).RunAsync("storage", "rewrap");
        Assert.True(done.Code == 0 && done.Out.Contains("aws-kms:x", StringComparison.Ordinal), done.Out);
        server.On("POST /api/v1/storage/rewrap", """{"key":"aws-kms:x","rewrapped":2,"failed":["acme: refused"]}""");
        var some = await Support.Cli.For(server).RunAsync("storage", "rewrap");
        Assert.True(some.Code == 1 && some.Out.Contains("acme: refused", StringComparison.Ordinal), some.Out);
    }

    private static void Same(string expected, string actual) => Assert.True(JsonNode.DeepEquals(JsonNode.Parse(expected), JsonNode.Parse(actual)), actual);

    /// <summary>A tar of one file, as text: the fake server answers with text.</summary>
    private static string Tar(string name, string content)
    {
        using var buffer = new MemoryStream();
        using (var tar = new System.Formats.Tar.TarWriter(buffer, leaveOpen: true))
            tar.WriteEntry(new System.Formats.Tar.UstarTarEntry(System.Formats.Tar.TarEntryType.RegularFile, name) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content)) });
        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}
