namespace Marionette.Workspaces;

/// <summary>
/// Deletes what no snapshot needs, safe beside snapshots that are under way on any machine. Two steps: a pack that nobody needs is condemned, which keeps new snapshots from
/// relying on it; a later collection deletes it, when those that were under way then have ended and it is still needed by nobody. docs/reference/formats/workspace.md has the argument.
/// </summary>
public sealed class Collector(IBlobStore blobs, IChunkIndex index, SnapshotCatalog snapshots, TimeProvider clock)
{
    /// <summary>One collection: deletes what an earlier one condemned, and condemns what nobody needs now.</summary>
    /// <exception cref="WorkspaceException">Busy: another collection is at work. Corrupt, Missing: a snapshot cannot be read; nothing is deleted then.</exception>
    public async Task<CollectReport> CollectAsync(CollectOptions options, CancellationToken cancellationToken)
    {
        var lease = await CollectorLease.TakeAsync(blobs, clock, cancellationToken).ConfigureAwait(false);
        await using (lease.ConfigureAwait(false))
        {
            var condemned = await CondemnedPacks.ReadAllAsync(blobs, cancellationToken).ConfigureAwait(false);
            // First see who has ended, then mark: what ended before is in the list of snapshots.
            var ripe = await RipeAsync(condemned, cancellationToken).ConfigureAwait(false);
            await index.RefreshAsync(cancellationToken).ConfigureAwait(false);
            var names = condemned.SelectMany(one => one.Packs).ToHashSet(StringComparer.Ordinal);
            var packs = await PacksAsync(names, clock.GetUtcNow() - options.Grace, cancellationToken).ConfigureAwait(false);
            var live = await MarkAsync(cancellationToken).ConfigureAwait(false);
            var plan = CollectPlan.Make(packs, names, live, options, clock.GetUtcNow());
            var (deleted, bytes, spared) = await ExecuteAsync(ripe, plan, cancellationToken).ConfigureAwait(false);
            var repacked = await RepackAsync(plan.Repack, plan, cancellationToken).ConfigureAwait(false);
            List<string> doomed = [.. plan.Dead, .. plan.Repack.Select(pack => pack.Name)];
            if (doomed.Count > 0)
            {
                var fresh = await CondemnedPacks.PutAsync(blobs, doomed, clock.GetUtcNow(), cancellationToken).ConfigureAwait(false);
                await fresh.LeasesAsync(blobs, cancellationToken).ConfigureAwait(false);
            }

            return new CollectReport { LiveChunks = live.Count, Condemned = doomed.Count, Deleted = deleted, BytesDeleted = bytes, Repacked = repacked, Spared = spared };
        }
    }

    /// <summary>Those for which no snapshot that was under way is left. One whose lease has run out is fenced first: should it still wake up, it finds that it may not finish.</summary>
    private async Task<List<CondemnedPacks>> RipeAsync(List<CondemnedPacks> condemned, CancellationToken cancellationToken)
    {
        var ripe = new List<CondemnedPacks>();
        foreach (var one in condemned)
        {
            var waits = false;
            foreach (var lease in await one.LeasesAsync(blobs, cancellationToken).ConfigureAwait(false))
                waits |= !await IsEndedAsync(lease, cancellationToken).ConfigureAwait(false);
            if (!waits)
                ripe.Add(one);
        }

        return ripe;
    }

    private async Task<bool> IsEndedAsync(string lease, CancellationToken cancellationToken)
    {
        if (await blobs.ReadWholeAsync(lease, 64, cancellationToken).ConfigureAwait(false) is not { } content)
            return true;
        if (!UploadLease.IsOver(content, clock.GetUtcNow()))
            return false;
        await blobs.PutAsync(lease + UploadLease.Fence, new byte[1], BlobPut.IfAbsent, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async Task<HashSet<ChunkId>> MarkAsync(CancellationToken cancellationToken)
    {
        using var chunks = new ChunkReader(blobs, index);
        var marker = new Marker(new TreeReader(chunks));
        foreach (var id in await snapshots.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            try
            {
                await marker.MarkAsync((await snapshots.GetAsync(id, cancellationToken).ConfigureAwait(false)).Root, cancellationToken).ConfigureAwait(false);
            }
            catch (WorkspaceException missing) when (missing.Fault == WorkspaceFault.Missing)
            {
                // Deleted meanwhile is no fault; a snapshot that is there and lacks something is one.
                if (await blobs.FindAsync(SnapshotCatalog.Name(id), cancellationToken).ConfigureAwait(false) is not null)
                    throw;
            }
        }

        return marker.Live;
    }

    /// <summary>
    /// Known packs, and those that are not: an upload died before it made them known, or the index is older than the store (a backup that came back) and a
    /// snapshot needs them. They tell what is in them, and are known from here on; one whose list does not open is left alone.
    /// </summary>
    private async Task<List<(PackContents Pack, DateTimeOffset Written)>> PacksAsync(
        HashSet<string> condemned, DateTimeOffset grace, CancellationToken cancellationToken)
    {
        var known = new Dictionary<string, PackContents>(StringComparer.Ordinal);
        foreach (var pack in await index.ListPacksAsync(cancellationToken).ConfigureAwait(false))
            known[pack.Name] = pack;
        var packs = new List<(PackContents, DateTimeOffset)>();
        await foreach (var info in blobs.ListAsync(StoreNames.Packs, cancellationToken).ConfigureAwait(false))
        {
            var name = StoreNames.Last(info.Name);
            if (!StoreNames.IsPack(name))
                continue;
            if (known.TryGetValue(name, out var contents))
                packs.Add((contents, info.Written));
            else if (info.Written <= grace || condemned.Contains(name))
            {
                if (await AdoptAsync(name, cancellationToken).ConfigureAwait(false) is { } adopted)
                    packs.Add((adopted, info.Written));
            }
        }

        return packs;
    }

    private async Task<PackContents?> AdoptAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            var contents = await PackReader.ReadListAsync(blobs, name, cancellationToken).ConfigureAwait(false);
            await index.AddAsync([contents], cancellationToken).ConfigureAwait(false);
            return contents;
        }
        catch (WorkspaceException fault) when (fault.Fault is WorkspaceFault.Corrupt or WorkspaceFault.Missing or WorkspaceFault.UnsupportedVersion)
        {
            return null;
        }
    }

