using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// A tenant's snapshots: the sealed record in the chunk store, which counts, and its row. The record comes first and goes last, so that no row is without
/// one for longer than a crash; a record without a row gets one from the upkeep.
/// </summary>
internal sealed class TenantSnapshots(string tenant, TenantChunks chunks, SnapshotTable table, TimeProvider clock)
{
    private const string KeptMark = "marks/kept/";

    /// <summary>Writes a record whose packs are stored and known.</summary>
    /// <exception cref="WorkspaceException">As <see cref="TenantChunks.RecordAsync"/>.</exception>
    public async Task RecordAsync(SnapshotRecord record, CancellationToken cancellationToken)
    {
        await chunks.RecordAsync(record, cancellationToken);
        await table.AddAsync(tenant, SnapshotRow.Of(record), cancellationToken);
    }

    /// <summary>Deletes a snapshot; what only it needed is collected later.</summary>
    public async Task ForgetAsync(string id, CancellationToken cancellationToken)
    {
        await table.RemoveAsync(tenant, [id], cancellationToken);
        await RemoveRecordAsync(id, cancellationToken);
    }

    /// <summary>Deletes the record of a snapshot whose row is gone.</summary>
    public async Task RemoveRecordAsync(string id, CancellationToken cancellationToken)
    {
        await chunks.ForgetAsync(id, cancellationToken);
        await chunks.Blobs.DeleteAsync(KeptMark + id, cancellationToken);
    }

    /// <summary>A second record of the same content, for another session: no byte is copied, and each goes its own way.</summary>
    /// <param name="owner">Session that it must be of, or null: any. What a runner has said of its session is not believed.</param>
    /// <param name="label">Whose the copy is.</param>
    /// <exception cref="WorkspaceException">Missing, Corrupt, WrongKey.</exception>
    public async Task<SnapshotRecord> CopyAsync(string id, string? owner, string label, CancellationToken cancellationToken)
    {
        await UseAsync(id, cancellationToken);
        var (source, _) = await chunks.FindAsync(id, cancellationToken);
        if (owner is not null && !SnapshotRow.IsOf(source.Label, owner)) throw WorkspaceException.Missing($"Session {owner} has no such snapshot.");
        var now = clock.GetUtcNow();
        var copy = source with { Id = SnapshotCatalog.NewId(now), Created = now, Parent = source.Id, Label = label };
        await RecordAsync(copy, cancellationToken);
        return copy;
    }

    /// <summary>Changes what people may change. That it is kept stands in the store as well: a table that comes back from a backup must not forget it.</summary>
    /// <returns>The row, or null: there is none.</returns>
    public async Task<SnapshotRow?> ChangeAsync(string id, string? name, bool? isKept, CancellationToken cancellationToken)
    {
        if (isKept is true) await chunks.Blobs.PutAsync(KeptMark + id, new byte[1], BlobPut.IfAbsent, cancellationToken);
        var row = await table.ChangeAsync(tenant, id, name, isKept, cancellationToken);
        if (isKept is false || row is null) await chunks.Blobs.DeleteAsync(KeptMark + id, cancellationToken);
        return row;
    }

    /// <summary>Makes the row of a record anew.</summary>
    /// <exception cref="WorkspaceException">Missing, Corrupt, WrongKey, UnsupportedVersion.</exception>
    public async Task RemakeAsync(string id, CancellationToken cancellationToken)
    {
        var row = SnapshotRow.Of((await chunks.FindAsync(id, cancellationToken)).Record);
        var isKept = await chunks.Blobs.FindAsync(KeptMark + id, cancellationToken) is not null;
        await table.AddAsync(tenant, row with { IsKept = isKept }, cancellationToken);
    }

    /// <summary>Opens one for a look.</summary>
    /// <exception cref="WorkspaceException">Missing, Corrupt, WrongKey.</exception>
    public async Task<(SnapshotReader Reader, SnapshotRow Row)> OpenAsync(string id, CancellationToken cancellationToken)
    {
        var row = await UseAsync(id, cancellationToken);
        var (record, key) = await chunks.FindAsync(id, cancellationToken);
        return (new SnapshotReader(chunks.Blobs, chunks.Index, record.Root, key.Convergence), row);
    }

    /// <summary>All differences between two snapshots, in the order of paths.</summary>
    /// <exception cref="WorkspaceException">Missing, Corrupt, WrongKey.</exception>
    public async IAsyncEnumerable<SnapshotChange> CompareAsync(
        string before, string after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await UseAsync(before, cancellationToken);
        await UseAsync(after, cancellationToken);
        var (first, _) = await chunks.FindAsync(before, cancellationToken);
        var (second, _) = await chunks.FindAsync(after, cancellationToken);
        using var diff = new SnapshotDiff(chunks.Blobs, chunks.Index);
        await foreach (var change in diff.CompareAsync(first.Root, second.Root, cancellationToken)) yield return change;
    }

    private async Task<SnapshotRow> UseAsync(string id, CancellationToken cancellationToken) =>
        (SnapshotCatalog.IsId(id) ? await table.UseAsync(tenant, id, cancellationToken) : null) ?? throw WorkspaceException.Missing("There is no such snapshot.");
}
