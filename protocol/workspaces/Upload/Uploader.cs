namespace Marionette.Workspaces;

/// <summary>
/// Snapshots folders into a store, with the convergence key alone: what a runner has. Who keeps the record gives it the root's reference by a callback; the order of writes is packs, index, record.
/// </summary>
public sealed class Uploader(IBlobStore blobs, IChunkIndex index, ConvergenceKey key, TimeProvider clock)
{
    /// <summary>Snapshots a folder.</summary>
    /// <param name="record">Writes the record when everything is stored, and gives its id.</param>
    /// <param name="forget">Takes the record back, should a collection have gone past this snapshot.</param>
    /// <exception cref="WorkspaceException">Io, Missing (the folder), Limit, Busy.</exception>
    public Task<SnapshotReport> SnapshotAsync(
        string folder, SnapshotOptions options, Func<SnapshotReport, CancellationToken, Task<string>> record, Func<string, Task> forget, CancellationToken cancellationToken) =>
        Task.Run(() => RunAsync(folder, options, record, forget, cancellationToken), cancellationToken);

    private async Task<SnapshotReport> RunAsync(
        string folder, SnapshotOptions options, Func<SnapshotReport, CancellationToken, Task<string>> record, Func<string, Task> forget, CancellationToken cancellationToken)
    {
        var root = OpenRoot(folder);
        try
        {
            var lease = await UploadLease.TakeAsync(blobs, clock, cancellationToken).ConfigureAwait(false);
            await using (lease.ConfigureAwait(false))
            {
                // Behind the lease: what is condemned from here on waits for this snapshot.
                var condemned = await CondemnedPacks.ReadNamesAsync(blobs, cancellationToken).ConfigureAwait(false);
                await index.RefreshAsync(cancellationToken).ConfigureAwait(false);
                var uploader = new ChunkUploader(blobs, index, condemned);
                await using (uploader.ConfigureAwait(false))
                {
                    var cache = options.CacheFile is { } path ? StatCache.Load(path, key, options.CacheFlags) : null;
                    var trusted = cache is not null && condemned.Count == 0 && SnapshotCatalog.IsId(cache.Snapshot)
                        && await blobs.FindAsync(SnapshotCatalog.Name(cache.Snapshot), cancellationToken).ConfigureAwait(false) is not null;
                    using var newCache = options.CacheFile is null ? null : new StatCacheWriter(options.CacheFile);
                    var work = new UploadWork(options, key, new WorkQueue<FolderWork>(), uploader, new UploadTally(options), cache, trusted, newCache);
                    var reference = await WalkAsync(root, work, cancellationToken).ConfigureAwait(false);
                    await uploader.FinishAsync(cancellationToken).ConfigureAwait(false);
                    var report = work.Tally.ToReport(reference, uploader);
                    report = report with { Id = await RecordAsync(report, lease, record, forget, cancellationToken).ConfigureAwait(false) };
                    KeepCache(work, reference, report.Id);
                    return report;
                }
            }
        }
        finally
        {
            Libc.Close(root);
        }
    }

    private static async Task<string> RecordAsync(
        SnapshotReport report, UploadLease lease, Func<SnapshotReport, CancellationToken, Task<string>> record, Func<string, Task> forget, CancellationToken cancellationToken)
    {
        await lease.ConfirmAsync(cancellationToken).ConfigureAwait(false);
        var id = await record(report, cancellationToken).ConfigureAwait(false);
        try
        {
            await lease.ConfirmAsync(CancellationToken.None).ConfigureAwait(false);
        }
        catch
        {
            await forget(id).ConfigureAwait(false);
            throw;
        }

        return id;
    }

    private static async Task<ChunkRef> WalkAsync(int descriptor, UploadWork work, CancellationToken cancellationToken)
    {
        EntryStat.Read(descriptor, "\0"u8, Libc.AtEmptyPath, out var stat);
        var root = new FolderWork(null, 0, [], [], stat) { Descriptor = descriptor };
        work.Queue.Push(root);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var workers = Enumerable.Range(0, Math.Max(work.Options.Workers, 1)).Select(_ => new UploadWorker(work)).ToList();
        try
        {
            await AllAsync(workers.Select(worker => Task.Run(() => worker.RunAsync(stop.Token), CancellationToken.None)), stop, cancellationToken).ConfigureAwait(false);
            // The root's own entry is one more node, through any worker.
            var writer = new ByteWriter();
            TreeNode.WriteRoot(writer, UploadWorker.ToEntry(root, [], work.Options.KeepOwner));
            var reference = workers[0].StageTree(writer.Written);
            await workers[0].FlushAsync(cancellationToken).ConfigureAwait(false);
            return reference;
        }
        finally
        {
            workers.ForEach(worker => worker.Dispose());
            work.Queue.CloseAll();
        }
    }

    /// <summary>Waits for all; the first failure stops the others and is what is told.</summary>
    internal static async Task AllAsync(IEnumerable<Task> work, CancellationTokenSource stop, CancellationToken cancellationToken)
    {
        Exception? first = null;
        var tasks = work.ToList();
        while (tasks.Count > 0)
        {
            var done = await Task.WhenAny(tasks).ConfigureAwait(false);
            tasks.Remove(done);
            try
            {
                await done.ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                first ??= exception;
                await stop.CancelAsync().ConfigureAwait(false);
            }
        }

        cancellationToken.ThrowIfCancellationRequested();
        if (first is not null)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
    }

    private void KeepCache(UploadWork work, ChunkRef root, string snapshot)
    {
        if (work.NewCache is not { } cache)
            return;
        try
        {
            if (cache.Sections == 0 && work.Cache is { } old && work.Unchanged.Count == old.Sections && root == old.Root)
            {
                old.Rebind(work.Options.CacheFile!, key, work.Options.CacheFlags, snapshot);
                return;
            }

            foreach (var section in work.Unchanged)
                cache.Add(section.Bytes.Span);
            cache.Commit(key, work.Options.CacheFlags, root, snapshot);
        }
        catch (IOException)
        {
            // No cache: the next snapshot reads more.
        }
    }

    private static unsafe int OpenRoot(string folder)
    {
        // The folder that was named may itself be a link; inside it none is followed.
        fixed (byte* path = Files.Terminated(Path.GetFullPath(folder)))
        {
            var fd = Libc.OpenAt(Libc.AtCwd, path, Libc.ReadOnly | Libc.Directory | Libc.CloseOnExec, 0);
            return fd >= 0 ? fd : throw new WorkspaceException(
                System.Runtime.InteropServices.Marshal.GetLastPInvokeError() == Libc.NoEntry ? WorkspaceFault.Missing : WorkspaceFault.Io,
                $"{folder}: {System.Runtime.InteropServices.Marshal.GetLastPInvokeErrorMessage()}");
        }
    }
}
