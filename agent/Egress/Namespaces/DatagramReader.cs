using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>Who sent a datagram, and where to.</summary>
/// <param name="Client">IPv4 as IPv4.</param>
/// <param name="Target">Of the same family.</param>
internal readonly record struct DatagramPath(IPEndPoint Client, IPEndPoint Target);

/// <summary>Reads datagrams together with where they were to go, which the base library tells without the port.</summary>
internal static unsafe class DatagramReader
{
    /// <summary>Longest datagram that there is.</summary>
    public const int MaxDatagram = 65_535;

    /// <summary>The option that has the target told, and the kind of the message that tells it, at the level of IPv4.</summary>
    public const int TargetV4 = 20;

    /// <summary>The same at the level of IPv6.</summary>
    public const int TargetV6 = 74;

    private const int LevelV4 = 0;
    private const int LevelV6 = 41;
    private const int DoNotWait = 0x40;
    private const int NameSize = 28;
    private const int ControlSize = 256;
    private const int HeadSize = 16;

    /// <summary>Reads what is there without waiting.</summary>
    /// <param name="path">Where from and where to; null when the kernel did not tell.</param>
    /// <param name="read">Bytes of it.</param>
    /// <returns>False when there is nothing.</returns>
    public static bool TryRead(Socket socket, Span<byte> buffer, out DatagramPath? path, out int read)
    {
        (path, read) = (null, 0);
        var name = stackalloc byte[NameSize];
        var control = stackalloc byte[ControlSize];
        nint count;
        NetCalls.Message message;
        fixed (byte* bytes = buffer)
        {
            var part = new NetCalls.Part { Start = bytes, Length = (nuint)buffer.Length };
            message = new NetCalls.Message
            {
                Name = name, NameLength = NameSize, Parts = &part, PartCount = 1, Control = control, ControlLength = ControlSize,
            };
            count = NetCalls.ReceiveMessage(socket.SafeHandle, &message, DoNotWait);
        }

        if (count < 0)
            return false;
        read = (int)count;
        if (Endpoint(new ReadOnlySpan<byte>(name, NameSize)[..(int)message.NameLength]) is { } client
            && Target(new ReadOnlySpan<byte>(control, (int)message.ControlLength)) is { } target)
            path = new DatagramPath(client.Address.IsIPv4MappedToIPv6 ? new IPEndPoint(client.Address.MapToIPv4(), client.Port) : client, target);
        return true;
    }

    private static IPEndPoint? Target(ReadOnlySpan<byte> control)
    {
        while (control.Length >= HeadSize)
        {
            var size = (int)BinaryPrimitives.ReadInt64LittleEndian(control);
            if (size < HeadSize || size > control.Length)
                return null;
            var level = BinaryPrimitives.ReadInt32LittleEndian(control[8..]);
            var type = BinaryPrimitives.ReadInt32LittleEndian(control[12..]);
            if ((level, type) is (LevelV4, TargetV4) or (LevelV6, TargetV6))
                return Endpoint(control[HeadSize..size]);
            control = control[Math.Min((size + 7) & ~7, control.Length)..];
        }

        return null;
    }

    // The kernel's form of an address: family, port, and the address behind it.
    private static IPEndPoint? Endpoint(ReadOnlySpan<byte> name)
    {
        if (name.Length < 8)
            return null;
        int family = BinaryPrimitives.ReadUInt16LittleEndian(name);
        var port = BinaryPrimitives.ReadUInt16BigEndian(name[2..]);
        if (family == NetCalls.FamilyV4)
            return new IPEndPoint(new IPAddress(name.Slice(4, 4)), port);
        return family == NetCalls.FamilyV6 && name.Length >= 24 ? new IPEndPoint(new IPAddress(name.Slice(8, 16)), port) : null;
    }
}
