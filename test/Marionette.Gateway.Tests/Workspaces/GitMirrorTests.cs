using System.Net;
using Google.Protobuf;
using Grpc.Core;
using Marionette.Gateway.Tests.Support;
using Marionette.Gateway.Workspaces;
using Marionette.Gateway.Workspaces.Upkeep;
using Marionette.Protocol.Workspaces.V1;
using Marionette.TestSupport;
using Marionette.Workspaces;
using Microsoft.Extensions.DependencyInjection;
using static Marionette.Gateway.Tests.Support.WorkspaceClient;

namespace Marionette.Gateway.Tests.Workspaces;

/// <summary>Mirrors of repositories: who is shown one, when one is wanted, and when it goes.</summary>
public sealed class GitMirrorTests(PostgresFixture postgres) : WorkspaceTest(postgres)
{
    private const long Large = 3_000_000;

    private static MirrorName Name => new() { Url = "https://code.example/team/app.git", Depth = 1, User = "robot", Secret = "good" };

    private StoreUpkeep Upkeep => Gateway.Services.GetRequiredService<StoreUpkeep>();

    [Fact]
    public async Task Mirror_IsMadeOfTheSecondClone_AndShownToWhoNamesItsCredential()
    {
        Assert.Equal("", (await OpenAsync(Client, Name)).Snapshot);
        Assert.False(await OfferAsync(Client, Name));
        Assert.Equal("", (await OpenAsync(Client, Name)).Snapshot);
        Assert.True(await OfferAsync(Client, Name));
        // One runner at a time.
        Assert.False(await OfferAsync(Client, Name));
        var made = await StoreAsync(Client, Name);
        var other = AddRunner("acme/run_0VblLnwqr5JQkdmP", "sess_0VblLnwqr5JQkdmP");
        foreach (var url in new[] { Name.Url, "HTTPS://Code.Example:443/team/app.git/" })
            Assert.Equal(made, (await OpenAsync(other, With(name => name.Url = url))).Snapshot);
        AssertSame(Tree(), await RestoreAsync(other, await OpenAsync(other, Name)));
    }

    [Theory]
    [InlineData("secret")]
    [InlineData("user")]
    [InlineData("none")]
    [InlineData("url")]
    [InlineData("depth")]
    [InlineData("filter")]
    [InlineData("tenant")]
    public async Task Mirror_OfAnotherCredentialOrClone_IsNotShown_Dropped_OrReplaced(string other)
    {
        var made = await MakeAsync(Name);
        var asked = With(name =>
        {
            switch (other)
            {
                case "secret": name.Secret = "wrong"; break;
                case "user": name.User = "somebody"; break;
                case "none": name.User = name.Secret = ""; break;
                case "url": name.Url = "https://code.example/team/app"; break;
                case "depth": name.Depth = 0; break;
                case "filter": name.Filter = "blob:none"; break;
            }
        });
        var client = other == "tenant" ? AddRunner("other/run_0VblLnwqr5JQkdmP", "sess_0VblLnwqr5JQkdmP") : Client;
        Assert.Equal("", (await OpenAsync(client, asked)).Snapshot);
        await client.CallAsync<DropMirrorReply>("DropMirror", new DropMirrorRequest { Name = asked, Snapshot = made });
        Assert.Equal(made, (await OpenAsync(Client, Name)).Snapshot);
        Assert.False(await OfferAsync(client, asked));
        await FailsAsync(StatusCode.FailedPrecondition, () => StoreAsync(client, asked, part: "another"));
        Assert.Equal(made, (await OpenAsync(Client, Name)).Snapshot);
    }

