using System.Runtime.CompilerServices;

namespace Marionette.Workspaces;

/// <summary>How an entry differs between two snapshots.</summary>
public enum ChangeKind
{
    /// <summary>Only in the second one.</summary>
    Added,

    /// <summary>Only in the first one.</summary>
    Removed,

    /// <summary>Content or link target.</summary>
    Changed,

    /// <summary>It was a file, say, and is a folder.</summary>
    TypeChanged,

    /// <summary>Mode, owner or attributes alone.</summary>
    ModeChanged,
}

/// <summary>A difference.</summary>
/// <param name="Path">With slashes.</param>
/// <param name="Before">Null: added.</param>
/// <param name="After">Null: removed.</param>
public sealed record SnapshotChange(string Path, ChangeKind Kind, TreeEntry? Before, TreeEntry? After);

/// <summary>Compares two snapshots. Folders with the same reference are the same and are not read, so it costs what has changed. Times alone are no change.</summary>
public sealed class SnapshotDiff(IBlobStore blobs, IChunkIndex index) : IDisposable
{
    private readonly ChunkReader _chunks = new(blobs, index);

    private TreeReader Tree => new(_chunks);

    /// <summary>All differences, in the order of paths; what is below an added or removed folder is told as well.</summary>
    public async IAsyncEnumerable<SnapshotChange> CompareAsync(ChunkRef before, ChunkRef after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (first, second) = (await Tree.RootAsync(before, cancellationToken).ConfigureAwait(false), await Tree.RootAsync(after, cancellationToken).ConfigureAwait(false));
        if (IsOtherMode(first, second))
            yield return new SnapshotChange("", ChangeKind.ModeChanged, first, second);
        await foreach (var change in FoldersAsync(first.Subtree, second.Subtree, "", cancellationToken).ConfigureAwait(false))
            yield return change;
    }

    /// <inheritdoc/>
    public void Dispose() => _chunks.Dispose();

    private async IAsyncEnumerable<SnapshotChange> FoldersAsync(ChunkRef? before, ChunkRef? after, string path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (before == after)
            yield break;
        if (path.AsSpan().Count('/') > UploadWork.MaxDepth)
            throw new WorkspaceException(WorkspaceFault.Limit, $"Folders of the snapshots are nested deeper than {UploadWork.MaxDepth}.");
        var (first, second) = (await AllAsync(before, path, cancellationToken).ConfigureAwait(false), await AllAsync(after, path, cancellationToken).ConfigureAwait(false));
        for (var (i, j) = (0, 0); i < first.Count || j < second.Count;)
        {
            var order = i == first.Count ? 1 : j == second.Count ? -1 : first[i].Name.AsSpan().SequenceCompareTo(second[j].Name);
            var (old, now) = (order <= 0 ? first[i++] : null, order >= 0 ? second[j++] : null);
            var name = (old ?? now)!.NameText;
            var below = path.Length == 0 ? name : path + "/" + name;
            if (KindOf(old, now) is { } kind)
                yield return new SnapshotChange(below, kind, old, now);
            await foreach (var change in FoldersAsync(Subtree(old), Subtree(now), below, cancellationToken).ConfigureAwait(false))
                yield return change;
        }
    }

    private async ValueTask<List<TreeEntry>> AllAsync(ChunkRef? folder, string path, CancellationToken cancellationToken)
    {
        var entries = new List<TreeEntry>();
        if (folder is { } reference)
            await foreach (var entry in Tree.EntriesAsync(reference, path, cancellationToken).ConfigureAwait(false))
                entries.Add(entry);
        return entries;
    }

    private static ChunkRef? Subtree(TreeEntry? entry) => entry?.Type == EntryType.Directory ? entry.Subtree : null;

    private static ChangeKind? KindOf(TreeEntry? old, TreeEntry? now)
    {
        if (old is null)
            return ChangeKind.Added;
        if (now is null)
            return ChangeKind.Removed;
        if (old.Type != now.Type)
            return ChangeKind.TypeChanged;
        if (!SameContent(old, now))
            return ChangeKind.Changed;
        return IsOtherMode(old, now) ? ChangeKind.ModeChanged : null;
    }

    private static bool SameContent(TreeEntry old, TreeEntry now) => old.Type switch
    {
        EntryType.File => old.Size == now.Size && (old.Content!.Inline ?? []).AsSpan().SequenceEqual(now.Content!.Inline ?? []) && old.Content.Items.SequenceEqual(now.Content.Items),
        EntryType.Link => old.Target.AsSpan().SequenceEqual(now.Target),
        _ => true,
    };

    private static bool IsOtherMode(TreeEntry old, TreeEntry now) =>
        old.Mode != now.Mode || old.Owner != now.Owner || old.Attributes.Count != now.Attributes.Count
        || old.Attributes.Zip(now.Attributes).Any(pair => !pair.First.Name.AsSpan().SequenceEqual(pair.Second.Name) || !pair.First.Value.AsSpan().SequenceEqual(pair.Second.Value));
}
