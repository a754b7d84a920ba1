using System.Runtime.CompilerServices;

namespace Marionette.Workspaces;

/// <summary>
/// Goes through an entry and all that is below it, each folder before what is in it, by the order of names' bytes. It looks ahead: nodes and files
/// that come next are looked up together,
/// so that a far index is asked once for some hundred of them. What it holds does not depend on the snapshot's size.
/// </summary>
internal sealed class SnapshotWalk(ChunkReader chunks)
{
    private const int MaxDepth = UploadWork.MaxDepth + 1, NodesAhead = 64, EntriesAhead = 1024, ChunksAhead = 4096;

    private readonly TreeReader _tree = new(chunks);
    private readonly LinkedList<Step> _line = new();

    /// <summary>Paths are below the entry that was begun with; its own is empty.</summary>
    public async IAsyncEnumerable<(byte[] Path, TreeEntry Entry)> RunAsync(TreeEntry start, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var above = new WalkedFolder([], -1);
        _line.AddFirst(new Step(above) { Entry = start with { Name = [] } });
        if (start.Type == EntryType.Directory)
            _line.AddLast(new Step(new WalkedFolder([], 0)) { Node = start.Subtree });
        while (_line.First is { Value: var step })
        {
            if (step.Entry is not { } entry)
            {
                await ExpandAsync(cancellationToken).ConfigureAwait(false);
                continue;
            }

            step.Folder.Follow(entry);
            if (entry.Content is not null && !step.IsPlanned)
                await PlanAsync(cancellationToken).ConfigureAwait(false);
            _line.RemoveFirst();
            yield return (step.Folder.Below(entry.Name), entry);
        }
    }

    /// <summary>Reads the first node in line, and with it the next ones.</summary>
    private async ValueTask ExpandAsync(CancellationToken cancellationToken)
    {
        var nodes = new List<LinkedListNode<Step>>();
        var seen = 0;
        for (var at = _line.First; at is not null && nodes.Count < NodesAhead && seen < EntriesAhead; at = at.Next, seen++)
            if (at.Value.Entry is null)
                nodes.Add(at);
        await chunks.PlanAsync(nodes.Select(node => node.Value.Node), ChunkType.Tree, cancellationToken).ConfigureAwait(false);
        foreach (var at in nodes)
        {
            var (folder, level) = (at.Value.Folder, at.Value.Level);
            var node = await _tree.NodeAsync(at.Value.Node, folder.PathText, cancellationToken).ConfigureAwait(false);
            if (node.Kind is not (NodeKind.Leaf or NodeKind.Branch) || level > EntryCodec.MaxLevel)
                throw WorkspaceException.Corrupt($"The tree at '{folder.PathText}' is no folder.");
            foreach (var part in node.Parts)
                _line.AddBefore(at, new Step(folder) { Node = part.Reference, Level = level + 1 });
            foreach (var entry in node.Entries)
            {
                _line.AddBefore(at, new Step(folder) { Entry = entry });
                if (entry.Type != EntryType.Directory)
                    continue;
                if (folder.Depth >= MaxDepth)
                    throw new WorkspaceException(WorkspaceFault.Limit, $"Folders of the snapshot are nested deeper than {MaxDepth}.");
                _line.AddBefore(at, new Step(new WalkedFolder(folder.Below(entry.Name), folder.Depth + 1)) { Node = entry.Subtree });
            }

            _line.Remove(at);
        }
    }

    /// <summary>Looks up the chunks of the first file in line, and of the next ones.</summary>
    private async ValueTask PlanAsync(CancellationToken cancellationToken)
    {
        var (data, lists) = (new List<ChunkRef>(), new List<ChunkRef>());
        var seen = 0;
        for (var at = _line.First; at is not null && data.Count < ChunksAhead && lists.Count < NodesAhead && seen < ChunksAhead; at = at.Next, seen++)
        {
            if (at.Value.Entry?.Content is not { } content || at.Value.IsPlanned)
                continue;
            at.Value.IsPlanned = true;
            (content.Level == 0 ? data : lists).AddRange(content.Items.Where(item => !item.IsHole).Select(item => item.Reference));
        }

        await chunks.PlanAsync(data, ChunkType.Data, cancellationToken).ConfigureAwait(false);
        await chunks.PlanAsync(lists, ChunkType.Tree, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>An entry that is to come, or a node with more of them.</summary>
    private sealed class Step(WalkedFolder folder)
    {
        public WalkedFolder Folder => folder;

        public TreeEntry? Entry { get; init; }

        public ChunkRef Node { get; init; }

        public int Level { get; init; }

        public bool IsPlanned { get; set; }
    }

    private sealed class WalkedFolder(byte[] path, int depth)
    {
        private byte[]? _last;

        public int Depth => depth;

        public string PathText => System.Text.Encoding.UTF8.GetString(path);

        public byte[] Below(byte[] name) => path.Length == 0 ? name : [.. path, (byte)'/', .. name];

        /// <summary>A folder's nodes are checked each for itself when they are read; here one against the other.</summary>
        public void Follow(TreeEntry entry)
        {
            if (_last is not null && _last.AsSpan().SequenceCompareTo(entry.Name) >= 0)
                throw WorkspaceException.Corrupt($"The tree at '{PathText}' says something impossible: names are not in order, or there twice.");
            _last = entry.Name;
        }
    }
}
