namespace Marionette.Workspaces;

/// <summary>Finds every chunk that a snapshot needs.</summary>
internal sealed class Marker(TreeReader tree)
{
    private readonly HashSet<ChunkRef> _nodes = [];

    /// <summary>All chunks that are needed so far.</summary>
    public HashSet<ChunkId> Live { get; } = [];

    /// <exception cref="WorkspaceException">Corrupt, Missing: nothing may be deleted then.</exception>
    public async Task MarkAsync(ChunkRef root, CancellationToken cancellationToken)
    {
        var open = new Stack<ChunkRef>([root]);
        while (open.TryPop(out var reference))
        {
            if (!_nodes.Add(reference))
                continue; // shared with what was seen: all below it was seen
            Live.Add(reference.ToId(ChunkType.Tree));
            var node = await tree.NodeAsync(reference, "a snapshot", cancellationToken).ConfigureAwait(false);
            foreach (var part in node.Parts)
                open.Push(part.Reference);
            foreach (var entry in node.Entries)
            {
                if (entry.Type == EntryType.Directory)
                    open.Push(entry.Subtree);
                else if (entry.Content is { } content)
                    Add(content.Items, content.Level, open);
            }

            Add(node.Items, node.Level, open);
        }
    }

    private void Add(IReadOnlyList<ContentItem> items, int level, Stack<ChunkRef> open)
    {
        foreach (var item in items)
        {
            if (item.IsHole)
                continue;
            if (level > 0)
                open.Push(item.Reference);
            else
                Live.Add(item.Reference.ToId(ChunkType.Data));
        }
    }
}
