using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Marionette.Gateway.Tests.Support;
using Marionette.Gateway.Workspaces;
using Marionette.TestSupport;

namespace Marionette.Gateway.Tests.Workspaces;

/// <summary>Snapshots through REST, as runners have stored them.</summary>
public sealed class SnapshotRestTests(PostgresFixture postgres) : WorkspaceTest(postgres)
{
    [Fact]
    public async Task List_HasASessionsSnapshots_NewestFirst_InPages()
    {
        using var acme = await Gateway.ClientAsync("acme", "workspaces:*");
        var tree = Tree();
        var first = await SnapshotAsync(Client, tree);
        var second = await SnapshotAsync(Client, tree, "home");
        var other = await SnapshotAsync(AddRunner("acme/run_0VblLnwqr5JQkdmP", "sess_0VblLnwqr5JQkdmP"), tree);
        var page = await GetAsync(acme, $"?session_id={Session}&limit=1");
        Assert.Equal((second.Id, 2L, true), (Ids(page)[0], page.GetProperty("total_count").GetInt64(), page.GetProperty("has_more").GetBoolean()));
        var next = await GetAsync(acme, $"?session_id={Session}&limit=1&cursor={page.GetProperty("next_cursor").GetString()}");
        Assert.Equal([first.Id], Ids(next));
        Assert.False(next.GetProperty("has_more").GetBoolean());
        Assert.Equal([other.Id, first.Id], Ids(await GetAsync(acme, "?part=workspace")));
        var one = await GetAsync(acme, $"/{first.Id}");
        Assert.Equal((Session, "workspace", 3L, first.Bytes), (one.GetProperty("session_id").GetString(), one.GetProperty("part").GetString(), one.GetProperty("files").GetInt64(), one.GetProperty("bytes").GetInt64()));
    }

    [Fact]
    public async Task Files_AreSeen_AndRead_WithoutARunner()
    {
        using var acme = await Gateway.ClientAsync("acme", "workspaces:read");
        var tree = Tree();
        File.CreateSymbolicLink(Path.Combine(tree, "link"), "deep/large");
        File.SetUnixFileMode(Path.Combine(tree, "a"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
        var made = await SnapshotAsync(Client, tree);
        var root = (await GetAsync(acme, $"/{made.Id}/files")).GetProperty("items").EnumerateArray().ToList();
        Assert.Equal(["a file 0600", "deep directory", "link link"], root.Select(file =>
            $"{file.GetProperty("path")} {file.GetProperty("type")}{(file.GetProperty("type").GetString() == "file" ? $" {file.GetProperty("mode")}" : "")}"));
        Assert.Equal("deep/large", root[2].GetProperty("target").GetString());
        var first = await GetAsync(acme, $"/{made.Id}/files?path=/deep/./&limit=1");
        Assert.Equal("deep/er", first.GetProperty("items")[0].GetProperty("path").GetString());
        var rest = await GetAsync(acme, $"/{made.Id}/files?path=deep&cursor={first.GetProperty("next_cursor").GetString()}");
        Assert.Equal(["deep/large"], rest.GetProperty("items").EnumerateArray().Select(file => file.GetProperty("path").GetString()));
        using var content = await acme.GetAsync($"/api/v1/snapshots/{made.Id}/content?path=deep/large", Cancel);
        Assert.Equal(("application/octet-stream", 3_000_000L), (content.Content.Headers.ContentType!.MediaType, content.Content.Headers.ContentLength));
        Assert.Equal("attachment; filename=large; filename*=UTF-8''large", content.Content.Headers.ContentDisposition!.ToString());
        Assert.True((await content.Content.ReadAsByteArrayAsync(Cancel)).AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(tree, "deep", "large"))));
    }

