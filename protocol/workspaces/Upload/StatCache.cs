using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace Marionette.Workspaces;

/// <summary>
/// What the file system said of every file when it was last snapshotted or restored, and what was stored of it: an unchanged file is not read, an unchanged folder not even looked at in
/// the store. A local file (mode 0600: it holds references); when it is damaged, of another key or of a snapshot that is gone, it is as if there were none.
/// </summary>
internal sealed class StatCache
{
    public const int HeaderSize = 8 + 16 + 4 + 4 + 8 + 16 + ChunkRef.Size + 1 + 63 + 8, SectionHead = 4 + 16 + 16 + 1 + ChunkRef.Size + 4, EntryHead = 1 + 8 + 8 + 8 + 8 + 4;

    private readonly byte[] _content;
    private readonly Dictionary<UInt128, int> _sections;

    private StatCache(byte[] content, Dictionary<UInt128, int> sections, string snapshot, ChunkRef root) => (_content, _sections, Snapshot, Root) = (content, sections, snapshot, root);

    public static ReadOnlySpan<byte> Magic => "MWSC\u0001\0\0\0"u8;

    /// <summary>The snapshot that the references belong to.</summary>
    public string Snapshot { get; }

    public ChunkRef Root { get; }

    public int Sections => _sections.Count;

    public static UInt128 PathKey(ReadOnlySpan<byte> path) => XxHash128.HashToUInt128(path);

    /// <summary>Null when there is none that can be used.</summary>
    public static StatCache? Load(string path, ConvergenceKey key, int flags)
    {
        byte[] content;
        try
        {
            content = File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        if (content.Length < HeaderSize)
            return null;
        var header = content.AsSpan(0, HeaderSize);
        var body = content.AsSpan(HeaderSize);
        if (!header[..8].SequenceEqual(Magic) || !header.Slice(8, 16).SequenceEqual(key.Mark) || BinaryPrimitives.ReadInt32LittleEndian(header[24..]) != flags
            || XxHash64.HashToUInt64(header[..^8]) != BinaryPrimitives.ReadUInt64LittleEndian(header[^8..]) || BinaryPrimitives.ReadInt64LittleEndian(header[32..]) != body.Length
            || XxHash128.HashToUInt128(body) != BinaryPrimitives.ReadUInt128LittleEndian(header[40..]))
            return null;
        var count = BinaryPrimitives.ReadInt32LittleEndian(header[28..]);
        var sections = new Dictionary<UInt128, int>(count);
        for (var at = HeaderSize; at < content.Length; at += BinaryPrimitives.ReadInt32LittleEndian(content.AsSpan(at)))
            sections[BinaryPrimitives.ReadUInt128LittleEndian(content.AsSpan(at + 4))] = at;
        return new StatCache(content, sections, Encoding.ASCII.GetString(header.Slice(89, header[88])), new ChunkRef(header[56..]));
    }

    public CacheSection? Find(UInt128 pathKey) =>
        _sections.TryGetValue(pathKey, out var at) ? new CacheSection(_content.AsMemory(at, BinaryPrimitives.ReadInt32LittleEndian(_content.AsSpan(at)))) : null;

    public static void WriteHeader(Span<byte> header, ConvergenceKey key, int flags, int sections, long bodyLength, UInt128 bodyHash, ChunkRef root, string snapshot)
    {
        header.Clear();
        Magic.CopyTo(header);
        key.Mark.CopyTo(header[8..]);
        BinaryPrimitives.WriteInt32LittleEndian(header[24..], flags);
        BinaryPrimitives.WriteInt32LittleEndian(header[28..], sections);
        BinaryPrimitives.WriteInt64LittleEndian(header[32..], bodyLength);
        BinaryPrimitives.WriteUInt128LittleEndian(header[40..], bodyHash);
        root.CopyTo(header[56..]);
        header[88] = (byte)Encoding.ASCII.GetBytes(snapshot, header.Slice(89, 63));
        BinaryPrimitives.WriteUInt64LittleEndian(header[^8..], XxHash64.HashToUInt64(header[..^8]));
    }

    /// <summary>The same files belong to a newer snapshot.</summary>
    public void Rebind(string path, ConvergenceKey key, int flags, string snapshot)
    {
        var header = new byte[HeaderSize];
        WriteHeader(header, key, flags, _sections.Count, _content.Length - HeaderSize, BinaryPrimitives.ReadUInt128LittleEndian(_content.AsSpan(40)), Root, snapshot);
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Write);
        RandomAccess.Write(file, header, 0);
    }
}

/// <summary>A folder in the cache.</summary>
internal sealed class CacheSection(ReadOnlyMemory<byte> bytes)
{
    public const byte Settled = 1;

    public ReadOnlyMemory<byte> Bytes => bytes;

    public UInt128 Fingerprint { get; } = BinaryPrimitives.ReadUInt128LittleEndian(bytes.Span[20..]);

    /// <summary>Every file in it had times that a later change must alter, and nothing failed.</summary>
    public bool IsSettled { get; } = (bytes.Span[36] & Settled) != 0;

    public ChunkRef Reference { get; } = new(bytes.Span[37..]);

    public int Count { get; } = BinaryPrimitives.ReadInt32LittleEndian(bytes.Span[69..]);

    /// <summary>Reads the entry at a position, which moves on; the first stands at <see cref="StatCache.SectionHead"/>.</summary>
    public CachedEntry Read(ref int at)
    {
        var span = bytes.Span[at..];
        var length = BinaryPrimitives.ReadInt32LittleEndian(span[33..]);
        var entry = new CachedEntry
        {
            IsSettled = (span[0] & Settled) != 0,
            Stat = new EntryStat
            {
                Inode = BinaryPrimitives.ReadUInt64LittleEndian(span[1..]), Size = BinaryPrimitives.ReadUInt64LittleEndian(span[9..]),
                Modified = BinaryPrimitives.ReadInt64LittleEndian(span[17..]), Changed = BinaryPrimitives.ReadInt64LittleEndian(span[25..]),
            },
            Encoded = bytes.Slice(at + StatCache.EntryHead, length),
        };
        at += StatCache.EntryHead + length;
        return entry;
    }
}

/// <summary>An entry in the cache.</summary>
internal readonly struct CachedEntry
{
    public bool IsSettled { get; init; }

    public EntryStat Stat { get; init; }

    public ReadOnlyMemory<byte> Encoded { get; init; }

    /// <summary>An entry begins with its name's length, in one or two bytes.</summary>
    public ReadOnlySpan<byte> Name
    {
        get
        {
            var span = Encoded.Span;
            return span[0] < 0x80 ? span.Slice(1, span[0]) : span.Slice(2, (span[0] & 0x7f) | (span[1] << 7));
        }
    }

    public EntryType Type
    {
        get
        {
            var span = Encoded.Span;
            return (EntryType)span[span[0] < 0x80 ? 1 + span[0] : 2 + ((span[0] & 0x7f) | (span[1] << 7))];
        }
    }
}
