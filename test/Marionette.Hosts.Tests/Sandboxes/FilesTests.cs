using System.Text;
using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Hosts.Tests.Daemon.Support;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>What a host does with files, whatever lies in them and wherever it was interrupted.</summary>
public sealed class FilesTests : IDisposable
{
    private readonly TempFolder folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public void Removal_OfAPathThatNoCallTakes_LeavesNothingAndFollowsNoLink()
    {
        var (runner, other) = (folder.At("acme/run_1"), folder.At("other"));
        Directory.CreateDirectory(runner);
        Directory.CreateDirectory(other);
        File.WriteAllText(Path.Combine(other, "kept"), "");
        // 60 names of 100 letters: longer than the 4096 bytes of a path that the kernel takes.
        SystemProgram.Run(
            TimeSpan.FromSeconds(30), "bash", "-c", $"ln -s '{other}' '{runner}/link'; cd '{runner}'; n=$(printf 'd%.0s' {{1..100}}); for i in {{1..60}}; do mkdir $n && cd -P $n; done; touch end");

        SandboxHost.RemoveFiles(runner);

        Assert.False(Directory.Exists(folder.At("acme")));
        Assert.True(File.Exists(Path.Combine(other, "kept")));
    }

    [Fact]
    public void Folders_BehindALink_AreThoseThatItLeadsTo()
    {
        Directory.CreateDirectory(folder.At("real"));
        Directory.CreateSymbolicLink(folder.At("link"), folder.At("real"));

        var (real, link) = (new HostFolders(folder.At("real/state")), new HostFolders(folder.At("link/state")));

        Assert.Equal((real.State, real.Name), (link.State, link.Name));
    }

    [Fact]
    public void Output_WhoseNextFileCannotBeMade_GoesOnWithoutItAndComesBack()
    {
        var path = folder.At("run/agent.log");
        Directory.CreateDirectory(folder.At("run"));
        using var output = new AgentOutput(path);
        var block = new byte[1 << 19];
        for (var at = 0; at < 3; at++)
            output.Write(block);
        Directory.Delete(folder.At("run"), recursive: true);

        for (var at = 0; at < 3; at++)
            output.Write(block);
        Directory.CreateDirectory(folder.At("run"));
        output.Write("again"u8);

        Assert.Equal("again", File.ReadAllText(path));
    }

    [Fact]
    public void Output_OfMoreThanItKeeps_IsTheNewest()
    {
        var path = folder.At("agent.log");
        using (var output = new AgentOutput(path))
        {
            for (var at = 0; at < 40; at++)
                output.Write(Encoding.ASCII.GetBytes(new string((char)('a' + (at % 26)), 100_000)));
            output.Write("end"u8);
        }

        Assert.EndsWith("end", File.ReadAllText(path), StringComparison.Ordinal);
        Assert.InRange(new FileInfo(path).Length + new FileInfo(path + ".1").Length, 1 << 20, 3 << 20);
        Assert.Equal(2, Directory.GetFiles(folder.Path).Length);
    }

    [Fact]
    public async Task Image_WhoseGrowthWasInterrupted_GrowsAtTheNextStart()
    {
        var image = await DiskImage.EnsureAsync(SandboxWorld.Agent, folder.At("ws"), 48, Token);
        using (var file = File.OpenWrite(image))
            file.SetLength(96L << 20);

        await DiskImage.EnsureAsync(SandboxWorld.Agent, folder.At("ws"), 96, Token);

        Assert.InRange(SizeOf(image), 90L << 20, 96L << 20);
        SystemProgram.Run(TimeSpan.FromSeconds(30), "e2fsck", "-n", "-f", image);
    }

    [Fact]
    public async Task Image_ThatTheCheckMends_Grows()
    {
        var image = await DiskImage.EnsureAsync(SandboxWorld.Agent, folder.At("ws"), 48, Token);
        SystemProgram.Run(TimeSpan.FromSeconds(30), "debugfs", "-w", "-R", "set_super_value free_blocks_count 7", image);

        await DiskImage.EnsureAsync(SandboxWorld.Agent, folder.At("ws"), 96, Token);

        Assert.InRange(SizeOf(image), 90L << 20, 96L << 20);
    }

    [Fact]
    public void Program_ThatIsTied_IsToldToEndWithUs()
    {
        // prctl(PR_GET_PDEATHSIG): the signal that it gets at our end.
        const string ask = "import ctypes; signal = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(signal)); print(signal.value)";

        var said = SystemProgram.RunTied(SandboxWorld.Agent, TimeSpan.FromSeconds(30), 0, "python3", "-c", ask);

        Assert.Equal("9", said.Trim());
        Assert.Contains("exit code 3", Assert.Throws<IOException>(() => SystemProgram.RunTied(SandboxWorld.Agent, TimeSpan.FromSeconds(30), 1, "sh", "-c", "exit 3")).Message);
        SystemProgram.RunTied(SandboxWorld.Agent, TimeSpan.FromSeconds(30), 3, "sh", "-c", "exit 3");
    }

    public void Dispose() => folder.Dispose();

    private static long SizeOf(string image)
    {
        var said = SystemProgram.Run(TimeSpan.FromSeconds(30), "dumpe2fs", "-h", image).Split('\n');
        return Value("Block count:") * Value("Block size:");

        long Value(string name) => long.Parse(said.Single(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..]);
    }
}
