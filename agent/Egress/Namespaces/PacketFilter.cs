using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Marionette.Agent.Egress.Namespaces;

/// <summary>
/// A small program in the kernel that picks the packets worth telling about, so that the others never come up: no TCP, no
/// questions for names, none of what IPv6 says to its neighbours by itself.
/// </summary>
internal static unsafe class PacketFilter
{
    private const byte Tcp = 6;
    private const byte Udp = 17;
    private const byte Icmp6 = 58;

    private const ushort LoadByte = 0x30;
    private const ushort LoadHalf = 0x28;
    private const ushort LoadHalfIndexed = 0x48;
    private const ushort LoadHeaderLength = 0xb1;
    private const ushort JumpEqual = 0x15;
    private const ushort JumpAtLeast = 0x35;
    private const ushort JumpAbove = 0x25;
    private const ushort JumpAny = 0x45;
    private const ushort Return = 0x06;

    // Offsets count from the IP header. Jumps skip instructions. Fragments after the first have no ports: they are told.
    private static readonly Instruction[] V4 =
    [
        new(LoadByte, 0, 0, 9),
        new(JumpEqual, 6, 0, Tcp), // → nothing
        new(JumpEqual, 0, 6, Udp),
        new(LoadHalf, 0, 0, 6),
        new(JumpAny, 4, 0, 0x1fff),
        new(LoadHeaderLength, 0, 0, 0),
        new(LoadHalfIndexed, 0, 0, 2),
        new(JumpEqual, 0, 1, 53),
        new(Return, 0, 0, 0),
        new(Return, 0, 0, PacketSeen.Captured),
    ];

    private static readonly Instruction[] V6 =
    [
        new(LoadByte, 0, 0, 6),
        new(JumpEqual, 14, 0, Tcp), // → nothing
        new(JumpEqual, 0, 2, Udp),
        new(LoadHalf, 0, 0, 42),
        new(JumpEqual, 11, 10, 53), // nothing : told
        new(JumpEqual, 0, 2, Icmp6),
        new(LoadByte, 0, 0, 40),
        new(JumpEqual, 8, 5, 143), // a group's report : → range
        new(JumpEqual, 0, 6, 0), // behind hop-by-hop options
        new(LoadByte, 0, 0, 40),
        new(JumpEqual, 0, 4, Icmp6),
        new(LoadByte, 0, 0, 48),
        new(JumpEqual, 3, 0, 143),
        new(JumpAtLeast, 0, 1, 130),
        new(JumpAbove, 0, 1, 137),
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
