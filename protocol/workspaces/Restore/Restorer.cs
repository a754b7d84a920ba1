using System.Runtime.InteropServices;

namespace Marionette.Workspaces;

/// <summary>
/// Restores a snapshot. The root's reference is all that it needs; with the tenant's convergence key it also holds every content against its reference, and can fill a stat cache.
/// Every folder is worked on through its descriptor and no link is followed: neither a false snapshot nor a race writes outside the target.
/// </summary>
public sealed class Restorer(IBlobStore blobs, IChunkIndex index, ConvergenceKey? key = null)
{
    /// <summary>Restores into a folder, which is made when it is not there.</summary>
    /// <exception cref="WorkspaceException">Corrupt, Missing, Limit, Invalid (something is in the way), Io.</exception>
    public Task<RestoreReport> RestoreAsync(ChunkRef root, string target, RestoreOptions options, CancellationToken cancellationToken) =>
        Task.Run(() => RunAsync(root, target, options, cancellationToken), cancellationToken);

    private async Task<RestoreReport> RunAsync(ChunkRef root, string target, RestoreOptions options, CancellationToken cancellationToken)
    {
        TreeEntry entry;
        using (var reader = new SnapshotReader(blobs, index, root, key))
            entry = await reader.GetAsync(options.Path, cancellationToken).ConfigureAwait(false);
        var descriptor = OpenTarget(target, options.Existing);
        try
        {
            var whole = entry is { Type: EntryType.Directory, Name.Length: 0 };
            using var cache = whole && key is not null && options.CacheFile is { } path ? new StatCacheWriter(path) : null;
            var work = new RestoreWork(options, descriptor, cache);
            if (entry.Type == EntryType.Directory)
                await FoldersAsync(work, new FolderRestore(null, entry, []) { Descriptor = descriptor }, cancellationToken).ConfigureAwait(false);
            else
                await OneAsync(work, entry, cancellationToken).ConfigureAwait(false);
            var hasOwners = options.KeepOwner && entry.Owner is not null;
            if (cache is not null)
                await Task.Delay(TimeSpan.FromMilliseconds(3 * EntryStat.Tick / 1_000_000), cancellationToken).ConfigureAwait(false);
            cache?.Commit(key!, hasOwners ? 1 : 0, root, options.SnapshotId);
            return work.ToReport();
        }
        finally
        {
            Libc.Close(descriptor);
        }
    }

    private async Task FoldersAsync(RestoreWork work, FolderRestore root, CancellationToken cancellationToken)
    {
        work.Count(root.Entry);
        work.Queue.Push(root);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var workers = Enumerable.Range(0, Math.Max(work.Options.Workers, 1)).Select(_ => new RestoreWorker(work, new ChunkReader(blobs, index, key))).ToList();
        try
        {
            await Uploader.AllAsync(workers.Select(worker => Task.Run(() => worker.RunAsync(stop.Token), CancellationToken.None)), stop, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            workers.ForEach(worker => worker.Dispose());
            work.Queue.CloseAll();
        }
    }

    private async Task OneAsync(RestoreWork work, TreeEntry entry, CancellationToken cancellationToken)
    {
        work.Count(entry);
        using var worker = new RestoreWorker(work, new ChunkReader(blobs, index, key));
        await worker.EntryAsync(work.Root, entry.Name, entry with { LinkGroup = 0 }, cancellationToken).ConfigureAwait(false);
    }

    private static unsafe int OpenTarget(string target, ExistingEntries existing)
    {
        try
        {
            Directory.CreateDirectory(target);
            if (existing == ExistingEntries.Refuse && Directory.EnumerateFileSystemEntries(target).Any())
                throw new WorkspaceException(WorkspaceFault.Invalid, $"{target} is not empty.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw WorkspaceException.Io($"{target}: {exception.Message}", exception);
        }

        fixed (byte* path = Files.Terminated(Path.GetFullPath(target)))
        {
            var fd = Libc.OpenAt(Libc.AtCwd, path, Libc.ReadOnly | Libc.Directory | Libc.CloseOnExec, 0);
            return fd >= 0 ? fd : throw Libc.Failure(target, Marshal.GetLastPInvokeError());
        }
    }
}
