using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Marionette.Workspaces;

/// <summary>
/// Names a chunk and opens it: 32 secret bytes, the keyed hash of its plain content. Whoever has the reference of a snapshot's root can
/// read that snapshot, and nothing else. Never log it.
/// </summary>
public readonly struct ChunkRef : IEquatable<ChunkRef>
{
    /// <summary>Bytes of a reference.</summary>
    public const int Size = 32;

    private readonly UInt128 _high, _low;

    /// <summary>From its bytes, of which there must be 32.</summary>
    public ChunkRef(ReadOnlySpan<byte> bytes) => (_high, _low) = (BinaryPrimitives.ReadUInt128BigEndian(bytes), BinaryPrimitives.ReadUInt128BigEndian(bytes[16..Size]));

    /// <summary>Writes the 32 bytes.</summary>
    public void CopyTo(Span<byte> target)
    {
        BinaryPrimitives.WriteUInt128BigEndian(target, _high);
        BinaryPrimitives.WriteUInt128BigEndian(target[16..], _low);
    }

    /// <summary>The 32 bytes. They are secret.</summary>
    public byte[] ToArray()
    {
        var bytes = new byte[Size];
        CopyTo(bytes);
        return bytes;
    }

    /// <summary>Where content-defined lists are cut; any bits of a keyed hash do.</summary>
    internal uint CutBits => (uint)_low;

    /// <inheritdoc/>
    public bool Equals(ChunkRef other) => _high == other._high && _low == other._low;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is ChunkRef other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)(ulong)_low;

    /// <summary>Says nothing: a reference is a secret.</summary>
    public override string ToString() => "chunk reference";

    /// <summary>Same reference.</summary>
    public static bool operator ==(ChunkRef left, ChunkRef right) => left.Equals(right);

    /// <summary>Another reference.</summary>
    public static bool operator !=(ChunkRef left, ChunkRef right) => !left.Equals(right);

    /// <summary>A chunk's public name and the key that opens it.</summary>
    internal ChunkId Derive(ChunkType type, Span<byte> key)
    {
        Span<byte> own = stackalloc byte[Size];
        Span<byte> both = stackalloc byte[ChunkId.Size + 32];
        CopyTo(own);
        Keyed.Hash(own, type == ChunkType.Tree ? "marionette.workspace.v1 tree chunk"u8 : "marionette.workspace.v1 data chunk"u8, both);
        both[ChunkId.Size..].CopyTo(key);
        CryptographicOperations.ZeroMemory(own);
        return new ChunkId(both);
    }

    /// <summary>A chunk's public name.</summary>
    internal ChunkId ToId(ChunkType type)
    {
        Span<byte> key = stackalloc byte[32];
        return Derive(type, key);
    }
}

/// <summary>The public name of a chunk: 16 bytes that tell nothing to whoever lacks its reference.</summary>
public readonly struct ChunkId : IEquatable<ChunkId>, IComparable<ChunkId>
{
    /// <summary>Bytes of an id.</summary>
    public const int Size = 16;

    private readonly UInt128 _value;

    /// <summary>From the first 16 bytes.</summary>
    public ChunkId(ReadOnlySpan<byte> bytes) => _value = BinaryPrimitives.ReadUInt128BigEndian(bytes);

    /// <summary>Writes the 16 bytes.</summary>
    public void CopyTo(Span<byte> target) => BinaryPrimitives.WriteUInt128BigEndian(target, _value);

    /// <inheritdoc/>
    public bool Equals(ChunkId other) => _value == other._value;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is ChunkId other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => (int)(ulong)_value;

    /// <inheritdoc/>
    public int CompareTo(ChunkId other) => _value.CompareTo(other._value);

    /// <summary>32 lower-case hexadecimal digits.</summary>
    public override string ToString() => _value.ToString("x32", null);

    /// <summary>Same id.</summary>
    public static bool operator ==(ChunkId left, ChunkId right) => left.Equals(right);

    /// <summary>Another id.</summary>
    public static bool operator !=(ChunkId left, ChunkId right) => !left.Equals(right);

    /// <summary>By value.</summary>
    public static bool operator <(ChunkId left, ChunkId right) => left._value < right._value;

    /// <summary>By value.</summary>
    public static bool operator >(ChunkId left, ChunkId right) => left._value > right._value;

    /// <summary>By value.</summary>
    public static bool operator <=(ChunkId left, ChunkId right) => left._value <= right._value;

    /// <summary>By value.</summary>
    public static bool operator >=(ChunkId left, ChunkId right) => left._value >= right._value;
}

/// <summary>What a chunk holds. A byte of the format.</summary>
public enum ChunkType : byte
{
    /// <summary>A part of a file.</summary>
    Data = 1,

    /// <summary>A node of the tree: entries of a directory, or the list of a long file's chunks.</summary>
    Tree = 2,
}
