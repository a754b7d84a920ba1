using System.Buffers.Binary;

namespace Marionette.Workspaces;

/// <summary>A buffer that grows and is used again. Numbers are LEB128 unless said.</summary>
internal sealed class ByteWriter
{
    private byte[] _bytes = new byte[1024];

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, Length);

    public void Clear() => Length = 0;

    public void Byte(byte value) => Room(1)[0] = value;

    public void Bytes(ReadOnlySpan<byte> value) => value.CopyTo(Room(value.Length));

    public void Number(ulong value)
    {
        while (value >= 0x80)
        {
            Byte((byte)(value | 0x80));
            value >>= 7;
        }

        Byte((byte)value);
    }

    public void Signed(long value) => Number((ulong)((value << 1) ^ (value >> 63)));

    public void Fixed(long value) => BinaryPrimitives.WriteInt64LittleEndian(Room(8), value);

    public void Fixed(UInt128 value) => BinaryPrimitives.WriteUInt128LittleEndian(Room(16), value);

    public void Counted(ReadOnlySpan<byte> value)
    {
        Number((ulong)value.Length);
        Bytes(value);
    }

    public void Reference(ChunkRef reference) => reference.CopyTo(Room(ChunkRef.Size));

    private Span<byte> Room(int count)
    {
        if (_bytes.Length - Length < count)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + count));
        var room = _bytes.AsSpan(Length, count);
        Length += count;
        return room;
    }
}

/// <summary>Reads what <see cref="ByteWriter"/> wrote; what goes past the end or is impossible is corrupt.</summary>
internal ref struct ByteReader(ReadOnlySpan<byte> bytes, string what)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;
    private readonly string _what = what;

    public int At { get; private set; }

    public readonly bool AtEnd => At == _bytes.Length;

    public byte Byte() => Bytes(1)[0];

    public ReadOnlySpan<byte> Bytes(int count)
    {
        if (count < 0 || count > _bytes.Length - At)
            throw Bad("it ends too soon");
        var part = _bytes.Slice(At, count);
        At += count;
        return part;
    }

    public ulong Number()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var part = Byte();
            value |= (ulong)(part & 0x7f) << shift;
            if (part < 0x80)
                return value;
        }

        throw Bad("a number is too long");
    }

    public int Count(int limit)
    {
        var value = Number();
        return value <= (ulong)limit ? (int)value : throw Bad($"{value} is more than {limit}");
    }

    public long Size()
    {
        var value = Number();
        return value <= long.MaxValue / 2 ? (long)value : throw Bad("a size is impossible");
    }

    public long Signed()
    {
        var value = Number();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    public long Fixed() => BinaryPrimitives.ReadInt64LittleEndian(Bytes(8));

    public UInt128 FixedLong() => BinaryPrimitives.ReadUInt128LittleEndian(Bytes(16));

    public ReadOnlySpan<byte> Counted(int limit) => Bytes(Count(limit));

    public ChunkRef Reference() => new(Bytes(ChunkRef.Size));

    public readonly WorkspaceException Bad(string why) => WorkspaceException.Corrupt($"{_what} says something impossible: {why}.");
}
