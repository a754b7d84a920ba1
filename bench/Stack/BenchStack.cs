using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
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
    private readonly Process _server;
    private readonly StreamWriter _log;

    private BenchStack(string folder, Process server, StreamWriter log) => (_folder, _server, _log) = (folder, server, log);

    public string DataDirectory => Path.Combine(_folder, "data");

    public int ServerPid => _server.Id;

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
    public static Task<BenchStack> WithAgentsAsync(BenchOptions options, CancellationToken cancellationToken) =>
        StartAsync(options, _ => Need(Path.Combine(options.Artifacts, "agent", "marionette-agent")), cancellationToken);

    public async ValueTask DisposeAsync()
    {
        Api.Dispose();
        await Database.DisposeAsync();
        _ = Kill(_server.Id, 15);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        try
        {
            await _server.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _server.Kill();
        }

        foreach (var pid in RunnerPids()) _ = Kill(pid, 9);
        _server.Dispose();
        await _log.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Resident memory of a process, in bytes.</summary>
    public static long RssOf(int pid)
    {
        var line = File.ReadLines($"/proc/{pid}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.AsSpan(6).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture) * 1024;
    }

    /// <summary>Process of a runner of ours that still lives; null when it has ended.</summary>
    public int? RunnerPid(string runnerId)
    {
        // "pid start-time": a later process with the same number has another start time.
        if (!TryRead(Path.Combine(DataDirectory, "runners", runnerId, "pid"), out var mark) || mark.Split(' ', '\n') is not [var pid, var start, ..]) return null;
        return TryRead($"/proc/{pid}/stat", out var stat) && stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19] == start ? int.Parse(pid) : null;
    }

    /// <summary>Agents outlive their server on purpose; the bench must not leave them behind.</summary>
    private List<int> RunnerPids()
    {
        var runners = Path.Combine(DataDirectory, "runners");
        return Directory.Exists(runners) ? Directory.EnumerateDirectories(runners).Select(folder => RunnerPid(Path.GetFileName(folder))).OfType<int>().ToList() : [];
    }

    private static bool TryRead(string file, out string text)
    {
        try
        {
            text = File.ReadAllText(file);
            return true;
        }
        catch (IOException)
        {
            text = "";
            return false;
        }
    }

    private static async Task<BenchStack> StartAsync(BenchOptions options, Func<string, string> agent, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("marionette-bench-").FullName;
        // The database runs as a user of its own, which has to pass.
        File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        var data = Path.Combine(folder, "data");
        var log = new StreamWriter(Path.Combine(folder, "server.log")) { AutoFlush = true };
        var start = new ProcessStartInfo(Need(Path.Combine(options.Artifacts, "silo", "marionette-silo")))
        {
            ArgumentList = { "up", "--data-dir", data, "--api-port", "0", "--admin-port", "0", "--grpc-port", "0", "--agent-binary", agent(folder) },
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        // The agents that ./marionette found: their folders go before the runners' path.
        var tools = AgentVariables.Select(Environment.GetEnvironmentVariable).Where(File.Exists).Select(path => Path.GetDirectoryName(path)!).Distinct().ToArray();
        if (tools.Length > 0)
        {
            start.ArgumentList.Add("--tools-path");
            start.ArgumentList.Add(string.Join(':', tools));
        }

        var server = Process.Start(start)!;
        server.OutputDataReceived += (_, line) => Keep(log, line.Data);
        server.ErrorDataReceived += (_, line) => Keep(log, line.Data);
        server.BeginOutputReadLine();
        server.BeginErrorReadLine();

        try
        {
            return await ConnectAsync(folder, data, server, log, cancellationToken);
        }
        catch
        {
            server.Kill();
            throw;
        }
    }

    private static async Task<BenchStack> ConnectAsync(string folder, string data, Process server, StreamWriter log, CancellationToken cancellationToken)
    {
        var file = Path.Combine(data, "endpoints.json");
        while (!File.Exists(file))
        {
            if (server.HasExited) throw new InvalidOperationException($"The server ended: {await ReadSharedAsync(Path.Combine(folder, "server.log"))}");
            await Task.Delay(50, cancellationToken);
        }

        using var endpoints = JsonDocument.Parse(await File.ReadAllBytesAsync(file, cancellationToken));
        string Value(string name) => endpoints.RootElement.GetProperty(name).GetString()!;
        var connectionString = EmbeddedDatabase.ConnectionString(data);
        return new BenchStack(folder, server, log)
        {
            ApiUrl = Value("api_url"), GrpcUrl = Value("grpc_url"), ApiKey = Value("api_key"),
            ConnectionString = connectionString, Database = NpgsqlDataSource.Create(connectionString),
            Api = new ApiClient(Value("api_url"), Value("api_key")),
        };
    }

    private static void Keep(StreamWriter log, string? line)
    {
        if (line is null) return;
        lock (log) log.WriteLine(line);
    }

    private static async Task<string> ReadSharedAsync(string file)
    {
        await using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync();
    }

    private static string StandInAgent(string folder)
    {
        var file = Path.Combine(folder, "stand-in");
        File.WriteAllText(file, "#!/bin/sh\nexec sleep 1000000\n");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute
            | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        return file;
    }

    private static string Need(string program) =>
        File.Exists(program) ? program : throw new FileNotFoundException($"{program} is not built; run ./marionette bench, which builds it.");

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int Kill(int pid, int signal);
}
