namespace Marionette.Workspaces;

/// <summary>An entry as bytes. docs/reference/formats/workspace.md has the layout.</summary>
internal static class EntryCodec
{
    public const int MaxName = 255, MaxTarget = 4096, MaxAttributes = 128 * 1024, MaxLevel = 8;

    /// <summary>Files up to this size lie in their entry: a chunk of its own would cost more.</summary>
    public const int InlineLimit = 128;

    private const byte HasOwner = 1, HasAttributes = 2, HasLinkGroup = 4;
    private const byte InlineContent = 0, ListedContent = 1;
    private const int MaxItems = 1 << 16;

    public static void Write(ByteWriter writer, TreeEntry entry)
    {
        writer.Counted(entry.Name);
        writer.Byte((byte)entry.Type);
        writer.Number((ulong)entry.Mode);
        writer.Signed(entry.Modified);
        writer.Byte((byte)((entry.Owner is null ? 0 : HasOwner) | (entry.Attributes.Count == 0 ? 0 : HasAttributes) | (entry.LinkGroup == 0 ? 0 : HasLinkGroup)));
        if (entry.Owner is { } owner)
        {
            writer.Number(owner.User);
            writer.Number(owner.Group);
        }

        if (entry.Attributes.Count > 0)
        {
            writer.Number((ulong)entry.Attributes.Count);
            foreach (var (name, value) in entry.Attributes)
            {
                writer.Counted(name);
                writer.Counted(value);
            }
        }

        if (entry.LinkGroup != 0)
            writer.Fixed((long)entry.LinkGroup);
        WriteContent(writer, entry);
    }

    private static void WriteContent(ByteWriter writer, TreeEntry entry)
    {
        switch (entry.Type)
        {
            case EntryType.Directory:
                writer.Reference(entry.Subtree);
                break;
            case EntryType.Link:
                writer.Counted(entry.Target);
                break;
            case EntryType.File:
                var content = entry.Content!;
                writer.Number((ulong)content.Size);
                writer.Byte(content.Inline is null ? ListedContent : InlineContent);
                if (content.Inline is not null)
                    writer.Bytes(content.Inline);
                else
                    WriteItems(writer, content.Level, content.Items);
                break;
        }
    }

    public static void WriteItems(ByteWriter writer, int level, IReadOnlyList<ContentItem> items)
    {
        writer.Byte((byte)level);
        writer.Number((ulong)items.Count);
        foreach (var item in items)
        {
            writer.Number((ulong)item.Length << 1 | (item.IsHole ? 1UL : 0));
            if (!item.IsHole)
                writer.Reference(item.Reference);
        }
    }

    /// <param name="isRoot">The root's entry has no name; every other must have a proper one.</param>
    public static TreeEntry Read(ref ByteReader reader, bool isRoot = false)
    {
        var name = reader.Counted(MaxName).ToArray();
        if (isRoot ? name.Length > 0 : !IsProper(name))
            throw reader.Bad($"an entry is named '{System.Text.Encoding.UTF8.GetString(name)}'");
        var type = (EntryType)reader.Byte();
        var mode = reader.Count(0xfff);
        var modified = reader.Signed();
        var flags = reader.Byte();
        if (flags > (HasOwner | HasAttributes | HasLinkGroup))
            throw reader.Bad("unknown flags");
        (uint, uint)? owner = (flags & HasOwner) != 0 ? ((uint)reader.Number(), (uint)reader.Number()) : null;
        var attributes = (flags & HasAttributes) != 0 ? ReadAttributes(ref reader) : [];
        var group = (flags & HasLinkGroup) != 0 ? (ulong)reader.Fixed() : 0;
        var entry = new TreeEntry { Name = name, Type = type, Mode = mode, Modified = modified, Owner = owner, Attributes = attributes, LinkGroup = group };
        return type switch
        {
            EntryType.Directory => entry with { Subtree = reader.Reference() },
            EntryType.Link => entry with { Target = ReadTarget(ref reader) },
            EntryType.File when !isRoot => entry with { Content = ReadContent(ref reader) },
            _ => throw reader.Bad($"an entry has type {(byte)type}"),
        };
    }

    public static bool IsProper(ReadOnlySpan<byte> name) =>
        name.Length is > 0 and <= MaxName && !name.ContainsAny((byte)0, (byte)'/') && !name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8);

    public static List<ContentItem> ReadItems(ref ByteReader reader, int level)
    {
        var count = reader.Count(MaxItems);
        var items = new List<ContentItem>(Math.Min(count, 1024));
        for (var i = 0; i < count; i++)
        {
            var coded = reader.Number();
            var (length, hole) = ((long)(coded >> 1), (coded & 1) != 0);
            if (length == 0 || (!hole && level == 0 && length > ChunkFormat.MaxPlain))
                throw reader.Bad($"a part of a file has {length} bytes");
            items.Add(new ContentItem(length, hole ? default : reader.Reference(), hole));
        }

        return items;
    }

    public static int ReadLevel(ref ByteReader reader)
    {
        var level = reader.Byte();
        return level <= MaxLevel ? level : throw reader.Bad("lists are nested too deep");
    }

    /// <summary>Sum of the parts.</summary>
    public static long Total(ref ByteReader reader, List<ContentItem> items)
    {
        long total = 0;
        foreach (var item in items)
        {
            total += item.Length;
            if (total < 0 || total > long.MaxValue / 2)
                throw reader.Bad("a file's size is impossible");
        }

        return total;
    }

    private static byte[] ReadTarget(ref ByteReader reader)
    {
        var target = reader.Counted(MaxTarget).ToArray();
        return target.Length > 0 && !target.AsSpan().Contains((byte)0) ? target : throw reader.Bad("a link has no proper target");
    }

    private static FileContent ReadContent(ref ByteReader reader)
    {
        var size = reader.Size();
        switch (reader.Byte())
        {
            case InlineContent:
                return size <= InlineLimit ? new FileContent(size) { Inline = reader.Bytes((int)size).ToArray() } : throw reader.Bad("a long file is said to lie in its entry");
            case ListedContent:
                var level = ReadLevel(ref reader);
                var items = ReadItems(ref reader, level);
                return Total(ref reader, items) == size ? new FileContent(size) { Level = level, Items = items } : throw reader.Bad("a file's parts are not its size");
            default:
                throw reader.Bad("unknown kind of content");
        }
    }

    private static List<(byte[] Name, byte[] Value)> ReadAttributes(ref ByteReader reader)
    {
        var count = reader.Count(MaxAttributes);
        var attributes = new List<(byte[], byte[])>();
        for (var i = 0; i < count; i++)
        {
            var name = reader.Counted(MaxName).ToArray();
            if (!name.AsSpan().StartsWith("user."u8) || name.AsSpan().Contains((byte)0))
                throw reader.Bad("an attribute is not one of the user's");
            attributes.Add((name, reader.Counted(MaxAttributes).ToArray()));
        }

        return attributes;
    }
}
