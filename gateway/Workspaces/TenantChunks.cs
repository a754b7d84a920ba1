using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// One tenant's part of the chunk store. Its keys are believed for <see cref="KeysFor"/>, so that a shred or a rotation by another process is seen.
/// </summary>
internal sealed class TenantChunks(IBlobStore blobs, IChunkIndex index, KeyRing ring, Func<CancellationToken, Task> noteTenant, TimeProvider clock)
{
    /// <summary>How late a change of the keys may be noticed.</summary>
    public static readonly TimeSpan KeysFor = TimeSpan.FromMinutes(1);

    private volatile Held? _held;

    private sealed record Held(TenantKeys Keys, DateTimeOffset Until);

    /// <summary>The objects.</summary>
    public IBlobStore Blobs => blobs;

    /// <summary>Where chunks lie.</summary>
    public IChunkIndex Index => index;

    /// <summary>The keys to write with; made for a tenant that has none.</summary>
    public async ValueTask<KeyGeneration> CurrentKeyAsync(CancellationToken cancellationToken)
    {
        if (Known() is { } known) return known.Current;
        // Before it has keys: whoever looks after all tenants finds those that have stored nothing yet.
        await noteTenant(cancellationToken);
        var keys = await ring.OpenOrCreateAsync(cancellationToken);
        await ServedMark.PutAsync(blobs, cancellationToken);
        return Hold(keys).Current;
    }

    /// <summary>Writes a record under the keys that its content was made with.</summary>
    /// <exception cref="WorkspaceException">Missing: its root is not stored; Invalid: no keys of the tenant gave it this root.</exception>
    public async Task RecordAsync(SnapshotRecord record, CancellationToken cancellationToken)
    {
        var keys = Known();
        var made = keys is null ? null : await MadeWithAsync(record.Root, keys, cancellationToken);
        if (made is null)
        {
            // Perhaps the keys that were just made elsewhere.
            keys = Hold(await ring.OpenAsync(cancellationToken));
            made = await MadeWithAsync(record.Root, keys, cancellationToken)
                ?? throw new WorkspaceException(WorkspaceFault.Invalid, "The root was not made with a key of this tenant.");
        }

        // A runner keeps its key for as long as it lives, and a restore checks content by the key that the record names: a newer one would call it false.
        await new SnapshotCatalog(blobs, new TenantKeys(keys!.Generations.Where(key => key.Number <= made.Number))).PutAsync(record, cancellationToken);
    }

    /// <summary>A snapshot's record, and the key that its content was made with.</summary>
    /// <exception cref="WorkspaceException">Missing, Corrupt, WrongKey, UnsupportedVersion.</exception>
    public async Task<(SnapshotRecord Record, KeyGeneration Key)> FindAsync(string snapshot, CancellationToken cancellationToken)
    {
        if (Known() is { } known)
        {
            try
            {
                return await ReadAsync(snapshot, known, cancellationToken);
            }
            catch (WorkspaceException wrong) when (wrong.Fault is WorkspaceFault.WrongKey or WorkspaceFault.Corrupt)
            {
                // Perhaps other keys by now.
            }
        }

        return await ReadAsync(snapshot, Hold(await ring.OpenAsync(cancellationToken)), cancellationToken);
    }

    /// <summary>Deletes a record; what only it needed is collected later.</summary>
    public ValueTask ForgetAsync(string snapshot, CancellationToken cancellationToken) => blobs.DeleteAsync(SnapshotCatalog.Name(snapshot), cancellationToken);

    /// <summary>The tenant's keys, as they are now.</summary>
    /// <exception cref="WorkspaceException">Missing: it has none here; WrongKey.</exception>
    public async Task<TenantKeys> OpenKeysAsync(CancellationToken cancellationToken) => Hold(await ring.OpenAsync(cancellationToken));

    /// <summary>Puts the tenant's keys under the first master key, unless they are.</summary>
    /// <returns>Whether they were under another one.</returns>
    /// <exception cref="WorkspaceException">As <see cref="KeyRing.RewrapAsync"/>.</exception>
    public Task<bool> RewrapAsync(CancellationToken cancellationToken) => ring.RewrapWhereNeededAsync(cancellationToken);

    /// <summary>Deletes what no snapshot needs.</summary>
    /// <exception cref="WorkspaceException">As <see cref="Collector.CollectAsync"/>; nothing is deleted then.</exception>
    public async Task<CollectReport> CollectAsync(CollectOptions how, CancellationToken cancellationToken) =>
        await new Collector(blobs, index, new SnapshotCatalog(blobs, await OpenKeysAsync(cancellationToken)), clock).CollectAsync(how, cancellationToken);

    /// <summary>Checks everything that is stored.</summary>
    /// <param name="readData">Also reads and opens every chunk.</param>
    /// <exception cref="WorkspaceException">Missing, WrongKey: the keys.</exception>
    public async Task<CheckReport> CheckAsync(bool readData, CancellationToken cancellationToken) =>
        await new StoreCheck(blobs, index, new SnapshotCatalog(blobs, await OpenKeysAsync(cancellationToken))).RunAsync(readData, cancellationToken);

    private async Task<(SnapshotRecord Record, KeyGeneration Key)> ReadAsync(string snapshot, TenantKeys keys, CancellationToken cancellationToken)
    {
        var record = await new SnapshotCatalog(blobs, keys).GetAsync(snapshot, cancellationToken);
        return (record, keys.Find(record.Generation)!);
    }

    /// <summary>The root's content gives its reference under one key alone.</summary>
    private async Task<KeyGeneration?> MadeWithAsync(ChunkRef root, TenantKeys keys, CancellationToken cancellationToken)
    {
        using var reader = new ChunkReader(blobs, index);
        var content = await reader.ReadAsync(root, ChunkType.Tree, -1, cancellationToken);
        return keys.Generations.LastOrDefault(key => key.Convergence.Reference(ChunkType.Tree, content.Span) == root);
    }

    private TenantKeys? Known() => _held is { } held && held.Until > clock.GetUtcNow() ? held.Keys : null;

    private TenantKeys Hold(TenantKeys keys)
    {
        _held = new Held(keys, clock.GetUtcNow() + KeysFor);
        return keys;
    }
}
