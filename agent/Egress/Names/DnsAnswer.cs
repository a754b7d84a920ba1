using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Egress.Names;

/// <summary>What a server upstream said.</summary>
/// <param name="Code">Answer code.</param>
/// <param name="Addresses">Of all address records in the answer section, in its order.</param>
/// <param name="Ttl">Least time that the records hold.</param>
internal sealed record DnsAnswer(int Code, IReadOnlyList<IPAddress> Addresses, TimeSpan Ttl)
{
    /// <summary>More than any honest answer has.</summary>
    private const int MaxAddresses = 64;

    private const int TypeSoa = 6;

    /// <summary>Reads an answer.</summary>
    /// <returns>Null when it cannot be read.</returns>
    /// <param name="truncated">The rest is to be had over TCP.</param>
    public static DnsAnswer? Parse(ReadOnlySpan<byte> message, int type, out bool truncated)
    {
        truncated = false;
        if (message.Length < DnsWire.HeaderSize)
            return null;
        truncated = (message[2] & 0x02) != 0;
        var at = DnsWire.HeaderSize;
        for (var i = BinaryPrimitives.ReadUInt16BigEndian(message[4..]); i > 0; i--)
        {
            if (SkipName(message, ref at) is false || (at += 4) > message.Length)
                return null;
        }

        var addresses = new List<IPAddress>();
        var ttl = uint.MaxValue;
        var records = BinaryPrimitives.ReadUInt16BigEndian(message[6..]) + BinaryPrimitives.ReadUInt16BigEndian(message[8..]);
        for (; records > 0; records--)
        {
            if (!SkipName(message, ref at) || at + 10 > message.Length)
                return null;
            var kind = BinaryPrimitives.ReadUInt16BigEndian(message[at..]);
            var life = BinaryPrimitives.ReadUInt32BigEndian(message[(at + 4)..]);
            var length = BinaryPrimitives.ReadUInt16BigEndian(message[(at + 8)..]);
            at += 10;
            if (at + length > message.Length)
                return null;
            if (kind == type && length == (type == DnsWire.TypeA ? 4 : 16) && addresses.Count < MaxAddresses)
                addresses.Add(new IPAddress(message.Slice(at, length)));
            if (kind == type || (kind == TypeSoa && addresses.Count == 0))
                ttl = Math.Min(ttl, life);
            at += length;
        }

        return new DnsAnswer(message[3] & 0x0f, addresses, TimeSpan.FromSeconds(ttl == uint.MaxValue ? 0 : ttl));
    }

    /// <summary>Builds an answer of ours.</summary>
    /// <param name="question">What was asked.</param>
    /// <param name="address">The one record; null for none.</param>
    public static byte[] Build(DnsQuestion question, int code, IPAddress? address, TimeSpan ttl)
    {
        var size = address is null ? 0 : 12 + (address.AddressFamily == AddressFamily.InterNetwork ? 4 : 16);
        var message = new byte[DnsWire.HeaderSize + question.Section.Length + size];
        BinaryPrimitives.WriteUInt16BigEndian(message, question.Id);
        message[2] = (byte)(0x80 | (question.RecursionDesired ? 0x01 : 0));
        message[3] = (byte)(0x80 | code);
        message[5] = (byte)(question.Section.Length > 0 ? 1 : 0);
        message[7] = (byte)(address is null ? 0 : 1);
        question.Section.Span.CopyTo(message.AsSpan(DnsWire.HeaderSize));
        if (address is null)
            return message;
        var record = message.AsSpan(DnsWire.HeaderSize + question.Section.Length);
        BinaryPrimitives.WriteUInt16BigEndian(record, 0xc000 | DnsWire.HeaderSize); // the question's name
        BinaryPrimitives.WriteUInt16BigEndian(record[2..], question.Type);
        BinaryPrimitives.WriteUInt16BigEndian(record[4..], DnsWire.ClassInternet);
        BinaryPrimitives.WriteUInt32BigEndian(record[6..], (uint)ttl.TotalSeconds);
        BinaryPrimitives.WriteUInt16BigEndian(record[10..], (ushort)(size - 12));
        address.TryWriteBytes(record[12..], out _);
        return message;
    }

    private static bool SkipName(ReadOnlySpan<byte> message, ref int at)
    {
        while (at < message.Length)
        {
            var length = message[at++];
            if (length == 0)
                return true;
            if ((length & 0xc0) == 0xc0)
                return ++at <= message.Length;
            if (length > 63)
                return false;
            at += length;
        }

        return false;
    }
}