    [Fact]
    public async Task Mirror_IsNoSnapshotForAnybody()
    {
        var made = await MakeAsync(Name);
        using var acme = await Gateway.ClientAsync("acme", "*");
        using var list = await acme.GetAsync("/api/v1/snapshots", Cancel);
        Assert.Equal(0, (await GatewayHost.JsonAsync(list)).GetProperty("total_count").GetInt64());
        foreach (var path in new[] { "", "/files", "/content?path=a", "/archive" })
        {
            using var answer = await acme.GetAsync($"/api/v1/snapshots/{made}{path}", Cancel);
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        }

        using var keep = await acme.PatchAsync($"/api/v1/snapshots/{made}", new StringContent("""{"is_kept":true}""", System.Text.Encoding.UTF8, "application/json"), Cancel);
        using var delete = await acme.DeleteAsync($"/api/v1/snapshots/{made}", Cancel);
        using var create = await acme.PostAsync(
            "/api/v1/sessions", new StringContent($$"""{"agent":"claude","from":{"snapshot_id":"{{made}}"} }""", System.Text.Encoding.UTF8, "application/json"), Cancel);
        Assert.Equal((HttpStatusCode.NotFound, HttpStatusCode.NotFound, HttpStatusCode.BadRequest), (keep.StatusCode, delete.StatusCode, create.StatusCode));
        await FailsAsync(StatusCode.NotFound, () => OpenAsync(Client, made));
        await FailsAsync(StatusCode.NotFound, () => ForgetAsync(Client, made));
        using var storage = await acme.GetAsync("/api/v1/storage", Cancel);
        var sizes = await GatewayHost.JsonAsync(storage);
        Assert.Equal((0L, 1L), (sizes.GetProperty("snapshots").GetInt64(), sizes.GetProperty("mirrors").GetInt64()));
        Assert.Equal(made, (await OpenAsync(Client, Name)).Snapshot);
    }

    [Theory]
    [InlineData(0, 0, false)]
    [InlineData(0, 2, false)]
    [InlineData(1000, 0, false)]
    [InlineData(1000, 2, true)]
    [InlineData(Large / 4, 0, true)]
    public async Task Mirror_IsMadeAnew_WhenMuchWasMissing_OrSomethingOfAnOldOne(long fetched, int days, bool isWanted)
    {
        var made = await MakeAsync(Name);
        await Gateway.ExecuteAsync($"update marionette.git_mirror set made_at = now() - interval '{days} days'");
        Assert.Equal(isWanted, await OfferAsync(Client, Name, fetched: fetched));
        if (!isWanted) return;
        var next = await StoreAsync(Client, Name, part: "another");
        Assert.Equal(next, (await OpenAsync(Client, Name)).Snapshot);
        // The one before: for an hour, for those who have just opened it.
        Assert.Equal(0, (await Upkeep.RunAsync("acme", collect: false, Cancel))!.Snapshots);
        await Gateway.ExecuteAsync("update marionette.snapshot set used_at = now() - interval '61 minutes'");
        Assert.Equal(1, (await Upkeep.RunAsync("acme", collect: false, Cancel))!.Snapshots);
        Assert.Equal([next], await RecordsAsync());
        Assert.NotEqual(made, next);
    }

