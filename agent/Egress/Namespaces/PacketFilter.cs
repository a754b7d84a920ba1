using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>
/// A small program in the kernel that picks the packets worth telling about, so that the others never come up: no TCP, no UDP but to groups, none of
/// what IPv6 says to its neighbours by itself.
/// </summary>
internal static unsafe class PacketFilter
{
    private const byte Tcp = 6;
    private const byte Udp = 17;
    private const byte Icmp = 1;
    private const byte Icmp6 = 58;
    private const byte Fragment = 44;

    private const ushort LoadByte = 0x30;
    private const ushort LoadByteIndexed = 0x50;
    private const ushort LoadHeaderLength = 0xb1;
    private const ushort JumpEqual = 0x15;
    private const ushort JumpAtLeast = 0x35;
    private const ushort JumpAbove = 0x25;
    private const ushort Return = 0x06;

    // Offsets count from the IP header. Jumps skip instructions. UDP comes to a socket of ours, which tells of it itself; but the kernel takes none to a
    // group. That something cannot be reached is what a runner's kernel says of datagrams that nobody waited for.
    private static readonly Instruction[] V4 =
    [
        new(LoadByte, 0, 0, 9),
        new(JumpEqual, 8, 0, Tcp), // → nothing
        new(JumpEqual, 1, 0, Udp), // → udp
        new(JumpEqual, 3, 7, Icmp), // → icmp : told
        new(LoadByte, 0, 0, 16), // udp
        new(JumpAtLeast, 0, 4, 224), // : nothing
        new(JumpAtLeast, 3, 4, 240), // nothing : told
        new(LoadHeaderLength, 0, 0, 0), // icmp
        new(LoadByteIndexed, 0, 0, 0),
        new(JumpEqual, 0, 1, 3),
        new(Return, 0, 0, 0),
        new(Return, 0, 0, PacketSeen.Captured),
    ];

    private static readonly Instruction[] V6 =
    [
        new(LoadByte, 0, 0, 6),
        new(JumpEqual, 0, 1, Fragment),
        new(LoadByte, 0, 0, 40),
        new(JumpEqual, 15, 0, Tcp), // → nothing
        new(JumpEqual, 11, 0, Udp), // → udp
        new(JumpEqual, 1, 0, Icmp6), // → icmp
        new(JumpEqual, 3, 11, 0), // → behind hop-by-hop options : told
        new(LoadByte, 0, 0, 40), // icmp
        new(JumpEqual, 10, 0, 1), // → nothing
        new(JumpEqual, 9, 4, 143), // a group's report : → range
        new(LoadByte, 0, 0, 40), // behind hop-by-hop options
        new(JumpEqual, 0, 6, Icmp6), // : told
        new(LoadByte, 0, 0, 48),
        new(JumpEqual, 5, 0, 143), // → nothing
        new(JumpAtLeast, 0, 3, 130), // range
        new(JumpAbove, 2, 3, 137),
        new(LoadByte, 0, 0, 24), // udp
        new(JumpEqual, 0, 1, 0xff),
        new(Return, 0, 0, PacketSeen.Captured),
        new(Return, 0, 0, 0),
    ];

    /// <summary>Opens a socket of the calling thread's namespace that sees the picked packets which come in at a link.</summary>
    /// <param name="isV6">Which of the two protocols.</param>
    public static int Open(int link, bool isV6)
    {
        // Protocol 0: it sees nothing until it is bound, and by then the filter stands.
        var descriptor = NetCalls.OpenSocket(NetCalls.FamilyPacket, NetCalls.TypeDatagram | NetCalls.CloseOnExec, 0);
        if (descriptor < 0)
            throw NetCalls.Failure("packet socket");
        try
        {
            Attach(descriptor, isV6 ? V6 : V4);
            Bind(descriptor, link, isV6 ? (ushort)0x86dd : (ushort)0x0800);
            return descriptor;
        }
        catch
        {
            _ = Processes.Libc.Close(descriptor);
            throw;
        }
    }

    private static void Attach(int descriptor, Instruction[] program)
    {
        fixed (Instruction* start = program)
        {
            var whole = new Program { Length = (ushort)program.Length, Start = start };
            if (NetCalls.SetOption(descriptor, NetCalls.SocketLevel, NetCalls.AttachFilter, &whole, (uint)sizeof(Program)) != 0)
                throw NetCalls.Failure("packet filter");
        }
    }

    private static void Bind(int descriptor, int link, ushort protocol)
    {
        const int size = 20;
        var address = stackalloc byte[size];
        var span = new Span<byte>(address, size);
        span.Clear();
        BinaryPrimitives.WriteUInt16LittleEndian(span, NetCalls.FamilyPacket);
        BinaryPrimitives.WriteUInt16BigEndian(span[2..], protocol);
        BinaryPrimitives.WriteInt32LittleEndian(span[4..], link);
        if (NetCalls.Bind(descriptor, address, size) != 0)
            throw NetCalls.Failure("packet socket");
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly struct Instruction(ushort code, byte whenTrue, byte whenFalse, uint operand)
    {
        public readonly ushort Code = code;
        public readonly byte WhenTrue = whenTrue;
        public readonly byte WhenFalse = whenFalse;
        public readonly uint Operand = operand;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Program
    {
        public ushort Length;
        public Instruction* Start;
    }
}
