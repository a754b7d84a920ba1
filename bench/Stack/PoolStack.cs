using System.Diagnostics;
using System.Text.Json;
using Marionette.TestEngine;

namespace Marionette.Bench.Stack;

/// <summary>The shipped server with a pool, and the shipped host daemon on this machine as the pool's one host, joined by a token.</summary>
internal sealed class PoolStack : IAsyncDisposable
{
    private const string Pool = "bench";

    private static readonly string[] Shell = ["bash"];

    private readonly string _folder = Directory.CreateTempSubdirectory("marionette-host-").FullName;
    private readonly BenchStack _server;
    private readonly string _agent;
    private ServerProcess? _host;
    private string _profile = "";

    private PoolStack(BenchStack server, string agent) => (_server, _agent) = (server, agent);

    private string State => Path.Combine(_folder, "state");

    /// <summary>Why there can be no host with this kind of sandbox here; null when there can.</summary>
    public static string? Hindrance(string kind) => MachineTrial.OfSandboxes(kind);

    /// <summary>A host that is online, and a profile of runners in this kind of sandbox.</summary>
    public static async Task<PoolStack> StartAsync(BenchOptions options, string kind, CancellationToken cancellationToken)
    {
        if (Hindrance(kind) is { } hindrance) throw new InvalidOperationException(hindrance);
        var stack = new PoolStack(await BenchStack.WithAgentsAsync(options, cancellationToken, "--pools", Pool), options.Program("agent", "marionette-agent"));
        try
        {
            await stack.JoinAsync(kind, cancellationToken);
            var profile = new { name = Pool, provider = Pool, sandbox = kind, cpus = 1, memory_mib = 512 };
            stack._profile = (await stack._server.Api.PostAsync("/api/v1/profiles", profile, cancellationToken)).GetProperty("id").GetString()!;
            return stack;
        }
        catch
        {
            await stack.DisposeAsync();
            throw;
        }
    }

    /// <summary>The server.</summary>
    public ApiClient Api => _server.Api;

    /// <summary>Starts a session's runner, and returns when the host has given everything of it back.</summary>
    public async Task<SessionStart> RunAsync(CancellationToken cancellationToken)
    {
        var start = await SessionStart.RunAsync(Api, _profile, cancellationToken);
        await UntilRunnersAsync(0, cancellationToken);
        return start;
    }

    /// <summary>A session whose tasks are scripts of bash.</summary>
    public async Task<string> CreateShellAsync(CancellationToken cancellationToken) => (await Api.PostAsync(
        "/api/v1/sessions", new { agent = "command", command = Shell, profile_id = _profile }, cancellationToken))
        .GetProperty("id").GetString()!;

    /// <summary>Waits until the host has so many runners.</summary>
    public Task UntilRunnersAsync(int count, CancellationToken cancellationToken) => _host!.UntilAsync(
        async () => (await Api.GetAsync($"/api/v1/pools/{Pool}", cancellationToken)).GetProperty("runners").GetInt32() == count,
        $"{count} runners on the host", cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (_host is not null)
        {
            await _host.DisposeAsync();
        }

        if (Directory.Exists(State))
        {
            // What a measurement that broke off has left on the machine goes with it.
            using var leave = Process.Start(new ProcessStartInfo(_agent, ["host", "--leave", "--state", State])
            {
                RedirectStandardOutput = true, RedirectStandardError = true,
            })!;
            var said = await Task.WhenAll(leave.StandardOutput.ReadToEndAsync(), leave.StandardError.ReadToEndAsync());
            await leave.WaitForExitAsync();
            if (leave.ExitCode != 0) throw new InvalidOperationException($"The host does not leave: {string.Concat(said)}");
        }

        await _server.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task JoinAsync(string kind, CancellationToken cancellationToken)
    {
        var made = await _server.Api.PostAsync($"/api/v1/pools/{Pool}/tokens", new { name = "bench", max_hosts = 1 }, cancellationToken);
        var token = Path.Combine(_folder, "token"); // the folder is this user's alone
        await File.WriteAllTextAsync(token, made.GetProperty("raw_token").GetString(), cancellationToken);
        // Room for every start: what is measured is no placement on a full host.
        _host = ServerProcess.Start(
            _agent,
            [
                "host", "--server", _server.GrpcUrl, "--pool", Pool, "--token-file", token, "--state", State, "--cpus", "64",
                "--memory-mib", "262144", "--disk-mib", "1048576",
            ],
            Path.Combine(_folder, "host.log"));
        await _host.UntilAsync(IsOnlineAsync, "the host", cancellationToken);

        async Task<bool> IsOnlineAsync()
        {
            var hosts = (await _server.Api.GetAsync($"/api/v1/pools/{Pool}/hosts", cancellationToken)).GetProperty("items");
            if (hosts.GetArrayLength() == 0 || hosts[0].GetProperty("status").GetString() != "online") return false;
            var sandboxes = hosts[0].GetProperty("sandboxes").EnumerateArray().ToList();
            if (sandboxes.Count == 0) return false;
            var ours = sandboxes.FirstOrDefault(sandbox => sandbox.GetProperty("kind").GetString() == kind);
            return ours.ValueKind == JsonValueKind.Object && ours.GetProperty("works").GetBoolean()
                ? true
                : throw new InvalidOperationException($"{kind} does not work here: {ours}");
        }
    }
}
