using System.IO.Hashing;

namespace Marionette.Workspaces;

/// <summary>
/// Makes nodes of what may be long. A part ends where the hash of a name, or the bits of a chunk's reference, say so: a change in one place makes one part anew and leaves the others as they were.
/// </summary>
/// <param name="stage">Takes a node's bytes for storing and gives its reference.</param>
internal sealed class TreeSplitter(long nameSeed, Func<ReadOnlySpan<byte>, ChunkRef> stage)
{
    /// <summary>Behind the shortest part, one entry in so many ends a part.</summary>
    private const int Usual = 128;

    private const int Shortest = 32, Longest = 1024, LongestBytes = 256 * 1024;

    private readonly ByteWriter _writer = new();

    /// <summary>Stores a folder's entries, which are sorted.</summary>
    public ChunkRef Directory(List<(byte[] Name, ReadOnlyMemory<byte> Encoded)> entries)
    {
        var parts = new List<BranchItem>();
        for (var from = 0; from < entries.Count || parts.Count == 0;)
        {
            var to = from;
            var bytes = 0;
            while (to < entries.Count)
            {
                bytes += entries[to].Encoded.Length;
                to++;
                if (IsEnd(to - from, bytes, to == entries.Count ? 0 : (uint)XxHash3.HashToUInt64(entries[to - 1].Name, nameSeed)))
                    break;
            }

            TreeNode.BeginLeaf(_writer, to - from);
            for (var i = from; i < to; i++)
                _writer.Bytes(entries[i].Encoded.Span);
            parts.Add(new BranchItem(to == 0 ? [] : entries[to - 1].Name, stage(_writer.Written)));
            from = to;
        }

        return Branches(parts);
    }

    private ChunkRef Branches(List<BranchItem> parts)
    {
        for (var level = 0; parts.Count > 1; level++)
        {
            var above = new List<BranchItem>();
            for (var from = 0; from < parts.Count;)
            {
                var to = from;
                do
                    to++;
                while (to < parts.Count && !IsEnd(to - from, 0, (uint)(XxHash3.HashToUInt64(parts[to - 1].LastName, nameSeed) >> 32)));
                TreeNode.WriteBranch(_writer, level, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(parts)[from..to]);
                above.Add(new BranchItem(parts[to - 1].LastName, stage(_writer.Written)));
                from = to;
            }

            parts = above;
        }

        return parts[0].Reference;
    }

    /// <summary>Moves a long file's parts into list nodes, until few are left.</summary>
    public (int Level, IReadOnlyList<ContentItem> Items) List(List<ContentItem> items)
    {
        var level = 0;
        while (items.Count > Shortest * 2)
        {
            var above = new List<ContentItem>();
            for (var from = 0; from < items.Count;)
            {
                var to = from;
                long length = 0;
                do
                    length += items[to++].Length;
                while (to < items.Count && !IsEnd(to - from, 0, items[to - 1].Reference.CutBits));
                TreeNode.WriteList(_writer, level, items[from..to]);
                above.Add(new ContentItem(length, stage(_writer.Written), false));
                from = to;
            }

            items = above;
            level++;
        }

        return (level, items);
    }

    private static bool IsEnd(int count, int bytes, uint bits) => count >= Longest || bytes >= LongestBytes || (count >= Shortest && bits % Usual == 0);
}
