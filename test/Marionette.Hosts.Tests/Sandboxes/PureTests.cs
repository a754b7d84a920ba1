using System.Text.Json;
using Marionette.Agent.Hosts;
using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>What is said about sandboxes before there is one.</summary>
public sealed class PureTests
{
    private static readonly SandboxPlan Plan = new()
    {
        Kind = "bwrap", Name = "acme.run_1", Program = "/usr/bin/bwrap", User = 2_000_000_010, Folder = "/state/runners/acme/run_1", View = "/mnt",
        RunscRoot = "/state/runsc", Arguments = ["/bin/true", "a b"], Cgroups = ["/cg/memory/x", "/cg/pids/x"], Input = "the secret",
    };

    [Fact]
    public void Bwrap_CommandLine_SharesNothingButTheNetworkAndHoldsNoSecret()
    {
        var line = SandboxChild.Command(Plan);

        Assert.Equal(["/mnt/bin/marionette-agent", "sandbox-child", "2000000010", "/mnt/seccomp", "/cg/memory/x:/cg/pids/x", "/usr/bin/bwrap"], line.Take(6));
        Assert.All(["--unshare-user", "--unshare-all", "--share-net", "--disable-userns", "--clearenv", "--new-session"], option => Assert.Contains(option, line));
        Assert.Equal(["--", "/bin/true", "a b"], line.TakeLast(3));
        Assert.DoesNotContain(line, word => word.Contains("secret", StringComparison.Ordinal) || word == "--die-with-parent");
    }

    [Fact]
    public void Runsc_Bundle_HasNoRightsNoNetworkNamespaceAndUsersOfItsOwn()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
            RunscBundle.Write(json, Plan with { Kind = "runsc" }, "/mnt/root");
        using var bundle = JsonDocument.Parse(buffer.ToArray());

