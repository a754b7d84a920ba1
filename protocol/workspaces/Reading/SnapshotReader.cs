using System.Runtime.CompilerServices;

namespace Marionette.Workspaces;

/// <summary>Looks into a snapshot without restoring it. Needs the root's reference and no other key. One at a time may use it.</summary>
/// <param name="key">Where it is at hand, every chunk's content is held against it.</param>
public sealed class SnapshotReader(IBlobStore blobs, IChunkIndex index, ChunkRef root, ConvergenceKey? key = null) : IDisposable
{
    private const int MaxDepth = UploadWork.MaxDepth + 1, ItemsAhead = 256;

    private static readonly byte[] Zeros = new byte[64 * 1024];

    private readonly ChunkReader _chunks = new(blobs, index, key);

    private TreeReader Tree => new(_chunks);

    /// <summary>An entry by its path, with slashes; empty: the root.</summary>
    /// <exception cref="WorkspaceException">Missing, Corrupt, Invalid.</exception>
    public async Task<TreeEntry> GetAsync(string path, CancellationToken cancellationToken)
    {
        var entry = await Tree.RootAsync(root, cancellationToken).ConfigureAwait(false);
        foreach (var name in TreeReader.Split(path))
        {
            entry = (entry.Type == EntryType.Directory ? await Tree.FindAsync(entry.Subtree, name, path, cancellationToken).ConfigureAwait(false) : null)
                ?? throw WorkspaceException.Missing($"'{path}' is not in the snapshot.");
        }

        return entry;
    }

    /// <summary>Entries of a folder, in the order of their names' bytes.</summary>
    public async IAsyncEnumerable<TreeEntry> ListAsync(string path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var folder = await GetAsync(path, cancellationToken).ConfigureAwait(false);
        if (folder.Type != EntryType.Directory)
            throw new WorkspaceException(WorkspaceFault.Invalid, $"'{path}' is no folder.");
        await foreach (var entry in Tree.EntriesAsync(folder.Subtree, path, cancellationToken).ConfigureAwait(false))
            yield return entry;
    }

    /// <summary>Everything below a folder, each folder before what is in it.</summary>
    public async IAsyncEnumerable<(string Path, TreeEntry Entry)> WalkAsync(string path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var names = string.Join('/', TreeReader.Split(path).Select(System.Text.Encoding.UTF8.GetString));
        var entry = await GetAsync(path, cancellationToken).ConfigureAwait(false);
        var open = new Stack<(string Path, TreeEntry Entry)>([(names, entry)]);
        while (open.TryPop(out var at))
        {
            yield return at;
            if (at.Entry.Type != EntryType.Directory)
                continue;
            if (at.Path.AsSpan().Count('/') > MaxDepth)
                throw new WorkspaceException(WorkspaceFault.Limit, $"Folders of the snapshot are nested deeper than {MaxDepth}.");
            var inside = new List<(string, TreeEntry)>();
            await foreach (var child in Tree.EntriesAsync(at.Entry.Subtree, at.Path, cancellationToken).ConfigureAwait(false))
                inside.Add((at.Path.Length == 0 ? child.NameText : at.Path + "/" + child.NameText, child));
            inside.Reverse();
            inside.ForEach(open.Push);
        }
    }

    /// <summary>An entry and all that is below it, as <see cref="WalkAsync"/>, but names as bytes, and looked up ahead: for who reads everything. The
    /// entry's own path is empty.</summary>
    internal async IAsyncEnumerable<(byte[] Path, TreeEntry Entry)> WalkAheadAsync(TreeEntry start,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var step in new SnapshotWalk(_chunks).RunAsync(start, cancellationToken).ConfigureAwait(false))
            yield return step;
    }

    /// <summary>Writes a file's bytes into a stream; holes are zeros.</summary>
    /// <exception cref="WorkspaceException">Missing, Corrupt, Invalid: it is no file.</exception>
    public async Task CopyFileAsync(string path, Stream target, CancellationToken cancellationToken) =>
        await CopyFileAsync(await GetAsync(path, cancellationToken).ConfigureAwait(false), path, target, cancellationToken).ConfigureAwait(false);

    /// <summary>As the other, of an entry of this snapshot that is at hand.</summary>
    /// <param name="path">Named in errors.</param>
    public async Task CopyFileAsync(TreeEntry entry, string path, Stream target, CancellationToken cancellationToken)
    {
        if (entry.Content is not { } content)
            throw new WorkspaceException(WorkspaceFault.Invalid, $"'{path}' is no file.");
        if (content.Inline is not null)
            await target.WriteAsync(content.Inline, cancellationToken).ConfigureAwait(false);
        var next = new List<ContentItem>(Math.Min(content.Items.Count, ItemsAhead));
        await foreach (var item in Tree.ItemsAsync(content, path, cancellationToken).ConfigureAwait(false))
        {
            next.Add(item);
            if (next.Count == ItemsAhead)
                await CopyItemsAsync(next, path, target, cancellationToken).ConfigureAwait(false);
        }

        await CopyItemsAsync(next, path, target, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose() => _chunks.Dispose();

    private async ValueTask CopyItemsAsync(List<ContentItem> items, string path, Stream target, CancellationToken cancellationToken)
    {
        await _chunks.PlanAsync(items.Where(item => !item.IsHole).Select(item => item.Reference), ChunkType.Data, cancellationToken).ConfigureAwait(false);
        foreach (var item in items)
        {
            for (var left = item.IsHole ? item.Length : 0; left > 0; left -= Zeros.Length)
                await target.WriteAsync(Zeros.AsMemory(0, (int)Math.Min(left, Zeros.Length)), cancellationToken).ConfigureAwait(false);
            if (item.IsHole)
                continue;
            try
            {
                await target.WriteAsync(await _chunks.ReadAsync(item.Reference, ChunkType.Data, item.Length, cancellationToken).ConfigureAwait(false),
                    cancellationToken).ConfigureAwait(false);
            }
            catch (WorkspaceException fault) when (fault.Fault is WorkspaceFault.Corrupt or WorkspaceFault.Missing)
            {
                throw new WorkspaceException(fault.Fault, $"{fault.Message} Needed for '{path}'.", fault);
            }
        }

        items.Clear();
    }
}
