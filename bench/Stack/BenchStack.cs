using System.Globalization;
using System.Text.Json;
using Npgsql;

namespace Marionette.Bench.Stack;

/// <summary>
/// The shipped server as a process, in a folder and on ports of its own. With stand-ins for runners, the provider starts a
/// process that does nothing, and the bench plays the agent with what the provider wrote for it. The server knows of no bench.
/// </summary>
internal sealed class BenchStack : IAsyncDisposable
{
    /// <summary>Where <c>./marionette</c> says which agents it found.</summary>
    private static readonly string[] AgentVariables = ["MARIONETTE_CLAUDE", "MARIONETTE_CODEX", "MARIONETTE_OPENCODE"];

    private readonly string _folder;
    private readonly ServerProcess _server;

    private BenchStack(string folder, ServerProcess server) => (_folder, _server) = (folder, server);

    public string DataDirectory => Path.Combine(_folder, "data");

    public int ServerPid => _server.Pid;

    public required string ApiUrl { get; init; }

    public required string GrpcUrl { get; init; }

    public required string ApiKey { get; init; }

    /// <summary>To the database of the server: floors run on the same instance.</summary>
    public required string ConnectionString { get; init; }

    public required NpgsqlDataSource Database { get; init; }

    public required ApiClient Api { get; init; }

    public CpuMeter NewCpuMeter() => new(ServerPid, EmbeddedDatabase.ClusterName(DataDirectory));

    /// <summary>A server whose runners the bench plays itself.</summary>
    public static Task<BenchStack> WithStandInsAsync(BenchOptions options, CancellationToken cancellationToken) =>
        StartAsync(options, folder => StandInAgent(folder), cancellationToken);

    /// <summary>A server with the agent that is shipped.</summary>
    /// <param name="arguments">More options of the server.</param>
    public static Task<BenchStack> WithAgentsAsync(BenchOptions options, CancellationToken cancellationToken, params string[] arguments) =>
        StartAsync(options, _ => options.Program("agent", "marionette-agent"), cancellationToken, arguments);

    public async ValueTask DisposeAsync()
    {
        Api.Dispose();
        await Database.DisposeAsync();
        await _server.DisposeAsync();
        RunnerProcesses.EndAll(DataDirectory);
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Resident memory of a process, in bytes.</summary>
    public static long RssOf(int pid)
    {
        var line = File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.AsSpan(6).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>Resident memory of the server after full collections, once what happened has settled.</summary>
    public async Task<long> SettledRssAsync(CancellationToken cancellationToken)
    {
        await Task.Delay(TimeSpan.FromSeconds(2), cancellationToken);
        for (var n = 0; n < 2; n++) await DiagnosticsPort.CollectAsync(ServerPid, cancellationToken);
        await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken);
        return RssOf(ServerPid);
    }

    /// <summary>Runners that the provider has not given back.</summary>
    public int RunnerFolders => RunnerProcesses.Count(DataDirectory);

    /// <summary>Process of a runner of ours that still lives; null when it has ended.</summary>
    public int? RunnerPid(string runnerId) => RunnerProcesses.PidOf(DataDirectory, runnerId);

    /// <summary>A folder for a stack that the database's user can pass, who is another one.</summary>
    public static string NewFolder()
    {
        var folder = Directory.CreateTempSubdirectory("marionette-bench-").FullName;
        File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        return folder;
    }

    private static async Task<BenchStack> StartAsync(BenchOptions options, Func<string, string> agent, CancellationToken cancellationToken, params string[] more)
    {
        var folder = NewFolder();
        var data = Path.Combine(folder, "data");
        List<string> arguments = ["up", "--data-dir", data, "--api-port", "0", "--admin-port", "0", "--grpc-port", "0", "--agent-binary", agent(folder), .. more];
        // The agents that ./marionette found: their folders go before the runners' path.
        var tools = AgentVariables.Select(Environment.GetEnvironmentVariable).Where(File.Exists).Select(path => Path.GetDirectoryName(path)!).Distinct().ToArray();
        if (tools.Length > 0) arguments.AddRange(["--tools-path", string.Join(':', tools)]);
        var server = ServerProcess.Start(options.Program("silo", "marionette-silo"), arguments, Path.Combine(folder, "server.log"));
        try
        {
            return await ConnectAsync(folder, data, server, cancellationToken);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    private static async Task<BenchStack> ConnectAsync(string folder, string data, ServerProcess server, CancellationToken cancellationToken)
    {
        var file = Path.Combine(data, "endpoints.json");
        await server.UntilAsync(() => Task.FromResult(File.Exists(file)), "endpoints.json", cancellationToken);
        using var endpoints = JsonDocument.Parse(await File.ReadAllBytesAsync(file, cancellationToken));
        string Value(string name) => endpoints.RootElement.GetProperty(name).GetString()!;
        var connectionString = EmbeddedDatabase.ConnectionString(data);
        return new BenchStack(folder, server)
        {
            ApiUrl = Value("api_url"), GrpcUrl = Value("grpc_url"), ApiKey = Value("api_key"),
            ConnectionString = connectionString, Database = NpgsqlDataSource.Create(connectionString),
            Api = new ApiClient(Value("api_url"), Value("api_key")),
        };
    }

    private static string StandInAgent(string folder)
    {
        var file = Path.Combine(folder, "stand-in");
        File.WriteAllText(file, "#!/bin/sh\nexec sleep 1000000\n");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
            | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        return file;
    }
}
