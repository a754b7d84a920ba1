using System.ComponentModel;
using Marionette.Agent.Hosts;
using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Hosts.Tests.Daemon.Support;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Time.Testing;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>How long an answer about the sandboxes counts, and what is made of failures.</summary>
public sealed class MemoryTests : IDisposable
{
    private static readonly SandboxFinding Whole = new()
    {
        Kind = "runsc", Works = true, Egress = true, Pause = true, Limits = ["cpu", "memory", "disk", "pids"],
    };

    private readonly TempFolder folder = new();
    private readonly FakeTimeProvider clock = new();

    [Fact]
    public void Kind_ThatGivesAll_IsRememberedUntilTheMachineChanges()
    {
        var memory = Memory();
        Assert.Equal(["bwrap", "runsc"], memory.Due("a machine").Order());
        memory.Take("a machine", [Whole, Whole with { Kind = "bwrap" }]);
        clock.Advance(TimeSpan.FromDays(30));

        Assert.Empty(memory.Due("a machine"));
        Assert.Equal(2, memory.Due("another one").Count);
        var next = Memory();
        Assert.Empty(next.Due("a machine"));
        Assert.Equal(2, next.Known!.Count);
        Assert.Equal(2, Memory().Due("another one").Count);
    }

    [Fact]
    public void Kind_ThatFails_IsTriedAgainEveryMinuteAndByTheNextDaemon()
    {
        var memory = Memory();
        memory.Take("a machine", [Whole, new SandboxFinding { Kind = "bwrap", Detail = "no disk" }]);

        Assert.Empty(memory.Due("a machine"));
        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(["bwrap"], memory.Due("a machine"));
        Assert.Equal("no disk", memory.Known!.Single(finding => finding.Kind == "bwrap").Detail);
        Assert.Equal(["bwrap"], Memory().Due("a machine"));
    }

    [Fact]
    public void Kind_ThatLacksSomething_IsTriedAgainAfterMinutes()
    {
        var memory = Memory();
        memory.Take("a machine", [Whole, Whole with { Kind = "bwrap", Limits = ["cpu"] }]);

        clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Empty(memory.Due("a machine"));
        clock.Advance(TimeSpan.FromMinutes(4));
        Assert.Equal(["bwrap"], memory.Due("a machine"));
        Assert.Equal("bwrap", Assert.Single(memory.Take("a machine", [Whole with { Kind = "bwrap" }])).Kind);
        Assert.Empty(memory.Take("a machine", [Whole with { Kind = "bwrap" }]));
    }

    [Fact]
    public void Subject_IsTheBootTheProgramsAndTheKernelsSettings()
    {
        var subject = SandboxSubject.Of("/state/bin/abcdef", CgroupTree.Find("x"));

        Assert.All(
            [SandboxHost.Boot, "abcdef", "loop", "mkfs.ext4", "resize2fs", "e2fsck", "cgroups ", "user/max_user_namespaces"],
            part => Assert.Contains(part, subject, StringComparison.Ordinal));
        Assert.Equal(subject, SandboxSubject.Of("/state/bin/abcdef", CgroupTree.Find("x")));
        Assert.NotEqual(subject, SandboxSubject.Of("/state/bin/abcdee", CgroupTree.Find("x")));
    }

    [Theory]
    [InlineData("mkfs.ext4: exit code 1: mkfs.ext4: No space left on device while writing out and closing file system", true)]
    [InlineData("sandbox: mkdir: Disk quota exceeded", true)]
    [InlineData("sandbox: mount: exit code 32: mount: /x: failed to setup loop device for /state/disk.img.", true)]
    [InlineData("the network helper did not answer within 20 s", false)]
    public void Failure_InWords_IsTheFaultThatItMeans(string words, bool isWantOfRoom) =>
        Assert.Equal(isWantOfRoom ? FaultKind.Capacity : FaultKind.Unavailable, KeeperFaults.Of(new IOException(words)).Kind);

    [Theory]
    [InlineData(28, true)]
    [InlineData(122, true)]
    [InlineData(5, false)]
    public void Failure_OfACall_IsTheFaultThatItMeans(int error, bool isWantOfRoom)
    {
        var kind = isWantOfRoom ? FaultKind.Capacity : FaultKind.Unavailable;
        Assert.Equal(kind, KeeperFaults.Of(new IOException("it failed", error)).Kind);
        Assert.Equal(kind, KeeperFaults.Of(new IOException("it failed", new Win32Exception(error))).Kind);
        Assert.Equal(FaultKind.Rejected, KeeperFaults.Of(new HostFault(FaultKind.Rejected, "never")).Kind);
    }

    [Fact]
    public void Users_AllTaken_AreWantOfRoom()
    {
        var all = Enumerable.Range(0, UserRange.Count / 2).Select(at => UserRange.First + (2 * at)).ToHashSet();

        Assert.Equal(FaultKind.Capacity, Assert.Throws<HostFault>(() => UserRange.Pick(0, all)).Kind);
    }

    public void Dispose() => folder.Dispose();

    private SandboxMemory Memory() => new(folder.At("sandboxes.json"), clock);
}
