namespace Marionette.Workspaces;

/// <summary>Where a stored chunk lies.</summary>
public readonly struct ChunkLocation
{
    /// <summary>The pack's name: 64 hexadecimal digits.</summary>
    public required string Pack { get; init; }

    /// <summary>First byte in the pack.</summary>
    public required long Offset { get; init; }

    /// <summary>Bytes in the pack.</summary>
    public required int StoredLength { get; init; }

    /// <summary>Bytes of the content.</summary>
    public required int PlainLength { get; init; }

    /// <summary>What it holds.</summary>
    public required ChunkType Type { get; init; }

    internal ChunkMethod Method { get; init; }
}

/// <summary>A pack and the chunks in it, in the order in which they lie.</summary>
/// <param name="Name">64 hexadecimal digits: the BLAKE3 hash of the pack's bytes.</param>
public sealed record PackContents(string Name, IReadOnlyList<PackEntry> Entries)
{
    /// <summary>Bytes of the whole pack.</summary>
    public long Length => PackFormat.HeaderSize + Entries.Sum(entry => (long)entry.StoredLength) + ((long)Entries.Count * PackFormat.EntrySize) + PackFormat.TrailerSize;
}

/// <summary>One chunk of a pack.</summary>
public readonly record struct PackEntry(ChunkId Id, int StoredLength, int PlainLength, ChunkType Type)
{
    internal ChunkMethod Method { get; init; }
}
