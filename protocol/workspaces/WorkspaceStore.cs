namespace Marionette.Workspaces;

/// <summary>A tenant's part of a store with its keys: what the control plane and the operator's tool use. Runners use <see cref="Uploader"/> and <see cref="Restorer"/> with less.</summary>
public sealed class WorkspaceStore(IBlobStore blobs, TenantKeys keys, TimeProvider clock, IChunkIndex? index = null)
{
    /// <summary>The objects.</summary>
    public IBlobStore Blobs => blobs;

    /// <summary>Where chunks lie.</summary>
    public IChunkIndex Index { get; } = index ?? new StoreIndex(blobs);

    /// <summary>The snapshots.</summary>
    public SnapshotCatalog Snapshots { get; } = new(blobs, keys);

    /// <summary>Snapshots a folder. On return it is stored durably.</summary>
    /// <exception cref="WorkspaceException">Io, Missing, Limit, Busy.</exception>
    public Task<SnapshotReport> SnapshotAsync(string folder, SnapshotOptions options, CancellationToken cancellationToken)
    {
        if (options.Label.Length > 1000)
            throw new WorkspaceException(WorkspaceFault.Invalid, "A label has at most 1,000 characters.");
        return new Uploader(blobs, Index, keys.Current.Convergence, clock).SnapshotAsync(folder, options, RecordAsync, id => Snapshots.DeleteAsync(id, CancellationToken.None).AsTask(), cancellationToken);

        async Task<string> RecordAsync(SnapshotReport report, CancellationToken token)
        {
            var now = clock.GetUtcNow();
            var record = new SnapshotRecord
            {
                Id = SnapshotCatalog.NewId(now), Root = report.Root, Created = now, Parent = options.Parent ?? "", Label = options.Label,
                Files = report.Files, Directories = report.Directories, Links = report.Links, Bytes = report.Bytes,
            };
            await Snapshots.PutAsync(record, token).ConfigureAwait(false);
            return record.Id;
        }
    }

    /// <summary>Restores a snapshot into a folder.</summary>
    public async Task<RestoreReport> RestoreAsync(string snapshot, string target, RestoreOptions options, CancellationToken cancellationToken)
    {
        var record = await Snapshots.GetAsync(snapshot, cancellationToken).ConfigureAwait(false);
        return await new Restorer(blobs, Index, keys.Find(record.Generation)?.Convergence).RestoreAsync(record.Root, target, options with { SnapshotId = snapshot }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Deletes what no snapshot needs; see <see cref="Collector"/>.</summary>
    public Task<CollectReport> CollectAsync(CollectOptions options, CancellationToken cancellationToken) => new Collector(blobs, Index, Snapshots, clock).CollectAsync(options, cancellationToken);

    /// <summary>Checks everything that is stored; see <see cref="StoreCheck"/>.</summary>
    /// <param name="readData">Also read and open every chunk.</param>
    public Task<CheckReport> CheckAsync(bool readData, CancellationToken cancellationToken) => new StoreCheck(blobs, Index, Snapshots).RunAsync(readData, cancellationToken);

    /// <summary>All differences between two snapshots.</summary>
    public async IAsyncEnumerable<SnapshotChange> DiffAsync(string before, string after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (first, second) = (await Snapshots.GetAsync(before, cancellationToken).ConfigureAwait(false), await Snapshots.GetAsync(after, cancellationToken).ConfigureAwait(false));
        using var diff = new SnapshotDiff(blobs, Index);
        await foreach (var change in diff.CompareAsync(first.Root, second.Root, cancellationToken).ConfigureAwait(false))
            yield return change;
    }

    /// <summary>Opens a snapshot for a look.</summary>
    public async Task<SnapshotReader> OpenAsync(string snapshot, CancellationToken cancellationToken) =>
        new(blobs, Index, (await Snapshots.GetAsync(snapshot, cancellationToken).ConfigureAwait(false)).Root);
}