    [Theory]
    [InlineData("files?path=nothing", HttpStatusCode.NotFound)]
    [InlineData("files?path=a", HttpStatusCode.BadRequest)]
    [InlineData("files?path=../..", HttpStatusCode.BadRequest)]
    [InlineData("files?limit=0", HttpStatusCode.BadRequest)]
    [InlineData("files?cursor=!", HttpStatusCode.BadRequest)]
    [InlineData("content", HttpStatusCode.BadRequest)]
    [InlineData("content?path=deep", HttpStatusCode.BadRequest)]
    [InlineData("content?path=deep/nothing", HttpStatusCode.NotFound)]
    [InlineData("content?path=a/b", HttpStatusCode.NotFound)]
    [InlineData("archive?format=rar", HttpStatusCode.BadRequest)]
    [InlineData("archive?path=nothing", HttpStatusCode.NotFound)]
    [InlineData("diff", HttpStatusCode.BadRequest)]
    [InlineData("diff?base=snap_1", HttpStatusCode.NotFound)]
    public async Task Request_ThatCannotBeMet_SaysWhy(string request, HttpStatusCode expected)
    {
        using var acme = await Gateway.ClientAsync("acme", "workspaces:read");
        var made = await SnapshotAsync(Client, Tree());
        using var answer = await acme.GetAsync($"/api/v1/snapshots/{made.Id}/{request}", Cancel);
        Assert.Equal((expected, "application/problem+json"), (answer.StatusCode, answer.Content.Headers.ContentType?.MediaType));
        Assert.DoesNotContain(Folder, await answer.Content.ReadAsStringAsync(Cancel));
    }

    [Theory]
    [InlineData("tar")]
    [InlineData("tar.gz")]
    public async Task Archive_OfASnapshot_MakesOneWithTheSameFiles(string format)
    {
        using var acme = await Gateway.ClientAsync("acme", "workspaces:*");
        var tree = Tree();
        File.CreateSymbolicLink(Path.Combine(tree, "link"), "deep/large");
        var made = await SnapshotAsync(Client, tree);
        using var archive = await acme.GetAsync($"/api/v1/snapshots/{made.Id}/archive?format={format}", Cancel);
        Assert.Equal(($"attachment; filename={made.Id}.{format}; filename*=UTF-8''{made.Id}.{format}", format == "tar" ? "application/x-tar" : "application/gzip"),
            (archive.Content.Headers.ContentDisposition!.ToString(), archive.Content.Headers.ContentType!.MediaType));
        using var answer = await acme.PostAsync("/api/v1/snapshots?name=again", new ByteArrayContent(await archive.Content.ReadAsByteArrayAsync(Cancel)), Cancel);
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        var uploaded = await GatewayHost.JsonAsync(answer);
        Assert.Equal(("upload", "again", made.Bytes), (uploaded.GetProperty("part").GetString(), uploaded.GetProperty("name").GetString(), uploaded.GetProperty("bytes").GetInt64()));
        Assert.False(uploaded.TryGetProperty("session_id", out _));
        var id = uploaded.GetProperty("id").GetString()!;
        Assert.Equal($"/api/v1/snapshots/{id}", answer.Headers.Location!.ToString());
        Assert.Empty((await GetAsync(acme, $"/{id}/diff?base={made.Id}")).GetProperty("items").EnumerateArray());
        // A table that was lost knows its name still: the record has it.
        var stores = (ChunkStores)Gateway.Services.GetService(typeof(ChunkStores))!;
        Assert.Equal("again", SnapshotRow.Of((await stores.Of("acme").FindAsync(id, Cancel)).Record).Name);
    }

    [Fact]
    public async Task Upload_ThatIsNoArchive_OrLeadsOut_IsRefused_AndLeavesNothing()
    {
        using var acme = await Gateway.ClientAsync("acme", "workspaces:*");
        using var hostile = new MemoryStream();
        await using (var tar = new System.Formats.Tar.TarWriter(hostile, leaveOpen: true))
            await tar.WriteEntryAsync(new System.Formats.Tar.PaxTarEntry(System.Formats.Tar.TarEntryType.RegularFile, "../out.txt") { DataStream = new MemoryStream("x"u8.ToArray()) }, Cancel);
        foreach (var (content, word) in new[] { ("no archive at all, only some words"u8.ToArray(), ""), (hostile.ToArray(), "../out.txt"), (Array.Empty<byte>(), "") })
        {
            using var answer = await acme.PostAsync("/api/v1/snapshots", new ByteArrayContent(content), Cancel);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
            Assert.Contains(word, (await GatewayHost.JsonAsync(answer)).GetProperty("detail").GetString()!);
        }

        using var strip = await acme.PostAsync("/api/v1/snapshots?strip=-1", new ByteArrayContent([]), Cancel);
        Assert.Equal(HttpStatusCode.BadRequest, strip.StatusCode);
        Assert.Empty(Ids(await GetAsync(acme, "")));
    }

