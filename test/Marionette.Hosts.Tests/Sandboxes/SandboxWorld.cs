using System.Text.Json;
using Marionette.Agent.Hosts;
using Marionette.Agent.Hosts.Sandboxes;
using Marionette.Hosts.Tests.Daemon.Support;
using Marionette.Protocol.Hosts.V1;
using Marionette.TestEngine;

namespace Marionette.Hosts.Tests.Sandboxes;

/// <summary>A host of a test's own, whose runners run scripts in place of the agent. At its end nothing of it may be left.</summary>
internal sealed class SandboxWorld : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Dictionary<string, SandboxProgram> programs = [];
    private readonly string state = Directory.CreateTempSubdirectory("mn-sandbox-").FullName;

    // Checking takes its time: the first world's answer is the others' as well. Its own test has a world that checks.
    private static readonly SemaphoreSlim Checking = new(1);
    private static byte[]? findings;

    public SandboxWorld()
    {
        Keeper = Make();
    }

    /// <summary>Why no sandbox can be made here; null when one can.</summary>
    public static string? Hindrance => MachineTrial.OfSandboxes(SandboxKinds.Bwrap);

    public static string Agent => Path.Combine(AppContext.BaseDirectory, "agent", "marionette-agent");

    public RunnerKeeper Keeper { get; private set; }

    public string State => state;

    /// <summary>What the keepers logged.</summary>
    public TextLog Log { get; } = new();

    /// <summary>Called for each start, when its seat is taken and nothing of it runs.</summary>
    public Action<EnsureRunner>? OnStart { get; set; }

    public static Uri Gateway { get; } = new("http://127.0.0.1:9");

    /// <summary>The sandboxes as they are before the first order.</summary>
    public async Task RecoverAsync(bool check = true)
    {
        await Keeper.RecoverAsync(gateway: null, Token);
        if (!check)
            return;
        await Checking.WaitAsync(Token);
        try
        {
            var file = Path.Combine(state, SandboxFindings.FileName);
            if (findings is not null)
                await File.WriteAllBytesAsync(file, findings, Token);
            await Keeper.CheckAsync(Token);
            findings ??= await File.ReadAllBytesAsync(file, Token);
        }
        finally
        {
            Checking.Release();
        }
    }

    /// <summary>Processes of a runner as this machine sees them, and their users.</summary>
    public IReadOnlyList<(int Pid, int User)> ProcessesOf(string runner) =>
    [
        .. GroupOf(runner).Processes().Select(pid => (pid, int.Parse(
            File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1],
            System.Globalization.CultureInfo.InvariantCulture))),
    ];

    /// <summary>Another daemon takes over, as after an upgrade.</summary>
    public async Task RestartAsync(Uri? gateway = null)
    {
        await Keeper.DisposeAsync();
        Keeper = Make();
        await Keeper.RecoverAsync(gateway, Token);
    }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>Starts a script of bash as a runner.</summary>
    public Task<RunnerReport> StartAsync(
        string runner, string script, string kind = "bwrap", Action<EnsureRunner>? change = null, Uri? gateway = null, Action<StartPhase>? progress = null)
    {
        var order = Order(runner, kind);
        change?.Invoke(order);
        programs[runner] = new SandboxProgram(["/bin/bash", "-c", script], "");
        return Keeper.EnsureAsync(order, gateway ?? Gateway, progress ?? (_ => { }), Token);
    }

    /// <summary>Starts the agent itself as a runner.</summary>
    public Task<RunnerReport> StartAgentAsync(EnsureRunner order, Uri gateway) => Keeper.EnsureAsync(order, gateway, _ => { }, Token);

    public static EnsureRunner Order(string runner, string kind) => new()
    {
        Runner = runner, Epoch = 1, Token = "token-of-" + runner, Workspace = "ws_" + runner.Split('/')[1],
        Profile = new RunnerProfile { Name = "test", Cpus = 1, MemoryMib = 256, DiskMib = 48, Pids = 64, Sandbox = kind },
        Egress = new EgressRules { Mode = "deny" },
    };

    public static RunnerRef Ref(string runner, long epoch = 1) => new() { Runner = runner, Epoch = epoch };

    /// <summary>Waits for the end of a runner.</summary>
    public async Task<RunnerReport> EndedAsync(string runner)
    {
        RunnerReport? report = null;
        await UntilAsync(async () => (report = await Keeper.ObserveAsync(Ref(runner), Token)).State == RunnerState.Exited, runner + " to end");
        return report!;
    }

    /// <summary>The network helper that runs.</summary>
    public ProcessMark Helper => JsonSerializer.Deserialize(File.ReadAllBytes(Path.Combine(state, "netd.json")), SandboxJsonContext.Default.ProcessMark)!;

    /// <summary>The control group of a runner.</summary>
    public Cgroup GroupOf(string runner) => CgroupTree.Find(Keeper.Folders.Name).Open(HostFolders.Leaf(runner));

    /// <summary>Everything that a runner wrote.</summary>
    public string Said(string runner)
    {
        var file = Path.Combine(Keeper.Folders.OfRunner(runner), "agent.log");
        return File.Exists(file) ? File.ReadAllText(file) : "";
    }

    /// <summary>Waits until a runner wrote something.</summary>
    public Task SaysAsync(string runner, string text) => UntilAsync(
        async () =>
        {
            await Task.Yield();
            return Said(runner).Contains(text, StringComparison.Ordinal);
        }, $"{runner} to say {text}; it said: {Said(runner)}");

    public static async Task UntilAsync(Func<Task<bool>> condition, string what)
    {
        for (var began = Environment.TickCount64; !await condition(); await Task.Delay(20, Token))
            Assert.True(Environment.TickCount64 - began < Patience.TotalMilliseconds, $"waited {Patience.TotalSeconds} s for {what}");
    }

    /// <summary>What of this world is left on the machine: processes, mounts, devices, control groups.</summary>
    public IReadOnlyList<string> Left()
    {
        var name = Keeper.Folders.Name;
        var left = new List<string>();
        left.AddRange(Directory.GetDirectories("/proc").Where(folder => IsOurs(folder)).Select(folder => "process " + folder));
        left.AddRange(File.ReadAllLines("/proc/self/mounts").Where(line => line.Contains(state, StringComparison.Ordinal)));
        left.AddRange(DiskImage.Devices().Where(device => device.File.StartsWith(state, StringComparison.Ordinal)).Select(device => device.Device));
        left.AddRange(CgroupTree.Find(name).Leaves().Select(leaf => "control group " + leaf));
        left.AddRange(Directory.GetDirectories(Path.Combine(state, "runners")).Select(folder => "folder " + folder));
        left.AddRange(Directory.GetFiles(Path.Combine(state, "runsc")));
        return left;

        bool IsOurs(string folder)
        {
            try
            {
                return File.ReadAllText(folder + "/cgroup").Contains(name + "/", StringComparison.Ordinal)
                    && !File.ReadAllText(folder + "/cmdline").Contains("netd", StringComparison.Ordinal)
                    && !File.ReadAllText(folder + "/stat").Contains(") Z ", StringComparison.Ordinal);
            }
            catch (IOException)
            {
                return false;
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var report in Keeper.List())
            await Keeper.ReleaseAsync(Ref(report.Runner, report.Epoch), CancellationToken.None);
        await Keeper.DisposeAsync();
        Assert.Empty(Directory.GetDirectories("/sys/fs/cgroup", Keeper.Folders.Name, new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 1 }));
        Directory.Delete(state, recursive: true);
    }

    private RunnerKeeper Make() => RunnerKeeper.Create(state, Agent, (order, _) =>
    {
        OnStart?.Invoke(order);
        return programs.GetValueOrDefault(order.Runner);
    }, Log);
}
