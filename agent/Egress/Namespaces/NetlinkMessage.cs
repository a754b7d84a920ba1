using System.Buffers.Binary;
using System.Text;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>A request to the kernel's routing socket: a header, a fixed part, attributes. Numbers are in the machine's own order.</summary>
internal sealed class NetlinkMessage
{
    public const int HeaderSize = 16;
    public const int Request = 0x1;
    public const int Acknowledge = 0x4;
    public const int Dump = 0x300;
    public const int Create = 0x400 | 0x200; // and only create: what is there already is an error

    private readonly byte[] bytes = new byte[512];
    private int length = HeaderSize;

    public NetlinkMessage(int type, int flags)
    {
        Write(4, (ushort)type);
        Write(6, (ushort)(flags | Request));
    }

    /// <summary>The finished message.</summary>
    public ReadOnlySpan<byte> Bytes
    {
        get
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes, length);
            return bytes.AsSpan(0, length);
        }
    }

    /// <summary>The part about a link.</summary>
    public NetlinkMessage Link(int index, uint flags = 0, uint changed = 0)
    {
        var part = Extend(16);
        BinaryPrimitives.WriteInt32LittleEndian(part[4..], index);
        BinaryPrimitives.WriteUInt32LittleEndian(part[8..], flags);
        BinaryPrimitives.WriteUInt32LittleEndian(part[12..], changed);
        return this;
    }

    /// <summary>A fixed part that consists of bytes and one number at its end.</summary>
    public NetlinkMessage Fixed(ReadOnlySpan<byte> head, uint tail)
    {
        var part = Extend(head.Length + 4);
        head.CopyTo(part);
        BinaryPrimitives.WriteUInt32LittleEndian(part[head.Length..], tail);
        return this;
    }

    public NetlinkMessage Attribute(int type, ReadOnlySpan<byte> value)
    {
        var part = Extend((4 + value.Length + 3) & ~3);
        BinaryPrimitives.WriteUInt16LittleEndian(part, (ushort)(4 + value.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(part[2..], (ushort)type);
        value.CopyTo(part[4..]);
        return this;
    }

    public NetlinkMessage Attribute(int type, string value) => Attribute(type, Encoding.ASCII.GetBytes(value + '\0'));

    public NetlinkMessage Attribute(int type, int value)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(number, value);
        return Attribute(type, number);
    }

    /// <summary>An attribute that is made of others.</summary>
    public NetlinkMessage Nested(int type, Action<NetlinkMessage> inner)
    {
        var start = length;
        Extend(4);
        inner(this);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(start), (ushort)(length - start));
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(start + 2), (ushort)type);
        return this;
    }

    private Span<byte> Extend(int count)
    {
        var part = bytes.AsSpan(length, count);
        length += count;
        return part;
    }

    private void Write(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(at), value);
}