    [Fact]
    public async Task Diff_SaysWhatChanged_FromTheOneBefore()
    {
        using var acme = await Gateway.ClientAsync("acme", "workspaces:read");
        var tree = Tree();
        var before = await SnapshotAsync(Client, tree);
        File.WriteAllText(Path.Combine(tree, "a"), "changed");
        File.Delete(Path.Combine(tree, "deep", "large"));
        File.WriteAllText(Path.Combine(tree, "new"), "new");
        var after = await SnapshotAsync(Client, tree);
        var diff = await GetAsync(acme, $"/{after.Id}/diff?base={before.Id}");
        Assert.Equal(["a changed", "deep/large removed", "new added"], diff.GetProperty("items").EnumerateArray().Select(one => $"{one.GetProperty("path")} {one.GetProperty("change")}"));
        Assert.Equal((5L, 7L), (diff.GetProperty("items")[0].GetProperty("before").GetProperty("size").GetInt64(), diff.GetProperty("items")[0].GetProperty("after").GetProperty("size").GetInt64()));
        Assert.True((await GetAsync(acme, $"/{after.Id}/diff?base={before.Id}&limit=2")).GetProperty("has_more").GetBoolean());
    }

    [Fact]
    public async Task Snapshot_IsNamed_Kept_AndDeleted()
    {
        using var acme = await Gateway.ClientAsync("acme", "workspaces:*");
        var made = await SnapshotAsync(Client, Tree());
        var path = $"/api/v1/snapshots/{made.Id}";
        using var named = await acme.PatchAsync(path, Json("""{"name":"good","is_kept":true}"""), Cancel);
        var changed = await GatewayHost.JsonAsync(named);
        Assert.Equal(("good", true), (changed.GetProperty("name").GetString(), changed.GetProperty("is_kept").GetBoolean()));
        using var unnamed = await acme.PatchAsync(path, Json("""{"name":""}"""), Cancel);
        Assert.False((await GatewayHost.JsonAsync(unnamed)).TryGetProperty("name", out _));
        using var wrong = await acme.PatchAsync(path, Json("""{"name":"a\u0007"}"""), Cancel);
        Assert.Equal(HttpStatusCode.BadRequest, wrong.StatusCode);
        // A moment ago: the event of its checkpoint may be on its way.
        using var early = await acme.DeleteAsync(path, Cancel);
        Assert.Equal(HttpStatusCode.Conflict, early.StatusCode);
        await OldAsync(made.Id);
        using var deleted = await acme.DeleteAsync(path, Cancel);
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
        using var again = await acme.GetAsync(path, Cancel);
        Assert.Equal(HttpStatusCode.NotFound, again.StatusCode);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Store, "acme", "snapshots"), "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Snapshot_ThatASessionGoesOnFrom_IsNotDeleted()
    {
        using var acme = await Gateway.ClientAsync("acme", "workspaces:*");
        var made = await SnapshotAsync(Client, Tree());
        await Gateway.ExecuteAsync("insert into marionette.grain_state (grain_type, grain_key, version, state) values ('session', $1, 1, $2::jsonb)",
            $"acme/{Session}", $$"""{"id":"{{Session}}","status":"suspended","recovery_point":{"workspace":"{{made.Id}}","home":"snap_x"} }""");
        using var refused = await acme.DeleteAsync($"/api/v1/snapshots/{made.Id}", Cancel);
        Assert.Equal(HttpStatusCode.Conflict, refused.StatusCode);
        await OldAsync(made.Id);
        using var still = await acme.DeleteAsync($"/api/v1/snapshots/{made.Id}", Cancel);
        Assert.Equal(HttpStatusCode.Conflict, still.StatusCode);
        await RestoreAsync(Client, made.Id);
        await Gateway.ExecuteAsync("update marionette.grain_state set state = jsonb_set(state, '{status}', '\"terminated\"') where grain_key = $1", $"acme/{Session}");
        using var deleted = await acme.DeleteAsync($"/api/v1/snapshots/{made.Id}", Cancel);
        Assert.Equal(HttpStatusCode.NoContent, deleted.StatusCode);
    }