        var process = bundle.RootElement.GetProperty("process");
        Assert.Equal(1000, process.GetProperty("user").GetProperty("uid").GetInt32());
        Assert.All(process.GetProperty("capabilities").EnumerateObject(), set => Assert.Equal(0, set.Value.GetArrayLength()));
        Assert.True(process.GetProperty("noNewPrivileges").GetBoolean());
        var linux = bundle.RootElement.GetProperty("linux");
        Assert.Equal(
            ["user", "pid", "ipc", "uts", "mount"], linux.GetProperty("namespaces").EnumerateArray().Select(one => one.GetProperty("type").GetString()!));
        Assert.Equal(
            [(0, 2_000_000_011), (1000, 2_000_000_010)],
            linux.GetProperty("uidMappings").EnumerateArray().Select(one => (one.GetProperty("containerID").GetInt32(), one.GetProperty("hostID").GetInt32())));
        Assert.DoesNotContain("the secret", bundle.RootElement.GetRawText(), StringComparison.Ordinal);
    }

    [Fact]
    public void Cgroups_OfVersion1_AreFoundByTheirControllers()
    {
        var found = CgroupTree.Parse(
            [
                "25 20 0:21 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
                "26 20 0:22 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct",
                "27 20 0:23 / /sys/fs/cgroup/memory rw shared:1 master:2 - cgroup cgroup rw,memory",
                "28 20 0:24 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids",
                "29 20 0:25 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer",
                "30 20 0:26 / /sys rw - sysfs sysfs rw",
            ],
            _ => []);

        Assert.Equal(
            [("/sys/fs/cgroup/cpu,cpuacct", "cpu"), ("/sys/fs/cgroup/memory", "memory"), ("/sys/fs/cgroup/pids", "pids"), ("/sys/fs/cgroup/freezer", "freezer")],
            found.Select(mount => (mount.Folder, Assert.Single(mount.Controllers))));
    }

    [Theory]
    [InlineData(false, 1, "cpu.shares", "1024")]
    [InlineData(false, 0.5, "cpu.shares", "512")]
    [InlineData(false, 0.0001, "cpu.shares", "2")]
    [InlineData(false, 512, "cpu.shares", "262144")]
    [InlineData(true, 1, "cpu.weight", "100")]
    [InlineData(true, 4, "cpu.weight", "400")]
    [InlineData(true, 512, "cpu.weight", "10000")]
    public void Weight_IsByCores_WithinTheKernelsBounds(bool isUnified, double cpus, string file, string expected)
    {
        var folder = Directory.CreateTempSubdirectory("marionette-weight-").FullName;
        try
        {
            Cgroup.Weigh(new CgroupMount(folder, isUnified, [CgroupTree.Cpu]), cpus);
            Assert.Equal(expected, File.ReadAllText(Path.Combine(folder, file)));
            Cgroup.Weigh(new CgroupMount(Path.Combine(folder, "absent"), isUnified, [CgroupTree.Memory]), cpus);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Cgroups_OfVersion2_AreOne()
    {
        var found = Assert.Single(CgroupTree.Parse(
            ["25 20 0:21 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"], _ => ["cpuset", "cpu", "io", "memory", "pids", "freezer"]));

        Assert.True(found.IsUnified);
        Assert.Equal(["cpu", "memory", "pids", "freezer"], found.Controllers);
    }

    [Theory]
    [InlineData(0, 0, "", 1L << 30, "exited")]
    [InlineData(1, 0, "fault", 1L << 30, "exited")]
    [InlineData(137, 0, "", 1L << 30, "killed")]
    [InlineData(137, 1, "", 1L << 30, "out_of_memory")]
    [InlineData(1, 1, "", 1L << 30, "out_of_memory")] // a child of the agent's was ended, and the agent failed for want of it
    [InlineData(0, 1, "", 1L << 30, "exited")] // a child was ended, and the agent did without it
    [InlineData(1, 0, "write: No space left on device", 1L << 30, "disk_full")]
    [InlineData(1, 0, "", 1000, "disk_full")]
    [InlineData(0, 0, "", 1000, "exited")]
    public void Ending_ByWhatIsLeft(int code, long kills, string said, long free, string cause)
    {
        var end = new SandboxEnd { Code = code, Said = said, FreeBytes = free };

        Assert.Equal(cause, SandboxEnding.Of(end, kills).Cause);
    }

    [Fact]
    public void Ending_OfGvisorForWantOfMemory_HasManyCodes()
    {
        var end = new SandboxEnd { Code = 128, FreeBytes = 1L << 30 };

        Assert.Equal("out_of_memory", SandboxEnding.Of(end, 1).Cause);
        Assert.Equal("out_of_memory", SandboxEnding.Of(null, 1).Cause);
        Assert.Equal("killed", SandboxEnding.Of(null, 0).Cause);
    }

    [Fact]
    public void Record_SavedAndLoaded_IsTheSame()
    {
        var folder = Directory.CreateTempSubdirectory("mn-record-").FullName;
        try
        {
            var record = new RunnerRecord
            {
                Runner = "acme/run_1", Epoch = 3, Sandbox = "runsc", User = UserRange.First, Workspace = "ws_1", Cpus = 1.5, MemoryMib = 512, DiskMib = 1024,
                Pids = 100, EgressMode = "allow_list", Allowed = ["a.example"], Gateway = "http://h:1/", Init = new ProcessMark(7, 8), State = RunnerState.Paused,
            };
            record.Save(folder);

            Assert.Equal(record.ToReport(), RunnerRecord.Load(folder)!.ToReport());
            Assert.Equal(record.Init, RunnerRecord.Load(folder)!.Init);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(folder, RunnerRecord.FileName)));
            File.WriteAllText(Path.Combine(folder, RunnerRecord.FileName), "{");
            Assert.Null(RunnerRecord.Load(folder));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [InlineData("run_1")]
    [InlineData("../run_1")]
    [InlineData("acme/../run")]
    [InlineData("acme/run/1")]
    [InlineData("acme/")]
    [InlineData("_check/run_1")]
    [InlineData("acme/run_1\n")]
    public void Name_ThatWouldLeaveItsFolder_IsRejected(string name) =>
        Assert.Equal(FaultKind.Rejected, Assert.Throws<HostFault>(() => HostFolders.Check(name, "ws_1")).Kind);

    [Theory]
    [InlineData("http://10.0.0.5:9090/", "http://gateway.marionette.internal:9090", "gateway.marionette.internal", "10.0.0.5:9090")]
    [InlineData("https://gw.example.org/", "https://gw.example.org", "gw.example.org", "gw.example.org:443")]
    public void Gateway_IsReachedByAnAlias(string gateway, string told, string alias, string target)
    {
        var ask = NetworkRules.Attach(new RunnerRecord { Runner = "acme/run_1", Gateway = gateway }, 12);

        Assert.Equal(told, NetworkRules.ServerUrl(new Uri(gateway)));
        Assert.Equal(target, ask.Aliases![alias]);
        Assert.Empty(ask.Allowed!);
    }

    [Fact]
    public void Gateway_KnownByItsAddressAndCertificate_IsAllowed() =>
        Assert.Equal(["10.0.0.5:443"], NetworkRules.Attach(new RunnerRecord { Runner = "acme/run_1", Gateway = "https://10.0.0.5/" }, 12).Allowed);

    [Theory]
    [InlineData("/opt/agents/node_modules/.bin", "/opt/agents/node_modules", "/opt/marionette/tools/0/.bin")]
    [InlineData("/opt/agents/bin/", "/opt/agents/bin", "/opt/marionette/tools/0")]
    public void Tools_AreShownWithWhatTheyLeadTo(string folder, string shown, string inside)
    {
        Assert.Equal(shown, InsidePaths.OfTools(folder).Shown);
        Assert.Equal([inside], InsidePaths.ToolsPath([folder]));
    }

    [Fact]
    public void User_IsOneThatNobodyHas()
    {
        Assert.Equal(UserRange.First + 8, UserRange.Pick(UserRange.First + 8, new HashSet<int>()));
        var other = UserRange.Pick(UserRange.First + 8, new HashSet<int> { UserRange.First + 8 });
        Assert.NotEqual(UserRange.First + 8, other);
        Assert.True(other is >= UserRange.First and < UserRange.First + UserRange.Count && other % 2 == 0);
    }
}
