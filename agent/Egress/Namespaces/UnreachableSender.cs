using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>Why a datagram did not arrive.</summary>
internal enum Unreachable
{
    /// <summary>It is not allowed.</summary>
    Prohibited,

    /// <summary>Nobody listens there.</summary>
    Port,

    /// <summary>There is no way there.</summary>
    Network,
}

/// <summary>
/// Tells a runner what became of a datagram, as a router and the machine that it was sent to would: by an ICMP error in the target's name. Made by a
/// thread that is in the peer namespace.
/// </summary>
internal sealed class UnreachableSender : IDisposable
{
    private const int HeaderV4 = 20;
    private const int HeaderV6 = 40;
    private const int HeaderError = 8;
    private const int HeaderUdp = 8;
    private const byte Udp = 17;
    private const byte Icmp = 1;
    private const byte Icmp6 = 58;
    private const byte Hops = 64;

    // Kernels pass these on to every program, and the usual codes for "no way there" to none that did not ask for them.
    private const byte NetworkUnknown = 6;
    private const byte RejectRoute = 6;

    // Raw: they send whole packets and receive nothing. They never wait: a runner that takes nothing from its link would hold up whoever tells it.
    private readonly Socket v4 = new(AddressFamily.InterNetwork, SocketType.Raw, ProtocolType.Raw) { Blocking = false };
    private readonly Socket v6 = new(AddressFamily.InterNetworkV6, SocketType.Raw, ProtocolType.Raw) { Blocking = false };

    /// <summary>Tells it. Errors are no promise: one that cannot be sent is lost.</summary>
    /// <param name="path">The datagram's.</param>
    /// <param name="length">Bytes that it carried.</param>
    public void Tell(DatagramPath path, int length, Unreachable why)
    {
        try
        {
            var isV4 = path.Target.AddressFamily == AddressFamily.InterNetwork;
            (isV4 ? v4 : v6).SendTo(Build(path, length, why), new IPEndPoint(path.Client.Address, 0));
        }
        catch (Exception exception) when (exception is SocketException or ObjectDisposedException)
        {
            // The runner, or its link, is gone.
        }
    }

    public void Dispose()
    {
        v4.Dispose();
        v6.Dispose();
    }

    /// <summary>The whole packet: IP header, the error, and the head of what it is about, by which the runner's kernel finds the socket.</summary>
    public static byte[] Build(DatagramPath path, int length, Unreachable why)
    {
        if (path.Target.AddressFamily == AddressFamily.InterNetwork)
        {
            var packet = new byte[HeaderV4 + HeaderError + HeaderV4 + HeaderUdp];
            WriteV4(packet, path.Target.Address, path.Client.Address, Icmp, packet.Length - HeaderV4);
            var error = packet.AsSpan(HeaderV4);
            error[0] = 3;
            error[1] = why switch { Unreachable.Prohibited => 13, Unreachable.Port => 3, _ => NetworkUnknown };
            WriteV4(error[HeaderError..], path.Client.Address, path.Target.Address, Udp, HeaderUdp + length);
            WriteUdp(error[(HeaderError + HeaderV4)..], path, length);
            BinaryPrimitives.WriteUInt16BigEndian(error[2..], Checksum(error, 0));
            return packet;
        }
        else
        {
            var packet = new byte[HeaderV6 + HeaderError + HeaderV6 + HeaderUdp];
            WriteV6(packet, path.Target.Address, path.Client.Address, Icmp6, packet.Length - HeaderV6);
            var error = packet.AsSpan(HeaderV6);
            error[0] = 1;
            error[1] = why switch { Unreachable.Prohibited => 1, Unreachable.Port => 4, _ => RejectRoute };
            WriteV6(error[HeaderError..], path.Client.Address, path.Target.Address, Udp, HeaderUdp + length);
            WriteUdp(error[(HeaderError + HeaderV6)..], path, length);
            // Over both addresses, the length and the protocol too.
            var head = Sum(packet.AsSpan(8, 32), (uint)error.Length + Icmp6);
            BinaryPrimitives.WriteUInt16BigEndian(error[2..], Checksum(error, head));
            return packet;
        }
    }

    private static void WriteV4(Span<byte> header, IPAddress from, IPAddress to, byte protocol, int length)
    {
        header[0] = 0x45;
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)(HeaderV4 + length));
        header[8] = Hops;
        header[9] = protocol;
        from.TryWriteBytes(header[12..], out _);
        to.TryWriteBytes(header[16..], out _);
        BinaryPrimitives.WriteUInt16BigEndian(header[10..], Checksum(header[..HeaderV4], 0));
    }

    private static void WriteV6(Span<byte> header, IPAddress from, IPAddress to, byte protocol, int length)
    {
        header[0] = 0x60;
        BinaryPrimitives.WriteUInt16BigEndian(header[4..], (ushort)length);
        header[6] = protocol;
        header[7] = Hops;
        from.TryWriteBytes(header[8..], out _);
        to.TryWriteBytes(header[24..], out _);
    }

    private static void WriteUdp(Span<byte> header, DatagramPath path, int length)
    {
        BinaryPrimitives.WriteUInt16BigEndian(header, (ushort)path.Client.Port);
        BinaryPrimitives.WriteUInt16BigEndian(header[2..], (ushort)path.Target.Port);
        BinaryPrimitives.WriteUInt16BigEndian(header[4..], (ushort)(HeaderUdp + length));
    }

    private static ushort Checksum(ReadOnlySpan<byte> bytes, uint sum)
    {
        sum = Sum(bytes, sum);
        while (sum > ushort.MaxValue)
            sum = (sum & 0xffff) + (sum >> 16);
        return (ushort)~sum;
    }

    // All that is summed here has an even length.
    private static uint Sum(ReadOnlySpan<byte> bytes, uint sum)
    {
        for (var at = 0; at < bytes.Length; at += 2)
            sum += BinaryPrimitives.ReadUInt16BigEndian(bytes[at..]);
        return sum;
    }
}
