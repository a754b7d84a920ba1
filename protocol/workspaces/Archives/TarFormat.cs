using System.Globalization;
using System.Text;

namespace Marionette.Workspaces;

/// <summary>The 512 bytes that begin an entry of a tar archive, and the records of pax. Names are bytes.</summary>
internal static class TarFormat
{
    public const int BlockSize = 512, NameSize = 100;

    public const byte File = (byte)'0', HardLink = (byte)'1', Link = (byte)'2', Directory = (byte)'5', Pax = (byte)'x';

    /// <summary>Greatest numbers of eleven and of seven octal digits.</summary>
    public const long MostLong = 0x1_ffff_ffff, MostShort = 0x1f_ffff;

    private const int ModeAt = 100, UserAt = 108, GroupAt = 116, SizeAt = 124, TimeAt = 136, SumAt = 148, TypeAt = 156, LinkAt = 157, MagicAt = 257,
        PrefixAt = 345;

    private static ReadOnlySpan<byte> Magic => "ustar\0"u8;

    /// <summary>Writes a header of pax. What does not fit stands in records before it.</summary>
    public static void Write(Span<byte> block, ReadOnlySpan<byte> name, byte type, int mode, (uint User, uint Group) owner, long size, long seconds,
        ReadOnlySpan<byte> link)
    {
        block.Clear();
        name[..Math.Min(name.Length, NameSize)].CopyTo(block);
        Octal(block.Slice(ModeAt, 8), mode);
        Octal(block.Slice(UserAt, 8), owner.User <= MostShort ? owner.User : 0);
        Octal(block.Slice(GroupAt, 8), owner.Group <= MostShort ? owner.Group : 0);
        Octal(block.Slice(SizeAt, 12), size <= MostLong ? size : 0);
        Octal(block.Slice(TimeAt, 12), Math.Clamp(seconds, 0, MostLong));
        block[TypeAt] = type;
        link[..Math.Min(link.Length, NameSize)].CopyTo(block[LinkAt..]);
        Magic.CopyTo(block[MagicAt..]);
        block[MagicAt + 6] = block[MagicAt + 7] = (byte)'0';
        Octal(block.Slice(SumAt, 7), Sum(block, signed: false));
        block[SumAt + 7] = (byte)' ';
    }

    /// <returns>Null when these are no header: the sum is another.</returns>
    public static TarHeader? Read(ReadOnlySpan<byte> block)
    {
        var sum = Number(block.Slice(SumAt, 8));
        // Some old programs added up signed bytes.
        if (sum is null || (sum != Sum(block, signed: false) && sum != Sum(block, signed: true)))
            return null;
        var name = UpToZero(block[..NameSize]);
        var prefix = block.Slice(MagicAt, 6).SequenceEqual(Magic) ? UpToZero(block.Slice(PrefixAt, 155)) : default;
        return new TarHeader(block[TypeAt], prefix.IsEmpty ? name.ToArray() : [.. prefix, (byte)'/', .. name])
        {
            Mode = Number(block.Slice(ModeAt, 8)), Size = Number(block.Slice(SizeAt, 12)), Seconds = Number(block.Slice(TimeAt, 12)),
            Target = UpToZero(block.Slice(LinkAt, NameSize)).ToArray(),
        };
    }

    /// <summary>A record: its own length, a blank, key, equals, value, line feed.</summary>
    public static void Record(ByteWriter records, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        var rest = key.Length + value.Length + 3;
        var length = rest + 1;
        while (length != rest + Digits(length))
            length = rest + Digits(length);
        records.Bytes(Encoding.ASCII.GetBytes(length.ToString(CultureInfo.InvariantCulture)));
        records.Byte((byte)' ');
        records.Bytes(key);
        records.Byte((byte)'=');
        records.Bytes(value);
        records.Byte((byte)'\n');
    }

    private static int Digits(int number) => number.ToString(CultureInfo.InvariantCulture).Length;

    private static ReadOnlySpan<byte> UpToZero(ReadOnlySpan<byte> field) => field.IndexOf((byte)0) is var end and >= 0 ? field[..end] : field;

    private static void Octal(Span<byte> field, long number)
    {
        field[^1] = 0;
        for (var i = field.Length - 2; i >= 0; i--, number >>= 3)
            field[i] = (byte)('0' + (number & 7));
    }

    /// <summary>Octal digits, or base 256 with the first bit set.</summary>
    private static long? Number(ReadOnlySpan<byte> field)
    {
        if ((field[0] & 0x80) != 0)
        {
            Int128 number = (field[0] & 0x40) != 0 ? (sbyte)field[0] : field[0] & 0x3f;
            foreach (var one in field[1..])
                number = (number << 8) | one;
            return number >= long.MinValue && number <= long.MaxValue ? (long)number : null;
        }

        var digits = UpToZero(field).Trim((byte)' ');
        long value = 0;
        foreach (var digit in digits)
        {
            if (digit is < (byte)'0' or > (byte)'7')
                return null;
            value = (value << 3) | (uint)(digit - '0');
        }

        return value;
    }

    private static long Sum(ReadOnlySpan<byte> block, bool signed)
    {
        long sum = 0;
        for (var i = 0; i < BlockSize; i++)
        {
            var one = i is >= SumAt and < SumAt + 8 ? (byte)' ' : block[i];
            sum += signed ? (sbyte)one : one;
        }

        return sum;
    }
}

/// <summary>What a header says. A number is null where the field holds none.</summary>
internal sealed record TarHeader(byte Type, byte[] Name)
{
    public long? Mode { get; init; }

    public long? Size { get; init; }

    public long? Seconds { get; init; }

    public byte[] Target { get; init; } = [];
}