    [Fact]
    public async Task Mirror_ThatIsUsed_IsNotCollected_AndAnUnusedOneGoesWithItsBytes()
    {
        var made = await MakeAsync(Name);
        await Gateway.ExecuteAsync("update marionette.snapshot set used_at = now() - interval '2 hours', created_at = now() - interval '30 days'");
        await Gateway.ExecuteAsync("update marionette.git_mirror set used_at = now() - interval '6 days'");
        for (var i = 0; i < 2; i++) Assert.Equal(0, (await Upkeep.RunAsync("acme", collect: true, Cancel))!.Snapshots);
        AssertSame(Tree(), await RestoreAsync(Client, await OpenAsync(Client, Name)));
        await Gateway.ExecuteAsync("update marionette.snapshot set used_at = now() - interval '2 hours'");
        await Gateway.ExecuteAsync("update marionette.git_mirror set used_at = now() - interval '8 days'");
        Assert.Equal(1, (await Upkeep.RunAsync("acme", collect: true, Cancel))!.Snapshots);
        await Upkeep.RunAsync("acme", collect: true, Cancel);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Store, "acme", "packs"), "*", SearchOption.AllDirectories));
        Assert.Empty(await RecordsAsync());
        Assert.Equal("", (await OpenAsync(Client, Name)).Snapshot);
        Assert.NotEmpty(made);
    }

    [Fact]
    public async Task Mirror_WhoseRowsAreLost_Goes_AndIsNoUploadOfAnybody()
    {
        await MakeAsync(Name);
        await Gateway.ExecuteAsync("truncate marionette.snapshot, marionette.git_mirror");
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Store, "acme"), "*", SearchOption.AllDirectories)) File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddDays(-1));
        Assert.Equal(1, (await Upkeep.RunAsync("acme", collect: false, Cancel))!.RowsMade);
        await Gateway.ExecuteAsync("update marionette.snapshot set used_at = now() - interval '2 hours'");
        Assert.Equal(1, (await Upkeep.RunAsync("acme", collect: false, Cancel))!.Snapshots);
        Assert.Empty(await RecordsAsync());
    }

    [Fact]
    public async Task Mirror_ThatIsDropped_OrCannotBeOpened_IsMadeAnew()
    {
        var made = await MakeAsync(Name);
        await Client.CallAsync<DropMirrorReply>("DropMirror", new DropMirrorRequest { Name = Name, Snapshot = made });
        Assert.Empty(await RecordsAsync());
        Assert.Equal("", (await OpenAsync(Client, Name)).Snapshot);
        Assert.True(await OfferAsync(Client, Name));
        var next = await StoreAsync(Client, Name);
        File.Delete(Path.Combine(Store, "acme", "snapshots", next));
        Assert.Equal("", (await OpenAsync(Client, Name)).Snapshot);
        Assert.True(await OfferAsync(Client, Name));
    }

    [Fact]
    public async Task Mirror_OfACredentialThatStaysAway_IsReplacedByAnothers()
    {
        var made = await MakeAsync(Name);
        var next = With(name => name.Secret = "of the next hour");
        Assert.Equal("", (await OpenAsync(Client, next)).Snapshot);
        await Gateway.ExecuteAsync("update marionette.git_mirror set used_at = now() - interval '61 minutes'");
        Assert.Equal("", (await OpenAsync(Client, next)).Snapshot);
        Assert.False(await OfferAsync(Client, next));
        await OpenAsync(Client, next);
        Assert.True(await OfferAsync(Client, next));
        Assert.NotEqual(made, await StoreAsync(Client, next, part: "another"));
        Assert.Equal("", (await OpenAsync(Client, Name)).Snapshot);
    }

    [Theory]
    [InlineData(1000, 1L << 30, 0, false)]
    [InlineData(Large, Large - 1, 0, false)]
    [InlineData(Large, 1L << 30, 4 * Large - 4, false)]
    [InlineData(Large, 1L << 30, 4 * Large, true)]
    public async Task Mirror_HasBounds(long bytes, long most, long ofTenant, bool isWanted)
    {
        for (var i = 0; i < 2; i++) await OpenAsync(Client, Name);
        Assert.Equal(isWanted, await MirrorsWith(most, ofTenant).OfferAsync("acme", await KeyAsync(), bytes, bytes, Cancel));
    }

    [Fact]
    public async Task Mirrors_ThatAreTurnedOff_AreNotShown()
    {
        await MakeAsync(Name);
        Assert.Null(await MirrorsWith(0, 0).OpenAsync("acme", await KeyAsync(), Cancel));
        Assert.NotNull(await MirrorsWith(1L << 30, 0).OpenAsync("acme", await KeyAsync(), Cancel));
        await Gateway.ExecuteAsync("update marionette.snapshot set used_at = now() - interval '2 hours'");
        Assert.Single(await Gateway.Services.GetRequiredService<GitMirrorTable>().TakeUnneededAsync("acme", TimeSpan.Zero, StoreUpkeep.UsedFor, Cancel));
    }

    [Theory]
    [InlineData("ssh://code.example/app.git", "")]
    [InlineData("git@code.example:app.git", "")]
    [InlineData("https://robot:good@code.example/app.git", "")]
    [InlineData("https://code.example/app.git", "a\nb")]
    [InlineData("", "")]
    public async Task Mirror_OfWhatIsNoAddress_IsInvalid(string url, string user) =>
        await FailsAsync(StatusCode.InvalidArgument, () => OpenAsync(Client, new MirrorName { Url = url, User = user }));

    [Fact]
    public async Task Names_AreNotToBeReadInTheDatabase()
    {
        await MakeAsync(Name);
        await using var command = Gateway.Database.CreateCommand("select string_agg(m::text, ' ') || string_agg(encode(m.name || m.owner, 'escape'), ' ') from marionette.git_mirror m");
        var row = (string)(await command.ExecuteScalarAsync(Cancel))!;
        Assert.DoesNotContain("code.example", row, StringComparison.Ordinal);
        Assert.DoesNotContain("good", row, StringComparison.Ordinal);
    }

    private static MirrorName With(Action<MirrorName> change)
    {
        var name = Name;
        change(name);
        return name;
    }

    private static Task<OpenMirrorReply> OpenAsync(WorkspaceClient client, MirrorName name) => client.CallAsync<OpenMirrorReply>("OpenMirror", new OpenMirrorRequest { Name = name });

    private static async Task<bool> OfferAsync(WorkspaceClient client, MirrorName name, long fetched = Large) =>
        (await client.CallAsync<OfferMirrorReply>("OfferMirror", new OfferMirrorRequest { Name = name, Bytes = Large, Fetched = fetched })).Wanted;

    private async Task<string> MakeAsync(MirrorName name)
    {
        for (var i = 0; i < 2; i++) await OpenAsync(Client, name);
        Assert.True(await OfferAsync(Client, name));
        return await StoreAsync(Client, name);
    }

    /// <summary>Stores a folder as the mirror, as an agent does.</summary>
    private async Task<string> StoreAsync(WorkspaceClient client, MirrorName name, string part = "tree")
    {
        var open = await client.CallAsync<OpenReply>("Open", new OpenRequest());
        var uploader = new Uploader(new RemoteBlobs(client), new RemoteIndex(client), new ConvergenceKey(open.Key.Span), TimeProvider.System);
        var report = await uploader.SnapshotAsync(Tree(part), new SnapshotOptions { Workers = 2 }, async (made, _) => (await client.CallAsync<RecordMirrorReply>(
            "RecordMirror", new RecordMirrorRequest { Name = name, Root = ByteString.CopyFrom(made.Root.ToArray()), Files = made.Files, Bytes = made.Bytes })).Snapshot, _ => Task.CompletedTask, Cancel);
        return report.Id;
    }

    private async Task<string> RestoreAsync(WorkspaceClient client, OpenMirrorReply opened)
    {
        var target = Path.Combine(Folder, Guid.NewGuid().ToString("n"));
        await new Restorer(new RemoteBlobs(client), new RemoteIndex(client), new ConvergenceKey(opened.Key.Span))
            .RestoreAsync(new ChunkRef(opened.Root.Span), target, new RestoreOptions { Workers = 2 }, Cancel);
        return target;
    }

    private GitMirrors MirrorsWith(long most, long ofTenant) => new(
        Gateway.Services.GetRequiredService<ChunkStores>(), Gateway.Services.GetRequiredService<GitMirrorTable>(),
        new GatewayOptions { MasterKey = new(new byte[32]), Keeping = new KeepingOptions { MirrorBytes = most, TenantBytes = ofTenant } });

    private Task<MirrorKey> KeyAsync() => MirrorsWith(1, 0).KeyAsync("acme", new Uri(Name.Url), Name.Depth, Name.Filter, Name.User, Name.Secret, Cancel);

    private async Task<List<string>> RecordsAsync()
    {
        var found = new List<string>();
        await foreach (var info in Gateway.Services.GetRequiredService<ChunkStores>().Of("acme").Blobs.ListAsync(StoreNames.Snapshots, Cancel)) found.Add(StoreNames.Last(info.Name));
        return found;
    }
}
