using System.Numerics;

namespace Marionette.Agent.Spool;

/// <summary>
/// One event before it has bytes. It is written as the protocol's <c>Event</c> message, field by field, so that what lies in the
/// spool goes on the wire unchanged and is never parsed again.
/// </summary>
internal readonly ref struct EventPayload(
    ReadOnlySpan<byte> type, long atMilliseconds, ReadOnlySpan<byte> run, ReadOnlySpan<byte> data)
{
    private const byte TypeTag = (1 << 3) | 2;
    private const byte AtTag = 2 << 3;
    private const byte RunTag = (3 << 3) | 2;
    private const byte DataTag = (4 << 3) | 2;

    private readonly ReadOnlySpan<byte> type = type;
    private readonly long atMilliseconds = atMilliseconds;
    private readonly ReadOnlySpan<byte> run = run;
    private readonly ReadOnlySpan<byte> data = data;

    /// <summary>Length of the message in bytes.</summary>
    public int Size => FieldSize(type) + 1 + VarintSize((ulong)atMilliseconds) + FieldSize(run) + FieldSize(data);

    /// <summary>What stands in for an event that the medium lost.</summary>
    public static EventPayload Lost(long atMilliseconds) => new(
        "log"u8,
        atMilliseconds,
        default,
        """{"stream":"system","level":"error","content":"An event was lost: the runner's spool is damaged here."}"""u8);

    public void Write(Span<byte> target)
    {
        var writer = target;
        WriteField(ref writer, TypeTag, type);
        writer[0] = AtTag;
        writer = writer[1..];
        WriteVarint(ref writer, (ulong)atMilliseconds);
        WriteField(ref writer, RunTag, run);
        WriteField(ref writer, DataTag, data);
    }

    public static int VarintSize(ulong value) => ((BitOperations.Log2(value | 1) * 9) + 73) / 64;

    public static void WriteVarint(ref Span<byte> target, ulong value)
    {
        var length = 0;
        while (value >= 0x80)
        {
            target[length++] = (byte)(value | 0x80);
            value >>= 7;
        }

        target[length++] = (byte)value;
        target = target[length..];
    }

    // Proto3 leaves an empty field out.
    private static int FieldSize(ReadOnlySpan<byte> value) =>
        value.IsEmpty ? 0 : 1 + VarintSize((ulong)value.Length) + value.Length;

    private static void WriteField(ref Span<byte> target, byte tag, ReadOnlySpan<byte> value)
    {
        if (value.IsEmpty)
            return;
        target[0] = tag;
        target = target[1..];
        WriteVarint(ref target, (ulong)value.Length);
        value.CopyTo(target);
        target = target[value.Length..];
    }
}
