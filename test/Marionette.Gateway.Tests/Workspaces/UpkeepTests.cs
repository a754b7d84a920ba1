using System.Text.Json;
using Marionette.Gateway.Tests.Support;
using Marionette.Gateway.Workspaces.Upkeep;
using Marionette.TestSupport;
using Marionette.Workspaces;
using Microsoft.Extensions.DependencyInjection;

namespace Marionette.Gateway.Tests.Workspaces;

/// <summary>Retention, collection and reconciliation, over real stores and tables.</summary>
public sealed class UpkeepTests(PostgresFixture postgres) : WorkspaceTest(postgres)
{
    private StoreUpkeep Upkeep => Gateway.Services.GetRequiredService<StoreUpkeep>();

    [Fact]
    public async Task Checkpoints_BeyondTheRules_Go_WithTheirBytes_AndTheNewestStays()
    {
        var tree = Tree();
        var made = new List<SnapshotReport>();
        for (var i = 0; i < 25; i++)
        {
            File.WriteAllBytes(Path.Combine(tree, "changes"), System.Security.Cryptography.RandomNumberGenerator.GetBytes(100_000));
            made.Add(await SnapshotAsync(Client, tree));
            await CheckpointAsync(made[^1].Id, i);
        }

        await SessionAsync("suspended", made[^1].Id, DateTimeOffset.UtcNow);
        await AgeAsync();
        var report = (await Upkeep.RunAsync("acme", collect: true, Cancel))!;
        Assert.Equal((5, 5), (report.Checkpoints, report.Snapshots));
        Assert.Equal(made[5..].Select(one => one.Id), await RecordsAsync());
        Assert.True((await Upkeep.RunAsync("acme", collect: true, Cancel))!.Deleted > 0);
        AssertSame(tree, await RestoreAsync(Client, made[^1].Id));
        await RestoreAsync(Client, made[5].Id);
        Assert.Equal(0, (await Upkeep.RunAsync("acme", collect: true, Cancel))!.Checkpoints);
    }

    [Fact]
    public async Task Snapshot_ThatSomebodyKeeps_OrUses_OrWhoseEventIsOnItsWay_Stays()
    {
        var tree = Tree();
        var (kept, used, superseded, onItsWay) = (await SnapshotAsync(Client, tree), await SnapshotAsync(Client, tree), await SnapshotAsync(Client, tree), await SnapshotAsync(Client, tree));
        await CheckpointAsync(superseded.Id, 1);
        await SessionAsync("suspended", superseded.Id, DateTimeOffset.UtcNow);
        await AgeAsync();
        await Gateway.ExecuteAsync("update marionette.snapshot set kept = true where id = $1", kept.Id);
        await Gateway.ExecuteAsync("update marionette.snapshot set used_at = now() where id = $1", used.Id);
        Assert.Equal(0, (await Upkeep.RunAsync("acme", collect: false, Cancel))!.Snapshots);
        // Its newer checkpoint has come: what stood before it and was never told will never be.
        await Gateway.ExecuteAsync("update marionette.snapshot set kept = false");
        await AgeAsync();
        Assert.Equal(2, (await Upkeep.RunAsync("acme", collect: false, Cancel))!.Snapshots);
        Assert.Equal([superseded.Id, onItsWay.Id], await RecordsAsync());
        await Gateway.ExecuteAsync("update marionette.snapshot set created_at = now() - interval '8 days', used_at = now() - interval '8 days'");
        Assert.Equal(1, (await Upkeep.RunAsync("acme", collect: false, Cancel))!.Snapshots);
        Assert.Equal([superseded.Id], await RecordsAsync());
    }

