using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;

namespace Marionette.Agent.Tests.Support;

/// <summary>The real agent as a process of its own, with folders of its own.</summary>
internal sealed class AgentProcess : IDisposable
{
    private readonly StringBuilder log = new();
    private Process? process;

    public AgentProcess(ScriptedGateway? gateway = null, string? claude = null)
    {
        Root = Directory.CreateTempSubdirectory("marionette-agent-test-").FullName;
        Config = new JsonObject
        {
            ["server_url"] = gateway?.Url ?? "http://127.0.0.1:1",
            ["runner"] = "acme/run_test",
            ["epoch"] = 1,
            ["token"] = "rtok_canary_token",
            ["state_dir"] = Path.Combine(Root, "state"),
            ["workspace_dir"] = Path.Combine(Root, "workspace"),
            ["home_dir"] = Path.Combine(Root, "home"),
        };
        if (gateway is not null)
            gateway.AgentLog = () => Log;
        if (claude is not null)
            Config["claude_path"] = claude;
    }

    /// <summary>The binary under test: the built one, or a published one named by the environment.</summary>
    public static string Binary =>
        Environment.GetEnvironmentVariable("MARIONETTE_AGENT") is { Length: > 0 } named
            ? named
            : Path.Combine(AppContext.BaseDirectory, "agent", "marionette-agent");

    public string Root { get; }

    public string Workspace => Path.Combine(Root, "workspace");

    public string Home => Path.Combine(Root, "home");

    public string State => Path.Combine(Root, "state");

    public JsonObject Config { get; }

    public int Pid => process!.Id;

    public string Log
    {
        get
        {
            lock (log)
                return log.ToString();
        }
    }

    /// <param name="isFirst">As the first process of a process namespace, as in a container.</param>
    public AgentProcess Start(bool isFirst = false)
    {
        var file = Path.Combine(Root, "agent.json");
        File.WriteAllText(file, Config.ToJsonString());
        string[] command = [Binary, "run", "--config", file];
        if (isFirst)
            command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", .. command];
        process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardError = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
            Environment = { ["MARIONETTE_AGENT_DEBUG"] = "1" },
        })!;
        process.ErrorDataReceived += (_, line) =>
        {
            lock (log)
                log.AppendLine(line.Data);
        };
        process.BeginErrorReadLine();
        return this;
    }

    public void Kill() => process!.Kill();

    public void Terminate() => Process.Start("kill", ["-TERM", Pid.ToString()]).WaitForExit();

    public async Task<int> WaitForExitAsync(int seconds = 180)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        try
        {
            await process!.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"The agent did not end within {seconds} s. Its log:\n{Log}");
        }

        return process.ExitCode;
    }

    public void Dispose()
    {
        try
        {
            process?.Kill();
            process?.WaitForExit();
        }
        catch (InvalidOperationException)
        {
        }

        process?.Dispose();
        try
        {
            Directory.Delete(Root, recursive: true);
        }
        catch (IOException)
        {
            // A child that is just ending may still write.
        }
    }
}
