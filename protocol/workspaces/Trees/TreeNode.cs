namespace Marionette.Workspaces;

/// <summary>What a tree chunk holds. Bytes of the format.</summary>
internal enum NodeKind : byte
{
    /// <summary>Entries of a folder, or a part of them.</summary>
    Leaf = 1,

    /// <summary>The parts of a large folder.</summary>
    Branch = 2,

    /// <summary>Parts of a long file.</summary>
    List = 3,

    /// <summary>The entry of the root folder itself.</summary>
    Root = 4,
}

/// <summary>A part of a large folder: where it ends, and its reference.</summary>
internal readonly record struct BranchItem(byte[] LastName, ChunkRef Reference);

/// <summary>A node of the tree, read.</summary>
internal sealed record TreeNode(NodeKind Kind)
{
    public IReadOnlyList<TreeEntry> Entries { get; init; } = [];

    public IReadOnlyList<BranchItem> Parts { get; init; } = [];

    public IReadOnlyList<ContentItem> Items { get; init; } = [];

    public int Level { get; init; }

    public static void BeginLeaf(ByteWriter writer, int count) => Begin(writer, NodeKind.Leaf, count);

    public static void Begin(ByteWriter writer, NodeKind kind)
    {
        writer.Clear();
        writer.Byte(ChunkFormat.Version);
        writer.Byte((byte)kind);
    }

    private static void Begin(ByteWriter writer, NodeKind kind, int count)
    {
        Begin(writer, kind);
        writer.Number((ulong)count);
    }

    public static void WriteBranch(ByteWriter writer, int level, ReadOnlySpan<BranchItem> parts)
    {
        Begin(writer, NodeKind.Branch);
        writer.Byte((byte)level);
        writer.Number((ulong)parts.Length);
        foreach (var part in parts)
        {
            writer.Counted(part.LastName);
            writer.Reference(part.Reference);
        }
    }

    public static void WriteList(ByteWriter writer, int level, IReadOnlyList<ContentItem> items)
    {
        Begin(writer, NodeKind.List);
        EntryCodec.WriteItems(writer, level, items);
    }

    public static void WriteRoot(ByteWriter writer, TreeEntry root)
    {
        Begin(writer, NodeKind.Root);
        EntryCodec.Write(writer, root);
    }

    /// <param name="what">Named in errors.</param>
    /// <exception cref="WorkspaceException">Corrupt, UnsupportedVersion.</exception>
    public static TreeNode Read(ReadOnlySpan<byte> content, string what)
    {
        var reader = new ByteReader(content, what);
        if (reader.Byte() is var version && version != ChunkFormat.Version)
            throw new WorkspaceException(WorkspaceFault.UnsupportedVersion, $"{what}: format version {version}; this program reads version {ChunkFormat.Version}.");
        var kind = (NodeKind)reader.Byte();
        var node = kind switch
        {
            NodeKind.Leaf => new TreeNode(kind) { Entries = ReadEntries(ref reader) },
            NodeKind.Branch => ReadBranch(ref reader),
            NodeKind.List => ReadList(ref reader),
            NodeKind.Root => new TreeNode(kind) { Entries = [EntryCodec.Read(ref reader, isRoot: true)] },
            _ => throw reader.Bad($"a node has kind {(byte)kind}"),
        };
        return reader.AtEnd ? node : throw reader.Bad("there is more than it tells of");
    }

    private static List<TreeEntry> ReadEntries(ref ByteReader reader)
    {
        var count = reader.Count(1 << 20);
        var entries = new List<TreeEntry>(Math.Min(count, 1024));
        for (var i = 0; i < count; i++)
        {
            var entry = EntryCodec.Read(ref reader);
            if (i > 0 && entries[^1].Name.AsSpan().SequenceCompareTo(entry.Name) >= 0)
                throw reader.Bad("names are not in order, or there twice");
            entries.Add(entry);
        }

        return entries;
    }

    private static TreeNode ReadBranch(ref ByteReader reader)
    {
        var level = EntryCodec.ReadLevel(ref reader);
        var count = reader.Count(1 << 20);
        var parts = new List<BranchItem>(Math.Min(count, 1024));
        for (var i = 0; i < count; i++)
            parts.Add(new BranchItem(reader.Counted(EntryCodec.MaxName).ToArray(), reader.Reference()));
        return new TreeNode(NodeKind.Branch) { Level = level, Parts = parts };
    }

    private static TreeNode ReadList(ref ByteReader reader)
    {
        var level = EntryCodec.ReadLevel(ref reader);
        var items = EntryCodec.ReadItems(ref reader, level);
        EntryCodec.Total(ref reader, items);
        return new TreeNode(NodeKind.List) { Level = level, Items = items };
    }
}
