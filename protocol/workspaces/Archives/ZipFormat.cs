using System.Buffers.Binary;

namespace Marionette.Workspaces;

/// <summary>An entry as the central directory of a zip has it.</summary>
internal sealed record ZipEntry(byte[] Name, int Flags, int Method, uint Sum, long Packed, long Size, long At)
{
    public const int Encrypted = 0x2041, HasDescriptor = 8;

    /// <summary>Mode with type as Unix has it; 0: the archive is of another system.</summary>
    public int Mode { get; init; }

    public long? Modified { get; init; }
}

/// <summary>Headers of a zip. Numbers are little-endian. Nothing in here trusts a length before it is held against what there is.</summary>
internal static class ZipFormat
{
    public const int LocalSize = 30, CentralSize = 46, EndSize = 22, LocatorSize = 20, BigEndSize = 56, MaxComment = 65_535;

    public const uint Local = 0x04034b50, Central = 0x02014b50, End = 0x06054b50, Locator = 0x07064b50, BigEnd = 0x06064b50, Descriptor = 0x08074b50;

    private const int UnixHost = 3, MacHost = 19;

    public static uint Signature(ReadOnlySpan<byte> header) => BinaryPrimitives.ReadUInt32LittleEndian(header);

    /// <summary>The three lengths behind a central header: name, extra fields, comment.</summary>
    public static (int Name, int Extra, int Comment) Lengths(ReadOnlySpan<byte> header) => (Short(header, 28), Short(header, 30), Short(header, 32));

    public static ZipEntry ReadCentral(ReadOnlySpan<byte> header, ReadOnlySpan<byte> name, ReadOnlySpan<byte> extra)
    {
        var (packed, size, at) = Sizes(extra, Int(header, 20), Int(header, 24), Int(header, 42), name);
        if (Short(header, 34) is not (0 or 0xffff))
            throw ImportNames.Refused(name, "the archive is in several parts");
        var host = header[5];
        return new ZipEntry(name.ToArray(), Short(header, 8), Short(header, 10), Int(header, 16), packed, size, at)
        {
            Mode = host is UnixHost or MacHost ? (int)(Int(header, 38) >> 16) : 0, Modified = Time(extra, Short(header, 12), Short(header, 14)),
        };
    }

    /// <summary>Whether the header before the content says the same as the central directory.</summary>
    /// <exception cref="WorkspaceException">Invalid.</exception>
    public static void CheckLocal(ReadOnlySpan<byte> header, ReadOnlySpan<byte> name, ReadOnlySpan<byte> extra, ZipEntry entry)
    {
        var (packed, size, _) = Sizes(extra, Int(header, 18), Int(header, 22), 0, name);
        var isSame = Short(header, 6) == entry.Flags && Short(header, 8) == entry.Method && name.SequenceEqual(entry.Name);
        var isLater = (entry.Flags & ZipEntry.HasDescriptor) != 0;
        isSame &= (Int(header, 14), packed, size) == (entry.Sum, entry.Packed, entry.Size)
            || (isLater && (Int(header, 14), packed, size) is (0, 0, 0) or (0, uint.MaxValue, uint.MaxValue));
        if (!isSame)
            throw ImportNames.Refused(entry.Name, "its two headers differ");
    }

    /// <summary>How long the descriptor behind the content is; it has one of four shapes.</summary>
    /// <exception cref="WorkspaceException">Invalid: it says something else than the central directory.</exception>
    public static int CheckDescriptor(ReadOnlySpan<byte> bytes, ZipEntry entry)
    {
        foreach (var isBig in new[] { false, true })
        {
            foreach (var signed in new[] { 4, 0 })
            {
                var length = signed + (isBig ? 20 : 12);
                if (bytes.Length < length || (signed > 0 && Int(bytes, 0) != Descriptor) || Int(bytes, signed) != entry.Sum)
                    continue;
                var packed = isBig ? Long(bytes, signed + 4) : Int(bytes, signed + 4);
                var size = isBig ? Long(bytes, signed + 12) : Int(bytes, signed + 8);
                if (packed == (ulong)entry.Packed && size == (ulong)entry.Size)
                    return length;
            }
        }

        throw ImportNames.Refused(entry.Name, "what stands behind its content differs from the central directory");
    }

    public static int Short(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    public static uint Int(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    public static ulong Long(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);

    /// <summary>Numbers that have no room stand in extra field 1, in this order.</summary>
    private static (long Packed, long Size, long At) Sizes(ReadOnlySpan<byte> extra, uint packed, uint size, uint at, ReadOnlySpan<byte> name)
    {
        var big = Field(extra, 1);
        var (longSize, longPacked, longAt) = (Next(size, ref big), Next(packed, ref big), Next(at, ref big));
        return longSize >= 0 && longPacked >= 0 && longAt >= 0 ? (longPacked, longSize, longAt)
            : throw ImportNames.Refused(name, "its header says something impossible");

        static long Next(uint number, ref ReadOnlySpan<byte> big)
        {
            if (number != uint.MaxValue || big.Length < 8)
                return number;
            var next = (long)Long(big, 0);
            big = big[8..];
            return next;
        }
    }

    /// <summary>The Unix time where it is told, else that of DOS, taken for UTC.</summary>
    private static long? Time(ReadOnlySpan<byte> extra, int time, int date)
    {
        if (Field(extra, 0x5455) is { Length: >= 5 } unix && (unix[0] & 1) != 0)
            return BinaryPrimitives.ReadInt32LittleEndian(unix[1..]) * 1_000_000_000L;
        var (year, month, day, hour, minute, second) = (1980 + (date >> 9), (date >> 5) & 15, date & 31, time >> 11, (time >> 5) & 63, (time & 31) * 2);
        return month is >= 1 and <= 12 && day >= 1 && day <= DateTime.DaysInMonth(year, month) && hour < 24 && minute < 60 && second < 60
            ? (new DateTime(year, month, day, hour, minute, second, DateTimeKind.Utc) - DateTime.UnixEpoch).Ticks * 100 : null;
    }

    private static ReadOnlySpan<byte> Field(ReadOnlySpan<byte> extra, int wanted)
    {
        while (extra.Length >= 4)
        {
            var (id, length) = (Short(extra, 0), Short(extra, 2));
            if (length > extra.Length - 4)
                break;
            if (id == wanted)
                return extra.Slice(4, length);
            extra = extra[(4 + length)..];
        }

        return default;
    }
}