    [Fact]
    public async Task Snapshots_OfAnotherTenant_AreNotThere()
    {
        using var other = await Gateway.ClientAsync("other", "*");
        var made = await SnapshotAsync(Client, Tree());
        foreach (var path in new[] { "", "/files", "/content?path=a", $"/diff?base={made.Id}" })
        {
            using var answer = await other.GetAsync($"/api/v1/snapshots/{made.Id}{path}", Cancel);
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        }

        using var deleted = await other.DeleteAsync($"/api/v1/snapshots/{made.Id}", Cancel);
        Assert.Equal(HttpStatusCode.NotFound, deleted.StatusCode);
        Assert.Empty(Ids(await GetAsync(other, "")));
        using var mine = await Gateway.ClientAsync("acme", "sessions:read");
        using var forbidden = await mine.GetAsync($"/api/v1/snapshots/{made.Id}", Cancel);
        Assert.Equal(HttpStatusCode.Forbidden, forbidden.StatusCode);
    }

    [Fact]
    public async Task Content_ThatIsDamaged_IsSaid_AndNeverShown()
    {
        using var acme = await Gateway.ClientAsync("acme", "workspaces:*");
        var made = await SnapshotAsync(Client, Tree());
        foreach (var pack in Directory.EnumerateFiles(Path.Combine(Store, "acme", "packs"), "*", SearchOption.AllDirectories))
        {
            var bytes = File.ReadAllBytes(pack);
            bytes[bytes.Length / 3] ^= 1;
            File.WriteAllBytes(pack, bytes);
        }

        using var check = await acme.PostAsync("/api/v1/storage/check?read_data=true", null, Cancel);
        var report = await GatewayHost.JsonAsync(check);
        Assert.False(report.GetProperty("is_sound").GetBoolean());
        Assert.NotEqual(0, report.GetProperty("defects").GetArrayLength());
        var failed = await Record.ExceptionAsync(async () =>
        {
            using var answer = await acme.GetAsync($"/api/v1/snapshots/{made.Id}/content?path=deep/large", Cancel);
            Assert.Equal(HttpStatusCode.InternalServerError, answer.StatusCode);
        });
        Assert.True(failed is null or HttpRequestException, $"{failed}");
    }

    [Fact]
    public async Task Copy_IsAnotherSessionsOwn_AndSharesEveryChunk()
    {
        var tree = Tree();
        var made = await SnapshotAsync(Client, tree);
        var stores = (ChunkStores)Gateway.Services.GetService(typeof(ChunkStores))!;
        var before = new DirectoryInfo(Path.Combine(Store, "acme", "packs")).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length);
        var other = AddRunner("acme/run_0VblLnwqr5JQkdmP", "sess_0VblLnwqr5JQkdmP");
        await WorkspaceClient.FailsAsync(global::Grpc.Core.StatusCode.NotFound, () => OpenAsync(other, made.Id));
        var copy = await stores.SnapshotsOf("acme").CopyAsync(made.Id, Session, SnapshotRow.LabelOf("sess_0VblLnwqr5JQkdmP", "workspace"), Cancel);
        await ForgetAsync(Client, made.Id);
        AssertSame(tree, await RestoreAsync(other, copy.Id));
        Assert.Equal(before, new DirectoryInfo(Path.Combine(Store, "acme", "packs")).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length));
    }

    private Task OldAsync(string id) =>
        Gateway.ExecuteAsync("update marionette.snapshot set created_at = now() - interval '1 hour', used_at = now() - interval '1 hour' where id = $1", id);

    private static StringContent Json(string body) => new(body, MediaTypeHeaderValue.Parse("application/json"));

    private static async Task<JsonElement> GetAsync(HttpClient client, string path)
    {
        using var answer = await client.GetAsync("/api/v1/snapshots" + path, Cancel);
        Assert.True(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync(Cancel));
        return await GatewayHost.JsonAsync(answer);
    }

    private static List<string> Ids(JsonElement list) => [.. list.GetProperty("items").EnumerateArray().Select(item => item.GetProperty("id").GetString()!)];
}
