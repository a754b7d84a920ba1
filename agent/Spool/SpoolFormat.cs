using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Marionette.Agent.Spool;

/// <summary>The bytes of the spool's files. The layout stands in docs/reference/formats/spool.md.</summary>
internal static class SpoolFormat
{
    public const int SegmentHeaderSize = 24;
    public const int RecordHeaderSize = 8;
    public const int StateSize = 32;

    /// <summary>Longest payload that a record may have; a longer length field can only be damage.</summary>
    public const int MaxPayload = 72 * 1024 * 1024;

    private static ReadOnlySpan<byte> SegmentMagic => "MNSPOOL1"u8;

    private static ReadOnlySpan<byte> StateMagic => "MNSTATE1"u8;

    public static void WriteSegmentHeader(Span<byte> target, long first)
    {
        target[..SegmentHeaderSize].Clear();
        SegmentMagic.CopyTo(target);
        BinaryPrimitives.WriteInt64LittleEndian(target[8..], first);
        BinaryPrimitives.WriteUInt32LittleEndian(target[16..], Crc32C(target[..16]));
    }

    public static bool TryReadSegmentHeader(ReadOnlySpan<byte> source, out long first)
    {
        first = 0;
        if (source.Length < SegmentHeaderSize || !source.StartsWith(SegmentMagic)
            || BinaryPrimitives.ReadUInt32LittleEndian(source[16..]) != Crc32C(source[..16]))
            return false;
        first = BinaryPrimitives.ReadInt64LittleEndian(source[8..]);
        return first > 0;
    }

    public static void WriteRecordHeader(Span<byte> target, long number, ReadOnlySpan<byte> payload)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(target, (uint)payload.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(target[4..], RecordCrc(number, payload));
    }

    /// <summary>Length of the payload that a record header announces, or -1 when it can be no length.</summary>
    public static int ReadLength(ReadOnlySpan<byte> header)
    {
        var length = BinaryPrimitives.ReadUInt32LittleEndian(header);
        return length is 0 or > MaxPayload ? -1 : (int)length;
    }

    public static bool IsIntact(ReadOnlySpan<byte> header, long number, ReadOnlySpan<byte> payload) =>
        BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) == RecordCrc(number, payload);

    public static void WriteState(Span<byte> target, long acked, long highest)
    {
        target[..StateSize].Clear();
        StateMagic.CopyTo(target);
        BinaryPrimitives.WriteInt64LittleEndian(target[8..], acked);
        BinaryPrimitives.WriteInt64LittleEndian(target[16..], highest);
        BinaryPrimitives.WriteUInt32LittleEndian(target[24..], Crc32C(target[..24]));
    }

    public static bool TryReadState(ReadOnlySpan<byte> source, out long acked, out long highest)
    {
        acked = highest = 0;
        if (source.Length < StateSize || !source.StartsWith(StateMagic)
            || BinaryPrimitives.ReadUInt32LittleEndian(source[24..]) != Crc32C(source[..24]))
            return false;
        acked = BinaryPrimitives.ReadInt64LittleEndian(source[8..]);
        highest = BinaryPrimitives.ReadInt64LittleEndian(source[16..]);
        return acked >= 0 && highest >= acked;
    }

    // The number is part of the sum, so that a record found at the wrong place does not pass for another.
    private static uint RecordCrc(long number, ReadOnlySpan<byte> payload) =>
        ~Append(BitOperations.Crc32C(uint.MaxValue, (ulong)number), payload);

    public static uint Crc32C(ReadOnlySpan<byte> bytes) => ~Append(uint.MaxValue, bytes);

    private static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words)
            crc = BitOperations.Crc32C(crc, word);
        foreach (var value in bytes[(words.Length * sizeof(ulong))..])
            crc = BitOperations.Crc32C(crc, value);
        return crc;
    }
}
