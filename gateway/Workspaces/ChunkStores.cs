using System.Collections.Concurrent;
using Marionette.Gateway.Workspaces.Upkeep;
using Marionette.Workspaces;
using Marionette.Workspaces.S3;
using Npgsql;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// The installation's chunk store, a part for each tenant: laid out and wrapped as <c>marionette-agent workspace</c> does it, which opens it with the same
/// master key. The places of chunks alone are kept elsewhere, on PostgreSQL.
/// </summary>
internal sealed class ChunkStores(GatewayOptions options, NpgsqlDataSource database, SnapshotTable table, TimeProvider clock) : IDisposable
{
    /// <summary>An upload that has not been written to for so long is nobody's any more.</summary>
    private static readonly TimeSpan DeadAfter = TimeSpan.FromDays(1);

    /// <summary>Making a file durable blocks a thread; a gateway has other work for its threads as well. A bucket takes none, and answers late.</summary>
    private const int CommitsAtATime = 8, BucketCommitsAtATime = 64;

    private readonly FolderBlobStore? _folder = options.ChunkStore?.Folder is { } path ? new FolderBlobStore(path) : null;
    private readonly S3BlobStore? _bucket = options.ChunkStore?.Bucket is { } place ? new S3BlobStore(place, clock) : null;
    private readonly IReadOnlyList<IMasterKey> _masters = (options.ChunkStore is null ? ChunkKeys.OfMaster : options.ChunkKeys).Open(options.MasterKey);
    private readonly ConcurrentDictionary<string, TenantChunks> _tenants = new(StringComparer.Ordinal);

    /// <summary>Whether this installation keeps a store.</summary>
    public bool IsKept => Blobs is not null;

    /// <summary>What signs requests for runners, which then go straight to the store; null = there is no such way.</summary>
    public S3BlobStore? Direct => options.ChunkStore is { IsDirect: true } ? _bucket : null;

    private IBlobStore? Blobs => _folder ?? (IBlobStore?)_bucket;

    /// <summary>Held while something is made durable.</summary>
    public SemaphoreSlim Commits { get; } = new(options.ChunkStore?.Bucket is null ? CommitsAtATime : BucketCommitsAtATime);

    /// <summary>Held while all of a tenant is checked: it reads everything, and keeps every chunk's id in memory. One at a time in this gateway.</summary>
    public SemaphoreSlim Checks { get; } = new(1);

    /// <summary>A tenant's part.</summary>
    /// <exception cref="InvalidOperationException">There is no store, or the name is not a tenant's.</exception>
    public TenantChunks Of(string tenant) => _tenants.GetOrAdd(tenant, name =>
    {
        // The name becomes a folder's.
        if (Blobs is null || !GrainKeys.IsTenant(name)) throw new InvalidOperationException("There is no such part of a chunk store.");
        var blobs = new PrefixedBlobStore(Blobs, PartOf(name));
        return new TenantChunks(blobs, new PostgresChunkIndex(database, name), new KeyRing(blobs, name, _masters), token => new UpkeepTable(database).NoteTenantAsync(name, token), clock);
    });

    /// <summary>A tenant's snapshots.</summary>
    /// <exception cref="InvalidOperationException">There is no store, or the name is not a tenant's.</exception>
    public TenantSnapshots SnapshotsOf(string tenant) => new(tenant, Of(tenant), table, clock);

    /// <summary>What the names of a tenant's objects begin with.</summary>
    public static string PartOf(string tenant) => tenant + "/";

    /// <summary>Name of the key that tenants' keys are wrapped with.</summary>
    public string WrappingKey => _masters[0].Id;

    /// <summary>Removes what uploads left that died.</summary>
    public void Clear() => _folder?.Clear(clock.GetUtcNow() - DeadAfter);

    /// <inheritdoc/>
    public void Dispose()
    {
        _folder?.Dispose();
        _bucket?.Dispose();
        foreach (var master in _masters.OfType<IDisposable>()) master.Dispose();
        Commits.Dispose();
        Checks.Dispose();
    }
}
