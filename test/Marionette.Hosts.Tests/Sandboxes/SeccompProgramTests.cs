using Marionette.Agent.Hosts.Sandboxes;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>The filter of system calls, run as the kernel would.</summary>
public sealed class SeccompProgramTests
{
    private static readonly SyscallTable X64 = SyscallTable.X64;

    public static TheoryData<string, bool> Machines => new() { { "x64", true }, { "arm64", true } };

    [Theory, MemberData(nameof(Machines))]
    public void Filter_EveryDeniedCall_IsRefused(string machine, bool refused)
    {
        var table = machine == "x64" ? X64 : SyscallTable.Arm64;
        foreach (var (name, number) in table.Denied)
            Assert.True(refused == (Judge(table, number) == SeccompProgram.Refuse), $"{machine}: {name}");
    }

    [Theory, MemberData(nameof(Machines))]
    public void Filter_AnUnknownCall_IsAllowed(string machine, bool allowed)
    {
        var table = machine == "x64" ? X64 : SyscallTable.Arm64;
        var special = new[] { table.CloneCall, table.Clone3, table.Unshare, table.Ioctl, table.Socket, table.Ptrace };
        for (uint number = 0; number < 500; number++)
        {
            if (!table.Denied.Values.Contains(number) && !special.Contains(number))
                Assert.Equal(allowed, Judge(table, number) == SeccompProgram.Allow);
        }
    }

    [Theory]
    [InlineData(0x10000000u, SeccompProgram.Refuse)] // a user namespace
    [InlineData(0x00020000u, SeccompProgram.Refuse)] // mounts
    [InlineData(0x40000011u, SeccompProgram.Refuse)] // network
    [InlineData(0x003d0f00u, SeccompProgram.Allow)] // a thread
    [InlineData(17u, SeccompProgram.Allow)] // fork
    public void Clone_ByItsFlags(uint flags, uint answer)
    {
        Assert.Equal(answer, Judge(X64, X64.CloneCall, flags));
        Assert.Equal(answer, Judge(X64, X64.Unshare, flags));
    }

    [Fact]
    public void Clone3_WhoseFlagsNobodySees_SeemsNotToExist() => Assert.Equal(SeccompProgram.NotThere, Judge(X64, X64.Clone3));

    [Theory]
    [InlineData(1u, SeccompProgram.Allow)]
    [InlineData(2u, SeccompProgram.Allow)]
    [InlineData(10u, SeccompProgram.Allow)]
    [InlineData(16u, SeccompProgram.Allow)]
    [InlineData(17u, SeccompProgram.NoSuchFamily)] // packets
    [InlineData(38u, SeccompProgram.NoSuchFamily)] // the kernel's cryptography
    [InlineData(40u, SeccompProgram.NoSuchFamily)] // vsock
    public void Socket_ByItsFamily(uint family, uint answer) => Assert.Equal(answer, Judge(X64, X64.Socket, family));

    [Theory]
    [InlineData(0x5412u, SeccompProgram.Refuse)]
    [InlineData(0x541cu, SeccompProgram.Refuse)]
    [InlineData(0x5401u, SeccompProgram.Allow)]
    public void Ioctl_ByItsRequest(uint request, uint answer) => Assert.Equal(answer, Judge(X64, X64.Ioctl, 0, request));

    [Theory]
    [InlineData(0u, SeccompProgram.Allow)]
    [InlineData(16u, SeccompProgram.Refuse)]
    [InlineData(0x4206u, SeccompProgram.Refuse)]
    [InlineData(0x4205u, SeccompProgram.Allow)] // set the registers of a child that is traced already
    public void Ptrace_ByItsRequest(uint request, uint answer) => Assert.Equal(answer, Judge(X64, X64.Ptrace, request));

    [Fact]
    public void Filter_AnotherProcessorsCalls_SeemNotToExist()
    {
        Assert.Equal(SeccompProgram.NotThere, Run(SeccompProgram.For(X64), 0x40000003, 1, 0, 0));
        Assert.Equal(SeccompProgram.NotThere, Judge(X64, 0x40000001));
    }

    [Fact]
    public void Bytes_AreEightForEachInstruction()
    {
        var bytes = SeccompProgram.ToBytes([new BpfInstruction(BpfInstruction.JumpEqual, 1, 2, 0x04030201)]);

        Assert.Equal<byte>([0x15, 0, 1, 2, 1, 2, 3, 4], bytes);
    }

    private static uint Judge(SyscallTable table, uint number, uint first = 0, uint second = 0) =>
        Run(SeccompProgram.For(table), table.Audit, number, first, second);

    private static uint Run(IReadOnlyList<BpfInstruction> program, uint processor, uint number, uint first, uint second)
    {
        var data = new Dictionary<uint, uint> { [0] = number, [4] = processor, [16] = first, [24] = second };
        uint held = 0;
        for (var at = 0; ; at++)
        {
            var (code, whenTrue, whenFalse, operand) = program[at];
            switch (code)
            {
                case BpfInstruction.Load:
                    held = data[operand];
                    break;
                case BpfInstruction.Return:
                    return operand;
                default:
                    var holds = code switch
                    {
                        BpfInstruction.JumpEqual => held == operand,
                        BpfInstruction.JumpAtLeast => held >= operand,
                        BpfInstruction.JumpAny => (held & operand) != 0,
                        _ => throw new InvalidOperationException($"code {code}"),
                    };
                    at += holds ? whenTrue : whenFalse;
                    break;
            }
        }
    }
}