    private async Task<(int Deleted, long Bytes, int Spared)> ExecuteAsync(List<CondemnedPacks> ripe, CollectPlan plan, CancellationToken cancellationToken)
    {
        var (deleted, bytes, spared) = (0, 0L, 0);
        foreach (var one in ripe)
        {
            var gone = one.Packs.Where(pack => !plan.Needed.Contains(pack)).ToList();
            spared += one.Packs.Count - gone.Count;
            await index.RemoveAsync(gone, cancellationToken).ConfigureAwait(false);
            foreach (var pack in gone)
            {
                if (await blobs.FindAsync(StoreNames.Pack(pack), cancellationToken).ConfigureAwait(false) is { } info)
                    (deleted, bytes) = (deleted + 1, bytes + info.Length);
                await blobs.DeleteAsync(StoreNames.Pack(pack), cancellationToken).ConfigureAwait(false);
            }

            await one.DeleteAsync(blobs, cancellationToken).ConfigureAwait(false);
            await DropLeasesAsync(cancellationToken).ConfigureAwait(false);
        }

        return (deleted, bytes, spared);
    }

    /// <summary>Leases that ran out long ago. Their fences stay: who wakes up after a month still finds that it may not finish.</summary>
    private async Task DropLeasesAsync(CancellationToken cancellationToken)
    {
        await foreach (var info in blobs.ListAsync(StoreNames.Leases, cancellationToken).ConfigureAwait(false))
        {
            if (!info.Name.StartsWith(UploadLease.Prefix, StringComparison.Ordinal) || info.Name.EndsWith(UploadLease.Fence, StringComparison.Ordinal))
                continue;
            var content = await blobs.ReadWholeAsync(info.Name, 64, cancellationToken).ConfigureAwait(false);
            if (UploadLease.IsOver(content, clock.GetUtcNow() - TimeSpan.FromDays(7)))
            {
                await blobs.PutAsync(info.Name + UploadLease.Fence, new byte[1], BlobPut.IfAbsent, cancellationToken).ConfigureAwait(false);
                await blobs.DeleteAsync(info.Name, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Copies the sealed chunks that are needed, as they are, and makes the new packs known before the old ones are condemned.</summary>
    private async Task<int> RepackAsync(List<PackContents> old, CollectPlan plan, CancellationToken cancellationToken)
    {
        var made = new List<PackContents>();
        PackWriter? writer = null;
        try
        {
            foreach (var pack in old)
            {
                long offset = PackFormat.HeaderSize;
                foreach (var entry in pack.Entries)
                {
                    if (plan.KeeperOf(entry.Id) == pack.Name)
                    {
                        writer ??= await PackWriter.BeginAsync(blobs, cancellationToken).ConfigureAwait(false);
                        var stored = await blobs.ReadAllAsync(StoreNames.Pack(pack.Name), offset, entry.StoredLength, cancellationToken).ConfigureAwait(false);
                        await writer.AppendAsync(entry, stored, cancellationToken).ConfigureAwait(false);
                    }

                    offset += entry.StoredLength;
                    if (writer?.Length >= PackFormat.TargetSize)
                        (made, writer) = await EndAsync(made, writer).ConfigureAwait(false);
                }
            }

            if (writer is not null)
                (made, writer) = await EndAsync(made, writer).ConfigureAwait(false);
        }
        finally
        {
            if (writer is not null)
                await writer.DisposeAsync().ConfigureAwait(false);
        }

        await index.AddAsync(made, cancellationToken).ConfigureAwait(false);
        return old.Count;

        async Task<(List<PackContents> Made, PackWriter? Writer)> EndAsync(List<PackContents> list, PackWriter full)
        {
            list.Add(await full.CommitAsync(cancellationToken).ConfigureAwait(false));
            await full.DisposeAsync().ConfigureAwait(false);
            return (list, null);
        }
    }
}
