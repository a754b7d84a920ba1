using System.Buffers.Binary;
using System.Text;
using Marionette.Agent.Egress.Policy;

namespace Marionette.Agent.Egress.Names;

/// <summary>The few numbers of DNS that are used here.</summary>
internal static class DnsWire
{
    public const int HeaderSize = 12;
    public const int TypeA = 1;
    public const int TypeMx = 15;
    public const int TypeTxt = 16;
    public const int TypeAaaa = 28;
    public const int TypeSrv = 33;
    public const int ClassInternet = 1;
    public const int NoError = 0;
    public const int FormatError = 1;
    public const int ServerFailure = 2;
    public const int NoSuchName = 3;
    public const int NotImplemented = 4;
    public const int Refused = 5;

    /// <summary>Longest answer over UDP when the asker said nothing else.</summary>
    public const int MaxUdp = 512;
}

/// <summary>A query, read from bytes that a runner sent: anything may stand in them.</summary>
internal sealed class DnsQuestion
{
    private const int MaxLabels = 127;

    private DnsQuestion(ushort id, bool recursionDesired)
    {
        Id = id;
        RecursionDesired = recursionDesired;
    }

    public ushort Id { get; }

    public bool RecursionDesired { get; }

    /// <summary>What is wrong with it, as an answer code; <see cref="DnsWire.NoError"/> when it can be answered.</summary>
    public int Error { get; private init; }

    /// <summary>Canonical name; null when the labels are no name that a rule could know.</summary>
    public string? Name { get; private init; }

    /// <summary>The labels for people to read: never longer than a name, nothing unprintable.</summary>
    public string Shown { get; private init; } = "";

    public ushort Type { get; private init; }

    public ushort Class { get; private init; }

    /// <summary>Bytes of the question section, to be said again in the answer.</summary>
    public ReadOnlyMemory<byte> Section { get; private init; }

    /// <summary>Reads a message.</summary>
    /// <returns>Null when it deserves no answer: too short, or itself an answer.</returns>
    public static DnsQuestion? Parse(ReadOnlyMemory<byte> message)
    {
        var bytes = message.Span;
        if (bytes.Length < DnsWire.HeaderSize || (bytes[2] & 0x80) != 0)
            return null;
        var id = BinaryPrimitives.ReadUInt16BigEndian(bytes);
        var desired = (bytes[2] & 0x01) != 0;
        if ((bytes[2] & 0x78) != 0)
            return new DnsQuestion(id, desired) { Error = DnsWire.NotImplemented };
        if (BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]) != 1)
            return new DnsQuestion(id, desired) { Error = DnsWire.FormatError };
        var text = new StringBuilder();
        if (ReadLabels(bytes, text) is not { } at || at + 4 > bytes.Length)
            return new DnsQuestion(id, desired) { Error = DnsWire.FormatError };
        return new DnsQuestion(id, desired)
        {
            Name = HostName.Canonical(text.ToString()),
            Shown = Printable(text),
            Type = BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]),
            Class = BinaryPrimitives.ReadUInt16BigEndian(bytes[(at + 2)..]),
            Section = message[DnsWire.HeaderSize..(at + 4)],
        };
    }

    /// <summary>Writes a name as labels.</summary>
    /// <param name="name">Canonical.</param>
    /// <returns>Bytes written.</returns>
    public static int WriteName(string name, Span<byte> target)
    {
        var at = 0;
        foreach (var label in name.AsSpan().Split('.'))
        {
            var text = name.AsSpan(label);
            target[at++] = (byte)text.Length;
            at += Encoding.ASCII.GetBytes(text, target[at..]);
        }

        target[at++] = 0;
        return at;
    }

    // A question has no earlier name to point back to, so a compressed one is malformed.
    private static int? ReadLabels(ReadOnlySpan<byte> bytes, StringBuilder text)
    {
        var at = DnsWire.HeaderSize;
        for (var labels = 0; labels <= MaxLabels && at < bytes.Length; labels++)
        {
            var length = bytes[at++];
            if (length == 0)
                return at;
            if (length > 63 || at + length > bytes.Length)
                return null;
            if (labels > 0)
                text.Append('.');
            // A dot inside of a label would read as two labels: it must not make a name.
            foreach (var octet in bytes.Slice(at, length))
                text.Append(octet == (byte)'.' ? '\0' : (char)octet);
            at += length;
        }

        return null;
    }

    private static string Printable(StringBuilder text)
    {
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] is <= ' ' or > '~')
                text[at] = '?';
        }

        return text.ToString(0, Math.Min(text.Length, HostName.MaxLength));
    }
}
