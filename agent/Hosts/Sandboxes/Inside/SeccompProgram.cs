using System.Buffers.Binary;

namespace Marionette.Agent.Hosts.Sandboxes;

/// <summary>One instruction of the kernel's packet filter language, which judges system calls as well. Jumps skip instructions.</summary>
internal readonly record struct BpfInstruction(ushort Code, byte WhenTrue, byte WhenFalse, uint Operand)
{
    public const ushort Load = 0x20, JumpEqual = 0x15, JumpAtLeast = 0x35, JumpAny = 0x45, Return = 0x06;
}

/// <summary>
/// What a sandboxed program may ask of the kernel: everything but a list of calls that are doors. Those fail as if one had no right to them, so
/// that programs which only try go on.
/// </summary>
internal static class SeccompProgram
{
    public const uint Allow = 0x7fff0000;
    public const uint Refuse = 0x00050000 | 1;
    public const uint NotThere = 0x00050000 | 38;
    public const uint NoSuchFamily = 0x00050000 | 97;

    /// <summary>Namespaces of every kind: clone and unshare with one of them is refused.</summary>
    public const uint NamespaceFlags = 0x7e020080;

    private const uint NumberAt = 0, ProcessorAt = 4, FirstArgumentAt = 16, SecondArgumentAt = 24;
    private const uint OtherWorld = 0x40000000; // x32: the same processor, other numbers

    // Pushing characters into a terminal's input: a way to the one who started us.
    private static readonly uint[] DeniedIoctls = [0x5412, 0x541c];
    private static readonly uint[] DeniedPtrace = [16, 0x4206]; // attach and seize: the ways to another process; one's own child asks to be traced
    private static readonly uint[] Families = [1, 2, 10, 16]; // unix, IPv4, IPv6, netlink; vsock would lead past the network namespace

    /// <summary>The program for one kind of processor.</summary>
    public static IReadOnlyList<BpfInstruction> For(SyscallTable table)
    {
        var program = new List<BpfInstruction>
        {
            new(BpfInstruction.Load, 0, 0, ProcessorAt),
            new(BpfInstruction.JumpEqual, 1, 0, table.Audit),
            Give(NotThere), // 32-bit calls have numbers of their own
            new(BpfInstruction.Load, 0, 0, NumberAt),
            new(BpfInstruction.JumpAtLeast, 0, 1, OtherWorld),
            Give(NotThere),
        };
        foreach (var number in table.Denied.Values.Order())
            program.AddRange([new(BpfInstruction.JumpEqual, 0, 1, number), Give(Refuse)]);
        // Its flags lie in memory, where no filter looks; libraries fall back to clone.
        program.AddRange([new(BpfInstruction.JumpEqual, 0, 1, table.Clone3), Give(NotThere)]);
        AddFlags(program, table.CloneCall);
        AddFlags(program, table.Unshare);
        AddArgument(program, table.Ioctl, SecondArgumentAt, DeniedIoctls, Refuse, Allow);
        AddArgument(program, table.Ptrace, FirstArgumentAt, DeniedPtrace, Refuse, Allow);
        AddArgument(program, table.Socket, FirstArgumentAt, Families, Allow, NoSuchFamily);
        program.Add(Give(Allow));
        return program;
    }

    /// <summary>As the kernel takes it.</summary>
    public static byte[] ToBytes(IReadOnlyList<BpfInstruction> program)
    {
        var bytes = new byte[program.Count * 8];
        for (var at = 0; at < program.Count; at++)
        {
            var target = bytes.AsSpan(at * 8);
            BinaryPrimitives.WriteUInt16LittleEndian(target, program[at].Code);
            target[2] = program[at].WhenTrue;
            target[3] = program[at].WhenFalse;
            BinaryPrimitives.WriteUInt32LittleEndian(target[4..], program[at].Operand);
        }

        return bytes;
    }

    // Each block ends in a return, so that the number is still what the next one compares when this one is skipped.
    private static void AddFlags(List<BpfInstruction> program, uint number) => program.AddRange(
    [
        new(BpfInstruction.JumpEqual, 0, 4, number),
        new(BpfInstruction.Load, 0, 0, FirstArgumentAt),
        new(BpfInstruction.JumpAny, 0, 1, NamespaceFlags),
        Give(Refuse),
        Give(Allow),
    ]);

    private static void AddArgument(List<BpfInstruction> program, uint number, uint at, uint[] values, uint listed, uint others)
    {
        program.Add(new(BpfInstruction.JumpEqual, 0, (byte)(values.Length + 3), number));
        program.Add(new(BpfInstruction.Load, 0, 0, at));
        for (var left = values.Length; left > 0; left--)
            program.Add(new(BpfInstruction.JumpEqual, (byte)left, 0, values[^left]));
        program.Add(Give(others));
        program.Add(Give(listed));
    }

    private static BpfInstruction Give(uint answer) => new(BpfInstruction.Return, 0, 0, answer);
}
