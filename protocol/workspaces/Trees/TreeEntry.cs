using System.Text;

namespace Marionette.Workspaces;

/// <summary>What an entry of a tree is. Bytes of the format.</summary>
public enum EntryType : byte
{
    /// <summary>A file.</summary>
    File = 1,

    /// <summary>A folder.</summary>
    Directory = 2,

    /// <summary>A symbolic link.</summary>
    Link = 3,
}

/// <summary>An entry of a snapshot. Names, link targets and attributes are bytes: what is no UTF-8 survives.</summary>
public sealed record TreeEntry
{
    /// <summary>Name in its folder; empty for the root.</summary>
    public required byte[] Name { get; init; }

    /// <summary>What it is.</summary>
    public required EntryType Type { get; init; }

    /// <summary>The twelve permission bits.</summary>
    public required int Mode { get; init; }

    /// <summary>Modification time, nanoseconds since 1970.</summary>
    public required long Modified { get; init; }

    /// <summary>Bytes of a file, holes counted.</summary>
    public long Size => Content?.Size ?? 0;

    /// <summary>Target of a symbolic link.</summary>
    public byte[]? Target { get; init; }

    /// <summary>Owner and group, where the writer was asked to keep them.</summary>
    public (uint User, uint Group)? Owner { get; init; }

    /// <summary>Attributes <c>user.*</c>, by name.</summary>
    public IReadOnlyList<(byte[] Name, byte[] Value)> Attributes { get; init; } = [];

    /// <summary>Files with the same number are hard links to one file; 0: none.</summary>
    public ulong LinkGroup { get; init; }

    internal FileContent? Content { get; init; }

    internal ChunkRef Subtree { get; init; }

    /// <summary>The name for people; bytes that are no UTF-8 show as U+FFFD.</summary>
    public string NameText => Encoding.UTF8.GetString(Name);
}

/// <summary>Where a file's bytes are: in the entry itself, in a list, or in a tree of lists.</summary>
internal sealed record FileContent(long Size)
{
    public byte[]? Inline { get; init; }

    public IReadOnlyList<ContentItem> Items { get; init; } = [];

    /// <summary>0: the items are chunks; n: they are lists of level n - 1.</summary>
    public int Level { get; init; }
}

/// <summary>A part of a file: a chunk, a list of chunks, or a hole.</summary>
internal readonly record struct ContentItem(long Length, ChunkRef Reference, bool IsHole);