    [Fact]
    public async Task Session_ThatEndedLongAgo_LeavesNothing()
    {
        var made = await SnapshotAsync(Client, Tree());
        await CheckpointAsync(made.Id, 1);
        await SessionAsync("terminated", made.Id, DateTimeOffset.UtcNow.AddDays(-31));
        await Gateway.ExecuteAsync("update marionette.snapshot set created_at = now() - interval '40 days', used_at = now() - interval '40 days'");
        var report = (await Upkeep.RunAsync("acme", collect: true, Cancel))!;
        Assert.Equal((1, 1), (report.Checkpoints, report.Snapshots));
        await Upkeep.RunAsync("acme", collect: true, Cancel);
        Assert.Empty(Directory.EnumerateFiles(Path.Combine(Store, "acme", "packs"), "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Tables_ThatWereLost_AreMadeAnewFromTheStore()
    {
        var tree = Tree();
        var made = await SnapshotAsync(Client, tree);
        using (var keeper = await Gateway.ClientAsync("acme", "workspaces:write"))
            (await keeper.PatchAsync($"/api/v1/snapshots/{made.Id}", new StringContent("""{"is_kept":true}""", System.Text.Encoding.UTF8, "application/json"), Cancel)).EnsureSuccessStatusCode();
        await Gateway.ExecuteAsync("truncate marionette.snapshot, marionette.chunk, marionette.chunk_pack");
        OldFiles();
        var report = (await Upkeep.RunAsync("acme", collect: true, Cancel))!;
        Assert.Equal(1, report.RowsMade);
        Assert.True(report.PacksAdopted > 0);
        AssertSame(tree, await RestoreAsync(Client, made.Id));
        using var acme = await Gateway.ClientAsync("acme", "workspaces:read");
        using var answer = await acme.GetAsync($"/api/v1/snapshots/{made.Id}", Cancel);
        var row = await GatewayHost.JsonAsync(answer);
        Assert.Equal((Session, true), (row.GetProperty("session_id").GetString(), row.GetProperty("is_kept").GetBoolean()));
    }

    [Fact]
    public async Task Packs_ThatAreGone_AreForgotten_SoThatTheNextSnapshotStoresThemAgain()
    {
        var tree = Tree();
        await SnapshotAsync(Client, tree);
        var packs = Directory.EnumerateFiles(Path.Combine(Store, "acme", "packs"), "*", SearchOption.AllDirectories).OrderBy(pack => new FileInfo(pack).Length).ToList();
        Assert.True(packs.Count > 1);
        // The smallest has the tree.
        packs[..^1].ForEach(File.Delete);
        // The old snapshot is lost, and nothing is deleted because of it.
        Assert.Equal(WorkspaceFault.Missing, (await Assert.ThrowsAsync<WorkspaceException>(() => Upkeep.RunAsync("acme", collect: true, Cancel))).Fault);
        Assert.Null(await Upkeep.RunIfDueAsync("acme", Cancel));
        Assert.Single(await Gateway.Services.GetRequiredService<UpkeepTable>().PacksAsync("acme", Cancel));
        var again = await SnapshotAsync(Client, tree);
        AssertSame(tree, await RestoreAsync(Client, again.Id));
    }

    [Fact]
    public async Task Store_ThatIsNotThere_ChangesNothing()
    {
        var tree = Tree();
        var made = await SnapshotAsync(Client, tree);
        var aside = Path.Combine(Folder, "aside");
        Directory.Move(Path.Combine(Store, "acme"), aside);
        await Assert.ThrowsAsync<WorkspaceException>(() => Upkeep.RunAsync("acme", collect: true, Cancel));
        Directory.Move(aside, Path.Combine(Store, "acme"));
        // Half of it is away: the keys are there, and nothing else.
        Directory.Move(Path.Combine(Store, "acme", "snapshots"), aside);
        await Assert.ThrowsAsync<WorkspaceException>(() => Upkeep.RunAsync("acme", collect: true, Cancel));
        Directory.Move(aside, Path.Combine(Store, "acme", "snapshots"));
        Directory.Move(Path.Combine(Store, "acme", "packs"), aside);
        await Assert.ThrowsAsync<WorkspaceException>(() => Upkeep.RunAsync("acme", collect: true, Cancel));
        Directory.Move(aside, Path.Combine(Store, "acme", "packs"));
        AssertSame(tree, await RestoreAsync(Client, made.Id));
        Assert.Equal([made.Id], await RecordsAsync());
    }

    [Fact]
    public async Task Tenant_IsWorkedOnByOneAtATime()
    {
        await SnapshotAsync(Client, Tree());
        var table = Gateway.Services.GetRequiredService<UpkeepTable>();
        await using (await table.TakeAsync("acme", Cancel))
        {
            Assert.Null(await Upkeep.RunAsync("acme", collect: true, Cancel));
            using var acme = await Gateway.ClientAsync("acme", "workspaces:*");
            using var answer = await acme.PostAsync("/api/v1/storage/collect", null, Cancel);
            Assert.Equal(System.Net.HttpStatusCode.Conflict, answer.StatusCode);
        }

        Assert.NotNull(await Upkeep.RunAsync("acme", collect: true, Cancel));
    }

    [Fact]
    public async Task Round_IsDueOnceAnHour()
    {
        await SnapshotAsync(Client, Tree());
        Assert.NotNull(await Upkeep.RunIfDueAsync("acme", Cancel));
        Assert.Null(await Upkeep.RunIfDueAsync("acme", Cancel));
        await Gateway.ExecuteAsync("update marionette.chunk_upkeep set looked_at = now() - interval '61 minutes'");
        Assert.NotNull(await Upkeep.RunIfDueAsync("acme", Cancel));
        Assert.Equal(["acme"], await Gateway.Services.GetRequiredService<UpkeepTable>().TenantsAsync(Cancel));
    }

    [Fact]
    public async Task Storage_SaysHowMuchThereIs()
    {
        await SnapshotAsync(Client, Tree());
        await Upkeep.RunAsync("acme", collect: true, Cancel);
        using var acme = await Gateway.ClientAsync("acme", "workspaces:*");
        using var answer = await acme.GetAsync("/api/v1/storage", Cancel);
        var storage = await GatewayHost.JsonAsync(answer);
        var files = new DirectoryInfo(Path.Combine(Store, "acme", "packs")).EnumerateFiles("*", SearchOption.AllDirectories).ToList();
        Assert.Equal((1L, files.Count), (storage.GetProperty("snapshots").GetInt64(), storage.GetProperty("packs").GetInt64()));
        Assert.InRange(storage.GetProperty("bytes_stored").GetInt64(), files.Sum(file => file.Length) * 9 / 10, files.Sum(file => file.Length));
        Assert.True(storage.TryGetProperty("collected_at", out _));
        Assert.False(storage.TryGetProperty("bytes_limit", out _));
        Assert.Equal(0, storage.GetProperty("packs_missing").GetInt32());
        using var check = await acme.PostAsync("/api/v1/storage/check?read_data=true", null, Cancel);
        Assert.True((await GatewayHost.JsonAsync(check)).GetProperty("is_sound").GetBoolean());
    }

    [Fact]
    public async Task Rewrap_IsTheOperators_AndTouchesNothingThatIsRightAlready()
    {
        var made = await SnapshotAsync(Client, Tree());
        using var acme = await Gateway.ClientAsync("acme", "workspaces:*");
        using var refused = await acme.PostAsync("/api/v1/storage/rewrap", null, Cancel);
        Assert.Equal(System.Net.HttpStatusCode.Forbidden, refused.StatusCode);
        var keys = Directory.GetFiles(Path.Combine(Store, "acme", "keys"));
        using var answer = await Gateway.Operator.PostAsync("/api/v1/storage/rewrap", null, Cancel);
        var report = await GatewayHost.JsonAsync(answer);
        Assert.StartsWith("local-", report.GetProperty("key").GetString(), StringComparison.Ordinal);
        Assert.Equal((0, 0), (report.GetProperty("rewrapped").GetInt32(), report.GetProperty("failed").GetArrayLength()));
        Assert.Equal(keys, Directory.GetFiles(Path.Combine(Store, "acme", "keys")));
        // Keys under a master key that is not at hand: named, and left alone.
        File.WriteAllBytes(keys[0], new byte[100]);
        using var again = await Gateway.Operator.PostAsync("/api/v1/storage/rewrap", null, Cancel);
        Assert.StartsWith("acme: ", Assert.Single((await GatewayHost.JsonAsync(again)).GetProperty("failed").EnumerateArray()).GetString(), StringComparison.Ordinal);
        Assert.NotEmpty(made.Id);
    }

    [Fact]
    public void Uploads_WhoseGatewayWasKilled_LeaveTheirFoldersNotForEver()
    {
        var (dead, live) = (Directory.CreateTempSubdirectory("marionette-upload-").FullName, Directory.CreateTempSubdirectory("marionette-upload-").FullName);
        Directory.CreateDirectory(Path.Combine(dead, "files", "a"));
        Directory.SetLastWriteTimeUtc(dead, DateTime.UtcNow.AddMinutes(-61));
        Gateway.Services.GetRequiredService<Marionette.Gateway.Workspaces.SnapshotUploads>().Clear();
        Assert.Equal((false, true), (Directory.Exists(dead), Directory.Exists(live)));
        Directory.Delete(live);
    }

    private Task CheckpointAsync(string snapshot, int number)
    {
        var at = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).AddMinutes(number);
        var id = EntityId.Derived(EntityId.Checkpoint, at, $"{number}");
        return Gateway.ExecuteAsync("insert into marionette.grain_state (grain_type, grain_key, version, state) values ('checkpoint', $1, 1, $2::jsonb)", $"acme/{id}",
            JsonSerializer.Serialize(new { id, session_id = Session, created_at = at, seq = number, epoch = 1, reason = "run", workspace = snapshot, home = snapshot }));
    }

    private Task SessionAsync(string status, string snapshot, DateTimeOffset updated) => Gateway.ExecuteAsync(
        "insert into marionette.grain_state (grain_type, grain_key, version, state) values ('session', $1, 1, $2::jsonb)", $"acme/{Session}",
        JsonSerializer.Serialize(new { id = Session, status, updated_at = updated, recovery_point = new { workspace = snapshot, home = snapshot } }));

    /// <summary>Nobody has used them for more than an hour.</summary>
    private Task AgeAsync() => Gateway.ExecuteAsync("update marionette.snapshot set used_at = now() - interval '2 hours'");

    private void OldFiles()
    {
        foreach (var file in Directory.EnumerateFiles(Store, "*", SearchOption.AllDirectories)) File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddHours(-2));
    }

    private async Task<List<string>> RecordsAsync()
    {
        using var folder = new FolderBlobStore(Store);
        var ids = new List<string>();
        await foreach (var info in new PrefixedBlobStore(folder, "acme/").ListAsync("snapshots/", Cancel)) ids.Add(info.Name["snapshots/".Length..]);
        ids.Sort(StringComparer.Ordinal);
        return ids;
    }
}
