using System.Buffers.Binary;

namespace Marionette.Workspaces;

/// <summary>A pack: header, chunks one after another, their list, a trailer with the list's length and checksum. docs/reference/formats/workspace.md has the layout.</summary>
internal static class PackFormat
{
    public const int HeaderSize = 8, EntrySize = ChunkId.Size + 4 + 4 + 1, TrailerSize = 4 + 16 + 4;

    /// <summary>A pack is ended once it is longer; 100,000 files become some dozens of objects.</summary>
    public const int TargetSize = 16 * 1024 * 1024;

    private const byte TypeMask = 0x0f;
    private const int MethodShift = 4;

    public static ReadOnlySpan<byte> Header => "MWPK\u0001\0\0\0"u8;

    private static ReadOnlySpan<byte> End => "KPWM"u8;

    public static byte[] WriteFooter(List<PackEntry> entries)
    {
        var footer = new byte[(entries.Count * EntrySize) + TrailerSize];
        WriteEntries(entries, footer);
        var list = footer.AsSpan(0, entries.Count * EntrySize);
        var trailer = footer.AsSpan(list.Length);
        BinaryPrimitives.WriteInt32LittleEndian(trailer, entries.Count);
        Keyed.Plain(list, trailer.Slice(4, 16));
        End.CopyTo(trailer[20..]);
        return footer;
    }

    /// <summary>How many chunks the trailer tells of.</summary>
    public static int ReadTrailer(string pack, ReadOnlySpan<byte> trailer, long packLength)
    {
        var count = BinaryPrimitives.ReadInt32LittleEndian(trailer);
        if (!trailer[20..].SequenceEqual(End) || count < 0 || ((long)count * EntrySize) + HeaderSize + TrailerSize > packLength)
            throw WorkspaceException.Corrupt($"Pack {pack} has no proper end: it was cut off or changed.");
        return count;
    }

    public static PackContents ReadFooter(string pack, ReadOnlySpan<byte> list, ReadOnlySpan<byte> trailer, long packLength)
    {
        Span<byte> sum = stackalloc byte[16];
        Keyed.Plain(list, sum);
        if (!sum.SequenceEqual(trailer.Slice(4, 16)))
            throw WorkspaceException.Corrupt($"The list of chunks in pack {pack} was changed.");
        var contents = new PackContents(pack, ReadEntries(pack, list));
        return contents.Length == packLength ? contents : throw WorkspaceException.Corrupt($"Pack {pack} has {packLength} bytes; its list says {contents.Length}.");
    }

    public static void WriteEntries(IReadOnlyList<PackEntry> entries, Span<byte> target)
    {
        for (var i = 0; i < entries.Count; i++)
        {
            var entry = entries[i];
            var bytes = target.Slice(i * EntrySize, EntrySize);
            entry.Id.CopyTo(bytes);
            BinaryPrimitives.WriteInt32LittleEndian(bytes[16..], entry.StoredLength);
            BinaryPrimitives.WriteInt32LittleEndian(bytes[20..], entry.PlainLength);
            bytes[24] = (byte)((byte)entry.Type | (byte)entry.Method << MethodShift);
        }
    }

    public static PackEntry[] ReadEntries(string owner, ReadOnlySpan<byte> list)
    {
        var entries = new PackEntry[list.Length / EntrySize];
        for (var i = 0; i < entries.Length; i++)
        {
            var bytes = list.Slice(i * EntrySize, EntrySize);
            var entry = new PackEntry(new ChunkId(bytes), BinaryPrimitives.ReadInt32LittleEndian(bytes[16..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[20..]), (ChunkType)(bytes[24] & TypeMask))
            {
                Method = (ChunkMethod)(bytes[24] >> MethodShift),
            };
            if (entry.StoredLength < ChunkFormat.Overhead || entry.StoredLength > ChunkFormat.MaxPlain + ChunkFormat.Overhead || entry.PlainLength < 0 || entry.PlainLength > ChunkFormat.MaxPlain
                || entry.Type is not (ChunkType.Data or ChunkType.Tree))
                throw WorkspaceException.Corrupt($"{owner} tells of an impossible chunk {entry.Id}.");
            entries[i] = entry;
        }

        return entries;
    }
}
