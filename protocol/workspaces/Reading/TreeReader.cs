using System.Runtime.CompilerServices;
using System.Text;

namespace Marionette.Workspaces;

/// <summary>Reads nodes of a tree.</summary>
internal sealed class TreeReader(ChunkReader chunks)
{
    private const int MaxBranches = EntryCodec.MaxLevel;

    public async ValueTask<TreeNode> NodeAsync(ChunkRef reference, string path, CancellationToken cancellationToken)
    {
        try
        {
            var content = await chunks.ReadAsync(reference, ChunkType.Tree, -1, cancellationToken).ConfigureAwait(false);
            return TreeNode.Read(content.Span, $"The tree at '{path}'");
        }
        catch (WorkspaceException fault) when (fault.Fault is WorkspaceFault.Corrupt or WorkspaceFault.Missing)
        {
            throw new WorkspaceException(fault.Fault, $"{fault.Message} Needed for '{path}'.", fault);
        }
    }

    /// <summary>The root folder's own entry.</summary>
    public async ValueTask<TreeEntry> RootAsync(ChunkRef root, CancellationToken cancellationToken)
    {
        var node = await NodeAsync(root, "", cancellationToken).ConfigureAwait(false);
        return node.Kind == NodeKind.Root ? node.Entries[0] : throw WorkspaceException.Corrupt("The root of the snapshot is no root.");
    }

    /// <summary>Entries of a folder, in the order of their names, however it is split.</summary>
    public async IAsyncEnumerable<TreeEntry> EntriesAsync(ChunkRef folder, string path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        byte[]? last = null;
        await foreach (var node in LeavesAsync(folder, path, 0, cancellationToken).ConfigureAwait(false))
        {
            foreach (var entry in node.Entries)
            {
                if (last is not null && last.AsSpan().SequenceCompareTo(entry.Name) >= 0)
                    throw WorkspaceException.Corrupt($"The tree at '{path}' says something impossible: names are not in order, or there twice.");
                last = entry.Name;
                yield return entry;
            }
        }
    }

    /// <summary>Finds one entry of a folder; of a large folder only the parts on the way are read.</summary>
    public async ValueTask<TreeEntry?> FindAsync(ChunkRef folder, byte[] name, string path, CancellationToken cancellationToken)
    {
        for (var level = 0; level <= MaxBranches; level++)
        {
            var node = await NodeAsync(folder, path, cancellationToken).ConfigureAwait(false);
            if (node.Kind == NodeKind.Leaf)
                return node.Entries.FirstOrDefault(entry => entry.Name.AsSpan().SequenceEqual(name));
            if (node.Kind != NodeKind.Branch)
                break;
            if (node.Parts.FirstOrDefault(part => part.LastName.AsSpan().SequenceCompareTo(name) >= 0) is not { LastName: not null } part)
                return null;
            folder = part.Reference;
        }

        throw WorkspaceException.Corrupt($"The tree at '{path}' is no folder.");
    }

    /// <summary>Chunks and holes of a file, in order, however long the list is.</summary>
    public async IAsyncEnumerable<ContentItem> ItemsAsync(FileContent content, string path, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (content.Level == 0)
        {
            foreach (var item in content.Items)
                yield return item;
            yield break;
        }

        foreach (var list in content.Items)
        {
            if (list.IsHole)
                throw WorkspaceException.Corrupt($"The parts of '{path}' say something impossible: a hole among lists.");
            var node = await NodeAsync(list.Reference, path, cancellationToken).ConfigureAwait(false);
            if (node.Kind != NodeKind.List || node.Level != content.Level - 1 || node.Items.Sum(item => item.Length) != list.Length)
                throw WorkspaceException.Corrupt($"The parts of '{path}' say something impossible: a list is not what the one above says.");
            await foreach (var item in ItemsAsync(new FileContent(list.Length) { Level = node.Level, Items = node.Items }, path, cancellationToken).ConfigureAwait(false))
                yield return item;
        }
    }

    /// <summary>Names of a path below the root; empty: the root itself.</summary>
    /// <exception cref="WorkspaceException">Invalid.</exception>
    public static byte[][] Split(string path)
    {
        var names = path.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(name => name != ".").Select(Encoding.UTF8.GetBytes).ToArray();
        return Array.TrueForAll(names, name => EntryCodec.IsProper(name)) ? names : throw new WorkspaceException(WorkspaceFault.Invalid, $"'{path}' is no path inside a snapshot.");
    }

    private async IAsyncEnumerable<TreeNode> LeavesAsync(ChunkRef reference, string path, int depth, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var node = await NodeAsync(reference, path, cancellationToken).ConfigureAwait(false);
        if (node.Kind == NodeKind.Leaf)
        {
            yield return node;
            yield break;
        }

        if (node.Kind != NodeKind.Branch || depth > MaxBranches)
            throw WorkspaceException.Corrupt($"The tree at '{path}' is no folder.");
        foreach (var part in node.Parts)
            await foreach (var leaf in LeavesAsync(part.Reference, path, depth + 1, cancellationToken).ConfigureAwait(false))
                yield return leaf;
    }
}
