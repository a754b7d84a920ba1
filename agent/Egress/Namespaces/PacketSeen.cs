using System.Buffers.Binary;
using System.Net;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>What a packet that went nowhere tells of itself.</summary>
/// <param name="Protocol">"udp", "icmp" or "other".</param>
/// <param name="Port">0 where there is none.</param>
internal readonly record struct PacketSeen(IPAddress Target, int Port, string Protocol)
{
    /// <summary>Bytes of a packet that are looked at.</summary>
    public const int Captured = 128;

    /// <summary>Reads a packet from its IP header on.</summary>
    /// <returns>Null when it is too short to be one.</returns>
    public static PacketSeen? Parse(ReadOnlySpan<byte> packet)
    {
        if (packet.Length < 20)
            return null;
        if (packet[0] >> 4 == 4)
        {
            var header = (packet[0] & 0x0f) * 4;
            var isFirst = (BinaryPrimitives.ReadUInt16BigEndian(packet[6..]) & 0x1fff) == 0;
            return Read(new IPAddress(packet.Slice(16, 4)), packet[9], isFirst && packet.Length > header ? packet[header..] : []);
        }

        return packet[0] >> 4 == 6 && packet.Length >= 40 ? Read(new IPAddress(packet.Slice(24, 16)), packet[6], packet[40..]) : null;
    }

    private static PacketSeen Read(IPAddress target, int protocol, ReadOnlySpan<byte> body) => protocol switch
    {
        17 => new(target, body.Length >= 4 ? BinaryPrimitives.ReadUInt16BigEndian(body[2..]) : 0, "udp"),
        1 or 58 => new(target, 0, "icmp"),
        _ => new(target, 0, "other"),
    };
}
