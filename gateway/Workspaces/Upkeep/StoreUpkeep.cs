using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces.Upkeep;

/// <summary>
/// Looks after one tenant's part of the chunk store: rows and index against what is stored, rules of retention, and the deletion of what no snapshot needs.
/// One gateway at a time; whatever dies in between is done again by the next round.
/// </summary>
internal sealed partial class StoreUpkeep(
    ChunkStores stores, SnapshotTable snapshots, GitMirrorTable mirrors, UpkeepTable table, GatewayOptions options, TimeProvider clock, ILogger<StoreUpkeep> log)
{
    /// <summary>Who has just opened a snapshot may read on for so long, whatever a rule says.</summary>
    public static readonly TimeSpan UsedFor = TimeSpan.FromHours(1);

    /// <summary>A snapshot that no checkpoint names may be one whose event is still with its runner.</summary>
    public static readonly TimeSpan UnnamedFor = TimeSpan.FromDays(7);

    private static readonly TimeSpan Grace = TimeSpan.FromHours(1);

    private const int AtATime = 64;

    /// <summary>A round, if one is due.</summary>
    /// <returns>Null: nothing is due, or another gateway is at work on it.</returns>
    public async Task<UpkeepReport?> RunIfDueAsync(string tenant, CancellationToken cancellationToken)
    {
        var times = await table.TimesAsync(tenant, cancellationToken);
        if (times.LookedAt is { } looked && looked + options.Keeping.UpkeepInterval > clock.GetUtcNow()) return null;
        return await RunAsync(tenant, collect: false, cancellationToken);
    }

    /// <summary>A round.</summary>
    /// <param name="collect">Also when it is not time for a collection yet.</param>
    /// <returns>Null: another gateway is at work on it.</returns>
    /// <exception cref="WorkspaceException">The store cannot be read, or has no keys of the tenant; what was not done is done by the next round.</exception>
    public async Task<UpkeepReport?> RunAsync(string tenant, bool collect, CancellationToken cancellationToken)
    {
        var held = await table.TakeAsync(tenant, cancellationToken);
        if (held is null) return null;
        await using (held)
        {
            // A store that is not where it should be looks like an empty one, and nothing follows from that.
            await stores.Of(tenant).OpenKeysAsync(cancellationToken);
            var report = await ReconcileAsync(tenant, new UpkeepReport(), cancellationToken);
            report = await RetainAsync(tenant, report, cancellationToken);
            var now = clock.GetUtcNow();
            var times = await table.TimesAsync(tenant, cancellationToken);
            bool? isDirty = null;
            // A collection that cannot be done, because a snapshot is damaged, is not tried again every minute.
            await table.NoteAsync(tenant, now, isDirty, report, cancellationToken);
            if (collect || times.IsDirty && (times.CollectedAt is not { } last || last + options.Keeping.CollectInterval <= now))
                            {
                (report, isDirty) = await CollectAsync(tenant, report, collect, cancellationToken);
                await table.NoteAsync(tenant, now, isDirty, report, cancellationToken);
            }

            LogDone(tenant, report.Checkpoints, report.Snapshots, report.Deleted, report.BytesDeleted, report.Condemned);
            return report;
        }
    }

    /// <summary>Makes the tables say what the store has: after a crash between the two, and after a backup of one of them has come back.</summary>
    private async Task<UpkeepReport> ReconcileAsync(string tenant, UpkeepReport report, CancellationToken cancellationToken)
    {
        var chunks = stores.Of(tenant);
        // Rows first: a record that is written from here on has no row in this set, and is no row that lacks its record.
        var rows = await snapshots.IdsAsync(tenant, cancellationToken);
        var (made, records) = (0, new HashSet<string>(StringComparer.Ordinal));
        await foreach (var info in chunks.Blobs.ListAsync(StoreNames.Snapshots, cancellationToken))
        {
            var id = StoreNames.Last(info.Name);
            if (!SnapshotCatalog.IsId(id)) continue;
            records.Add(id);
            if (rows.Contains(id) || info.Written > clock.GetUtcNow() - Grace || !await MakeRowAsync(tenant, id, cancellationToken)) continue;
            made++;
        }

        var gone = rows.Where(id => !records.Contains(id)).ToList();
        if (gone.Count > 0)
        {
            await MustBeWholeAsync(tenant, records.Count, cancellationToken);
            await snapshots.RemoveAsync(tenant, gone, cancellationToken);
        }

        var (missing, adopted) = await PacksAsync(tenant, chunks, cancellationToken);
        if (adopted > 0) await table.MarkAsync(tenant, isDirty: true, cancellationToken);
        return report with { RowsMade = made, RowsRemoved = gone.Count, PacksMissing = missing, PacksAdopted = adopted };
    }

    /// <summary>A store that went away while it was listed looks like one that has lost something: nothing follows from a list that is empty, or that the keys are not beside.</summary>
    private async Task MustBeWholeAsync(string tenant, int listed, CancellationToken cancellationToken)
    {
        await stores.Of(tenant).OpenKeysAsync(cancellationToken);
        if (listed == 0) throw WorkspaceException.Io("The store lists nothing, and the database knows of something. If it was emptied on purpose, delete the tenant's rows of snapshot and chunk_pack.");
    }

    private async Task<bool> MakeRowAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        try
        {
            await stores.SnapshotsOf(tenant).RemakeAsync(id, cancellationToken);
            return true;
        }
        catch (WorkspaceException fault) when (fault.Fault is WorkspaceFault.Missing or WorkspaceFault.Corrupt or WorkspaceFault.WrongKey or WorkspaceFault.UnsupportedVersion)
        {
            // Deleted meanwhile; or a person has to look: a collection says the same, and deletes nothing.
            LogRecord(tenant, id, fault.Message);
            return false;
        }
    }

    /// <summary>
    /// Packs against the index. One that the index alone knows is lost: forgotten, so that the next snapshot stores its content again. One that the store alone
    /// has, and that is not condemned, was left by an upload that died, or the index is older: known from here on, and collected if nobody needs it.
    /// </summary>
    private async Task<(int Missing, int Adopted)> PacksAsync(string tenant, TenantChunks chunks, CancellationToken cancellationToken)
    {
        var known = await table.PacksAsync(tenant, cancellationToken);
        var condemned = await CondemnedPacks.ReadNamesAsync(chunks.Blobs, cancellationToken);
        var adopted = new List<PackContents>();
        var (count, stored) = (0, new HashSet<string>(StringComparer.Ordinal));
        await foreach (var info in chunks.Blobs.ListAsync(StoreNames.Packs, cancellationToken))
        {
            var pack = StoreNames.Last(info.Name);
            stored.Add(pack);
            if (!StoreNames.IsPack(pack) || known.Contains(pack) || condemned.Contains(pack) || info.Written > clock.GetUtcNow() - Grace) continue;
            try
            {
                adopted.Add(await PackReader.ReadListAsync(chunks.Blobs, pack, cancellationToken));
                count++;
            }
            catch (WorkspaceException fault) when (fault.Fault is WorkspaceFault.Corrupt or WorkspaceFault.Missing or WorkspaceFault.UnsupportedVersion)
            {
                LogPack(tenant, pack, fault.Message);
            }

            if (adopted.Count < AtATime) continue;
            await chunks.Index.AddAsync(adopted, cancellationToken);
            adopted.Clear();
        }

        await chunks.Index.AddAsync(adopted, cancellationToken);
        var missing = known.Where(pack => !stored.Contains(pack)).ToList();
        if (missing.Count > 0)
        {
            await MustBeWholeAsync(tenant, stored.Count, cancellationToken);
            LogMissing(tenant, missing.Count, missing[0]);
            await chunks.Index.RemoveAsync(missing, cancellationToken);
        }

        return (missing.Count, count);
    }

    private async Task<UpkeepReport> RetainAsync(string tenant, UpkeepReport report, CancellationToken cancellationToken)
    {
        var now = clock.GetUtcNow();
        var (dropped, gone) = (0, new List<string>());
        await foreach (var session in table.SessionsAsync(tenant, cancellationToken))
        {
            gone.AddRange(options.Keeping.Retention.Choose(session.Checkpoints, session.EndedAt, now));
            if (gone.Count < AtATime) continue;
            dropped += gone.Count;
            await table.DropAsync(tenant, gone, cancellationToken);
            gone.Clear();
        }

        await table.DropAsync(tenant, gone, cancellationToken);
        var unneeded = await table.TakeUnneededAsync(tenant, options.Keeping.Retention, now, cancellationToken);
        unneeded.AddRange(await mirrors.TakeUnneededAsync(tenant, options.Keeping.MirrorBytes > 0 ? options.Keeping.KeepMirrors : TimeSpan.Zero, UsedFor, cancellationToken));
        var all = stores.SnapshotsOf(tenant);
        foreach (var id in unneeded) await all.RemoveRecordAsync(id, cancellationToken);
        if (unneeded.Count > 0) await table.MarkAsync(tenant, isDirty: true, cancellationToken);
        return report with { Checkpoints = dropped + gone.Count, Snapshots = unneeded.Count };
    }

    private async Task<(UpkeepReport Report, bool IsDirty)> CollectAsync(string tenant, UpkeepReport report, bool isAsked, CancellationToken cancellationToken)
    {
        // Noted before it is looked at: what is deleted meanwhile makes it dirty again.
        await table.MarkAsync(tenant, isDirty: false, cancellationToken);
        CollectReport collected;
        try
        {
            collected = await stores.Of(tenant).CollectAsync(new CollectOptions { Grace = isAsked ? TimeSpan.Zero : Grace }, cancellationToken);
        }
        catch
        {
            await table.MarkAsync(tenant, isDirty: true, CancellationToken.None);
            throw;
        }

        report = report with { Condemned = collected.Condemned, Deleted = collected.Deleted, BytesDeleted = collected.BytesDeleted, Repacked = collected.Repacked };
        var waits = (await CondemnedPacks.ReadNamesAsync(stores.Of(tenant).Blobs, cancellationToken)).Count > 0;
        return (report, waits);
    }

    [LoggerMessage(6141, LogLevel.Information,
        "Upkeep of tenant {Tenant}: {Checkpoints} checkpoints and {Snapshots} snapshots went, {Deleted} packs with {Bytes} bytes were deleted, {Condemned} are condemned",
        EventName = "gateway.upkeep.done")]
    private partial void LogDone(string tenant, int checkpoints, int snapshots, int deleted, long bytes, int condemned);

    [LoggerMessage(6142, LogLevel.Error, "Tenant {Tenant}: {Count} packs are gone from the chunk store, {First} among them: restore them from a backup", EventName = "gateway.upkeep.packs_missing")]
    private partial void LogMissing(string tenant, int count, string first);

    [LoggerMessage(6143, LogLevel.Error, "Tenant {Tenant}: pack {Pack} is left alone: {Cause}", EventName = "gateway.upkeep.pack_unreadable")]
    private partial void LogPack(string tenant, string pack, string cause);

    [LoggerMessage(6144, LogLevel.Error, "Tenant {Tenant}: record {Snapshot} is left alone: {Cause}", EventName = "gateway.upkeep.record_unreadable")]
    private partial void LogRecord(string tenant, string snapshot, string cause);
}
