using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;
using Marionette.Providers.Conformance;
using Marionette.Providers.Processes;

namespace Marionette.Providers.Process.Tests;

/// <summary>The process provider against the contract. Its agent here is a shell script that leaves a file and waits for its end.</summary>
public sealed class ProcessConformanceTests : ProviderConformance
{
    private readonly string _folder = Directory.CreateTempSubdirectory("marionette-provider-").FullName;
    private readonly ProcessProvider _provider;

    public ProcessConformanceTests()
    {
        var agent = Path.Combine(_folder, "agent.sh");
        File.WriteAllText(agent, StandIn.Script);
        File.SetUnixFileMode(agent, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _provider = Make();
    }

    protected override IRunnerProvider Provider => _provider;

    protected override IRunnerProvider Another() => Make();

    protected override Task CrashAsync(RunnerHandle handle)
    {
        _ = Kill(PidOf(handle), 9);
        return Task.CompletedTask;
    }

    protected override async Task<string?> WorkspaceFileAsync(string workspaceId, string name)
    {
        var file = Path.Combine(_folder, "workspaces", workspaceId, "workspace", name);
        return File.Exists(file) && await File.ReadAllTextAsync(file, Cancel) is { Length: > 0 } text ? text : null;
    }

    protected override async Task<(int Code, string Output)> InsideAsync(RunnerHandle handle, string command)
    {
        using var config = JsonDocument.Parse(await File.ReadAllBytesAsync(Path.Combine(FolderOf(handle), "agent.json"), Cancel));
        var start = new ProcessStartInfo("/bin/sh", ["-c", command])
        {
            WorkingDirectory = config.RootElement.GetProperty("workspace_dir").GetString(), RedirectStandardOutput = true,
        };
        start.Environment.Clear();
        foreach (var pair in (await File.ReadAllTextAsync($"/proc/{PidOf(handle)}/environ", Cancel)).Split('\0', StringSplitOptions.RemoveEmptyEntries))
            start.Environment[pair[..pair.IndexOf('=')]] = pair[(pair.IndexOf('=') + 1)..];
        using var process = System.Diagnostics.Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync(Cancel);
        await process.WaitForExitAsync(Cancel);
        return (process.ExitCode, output);
    }

    protected override async Task<string> PublicTraceAsync(RunnerHandle handle) => await File.ReadAllTextAsync($"/proc/{PidOf(handle)}/cmdline", Cancel);

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Configuration_IsReadableByItsOwnerAlone()
    {
        var handle = await Provider.EnsureAsync(NewSpec(), null, Cancel);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(FolderOf(handle), "agent.json")));
    }

    [Fact]
    public async Task Ensure_WithoutAgentBinary_IsRejectedAndLeavesNothing()
    {
        var provider = new ProcessProvider(Options(Path.Combine(_folder, "nowhere")), TimeProvider.System);
        var fault = await Assert.ThrowsAsync<ProviderException>(() => provider.EnsureAsync(NewSpec(), null, Cancel));
        Assert.Equal(ProviderFault.Rejected, fault.Fault);
        Assert.False(Directory.Exists(Path.Combine(_folder, "runners")));
    }

    [Fact]
    public async Task Agents_AreWhatTheAgentBinarySays() => Assert.Equal(
        [new InstalledAgent("claude", "claude", "/x/claude", "2.1.330"), new InstalledAgent("acp", "opencode", "/x/o")],
        await Provider.ListAgentsAsync(Cancel));

    [Fact]
    public async Task Agents_OfABinaryThatKnowsNone_AreAFault()
    {
        var provider = new ProcessProvider(Options("/bin/false"), TimeProvider.System);
        Assert.Equal(ProviderFault.Unavailable, (await Assert.ThrowsAsync<ProviderException>(() => provider.ListAgentsAsync(Cancel))).Fault);
    }

    [Fact]
    public async Task Agent_IsInASessionOfItsOwn()
    {
        var pid = PidOf(await Provider.EnsureAsync(NewSpec(), null, Cancel));
        // The process is a shell first, then setsid, then the agent.
        await UntilAsync(() => SessionOfAsync(pid), session => session == pid.ToString(), $"{pid} to lead a session");
    }

    private static async Task<string> SessionOfAsync(int pid)
    {
        var stat = await File.ReadAllTextAsync($"/proc/{pid}/stat", Cancel);
        return stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[3];
    }

    [Fact]
    public async Task Agent_DoesNotInheritTheServersEnvironment()
    {
        Environment.SetEnvironmentVariable("MARIONETTE_CANARY", "leaked");
        var pid = PidOf(await Provider.EnsureAsync(NewSpec(), null, Cancel));
        Assert.DoesNotContain("MARIONETTE_CANARY", await File.ReadAllTextAsync($"/proc/{pid}/environ", Cancel));
    }

    private ProcessProvider Make() => new(Options(Path.Combine(_folder, "agent.sh")), TimeProvider.System);

    private ProcessProviderOptions Options(string agent) => new() { DataDirectory = _folder, AgentBinary = agent, ServerUrl = () => "http://127.0.0.1:1" };

    private string FolderOf(RunnerHandle handle) => Path.Combine(_folder, "runners", handle.RunnerKey.Split('/')[1]);

    private int PidOf(RunnerHandle handle) => int.Parse(File.ReadAllText(Path.Combine(FolderOf(handle), "pid")).Split(' ')[0]);

    [DllImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int pid, int signal);
}
