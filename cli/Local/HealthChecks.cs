using System.Net;
using System.Runtime.CompilerServices;
using Marionette.Cli.Api;
using Marionette.Cli.Commands;

namespace Marionette.Cli.Local;

internal enum Level
{
    Ok,
    Warn,
    Fail,
}

/// <summary>One thing that was looked at.</summary>
/// <param name="Action">What to do about it; null when there is nothing to do.</param>
internal sealed record Finding(string Name, Level Level, string Detail, string? Action = null);

/// <summary>
/// The checks of <c>doctor</c>. What the machine needs to run a stack fails where it is missing; what a stack does without, or makes for
/// itself at the next start, is a warning.
/// </summary>
internal sealed class HealthChecks(CliContext context, Layout layout, string dataFolder)
{
    private static readonly int[] UsualPorts = [8080, 8081, 9090];

    public async IAsyncEnumerable<Finding> RunAsync(Func<Endpoint> endpoint, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        yield return await ToolAsync(".NET", "dotnet", ["--version"], Level.Fail, "Install the .NET SDK that global.json names.", cancellationToken).ConfigureAwait(false);
        yield return await PostgresAsync(cancellationToken).ConfigureAwait(false);
        yield return await ToolAsync("clang", "clang", ["--version"], Level.Warn, "apt-get install clang zlib1g-dev; only needed to build the agent.", cancellationToken).ConfigureAwait(false);
        yield return await AgentAsync(cancellationToken).ConfigureAwait(false);
        yield return await ClaudeAsync(cancellationToken).ConfigureAwait(false);
        yield return Data();
        Endpoint? found = null;
        Finding? missing = null;
        try
        {
            found = endpoint();
        }
        catch (CliException error)
        {
            missing = new Finding("server", error.ExitCode == ExitCode.Usage ? Level.Fail : Level.Warn, error.Message, error.Hint);
        }
        if (found is null)
        {
            // Nothing runs here, so the ports must be free for what is to run.
            yield return Ports();
            yield return missing!;
            yield break;
        }
        await foreach (var finding in ServerAsync(found, cancellationToken).ConfigureAwait(false))
            yield return finding;
    }

    private static async Task<Finding> ToolAsync(string name, string program, string[] arguments, Level level, string action, CancellationToken cancellationToken)
    {
        var answer = await ShortProgram.TryRunAsync(program, arguments, cancellationToken).ConfigureAwait(false);
        return answer is { ExitCode: 0 } ? new Finding(name, Level.Ok, answer.FirstLine) : new Finding(name, level, answer is null ? $"no {program} on the PATH" : answer.FirstLine, action);
    }

    private async Task<Finding> PostgresAsync(CancellationToken cancellationToken)
    {
        // Debian keeps them off the PATH, one folder a version.
        const string Debian = "/usr/lib/postgresql";
        var folders = Directory.Exists(Debian)
            ? Directory.GetDirectories(Debian).OrderByDescending(folder => int.TryParse(Path.GetFileName(folder), out var version) ? version : 0).Select(folder => Path.Combine(folder, "bin"))
            : [];
        folders = folders.Concat((context.Variable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries));
        var folder = folders.FirstOrDefault(each => File.Exists(Path.Combine(each, "postgres")) && File.Exists(Path.Combine(each, "initdb")));
        if (folder is null)
            return new Finding("PostgreSQL", Level.Fail, "no server programs found", "apt-get install postgresql, or run 'up' with --connection-string.");
        var answer = await ShortProgram.TryRunAsync(Path.Combine(folder, "postgres"), ["--version"], cancellationToken).ConfigureAwait(false);
        return new Finding("PostgreSQL", Level.Ok, $"{answer?.FirstLine} in {folder}");
    }

    private async Task<Finding> AgentAsync(CancellationToken cancellationToken)
    {
        var answer = await ShortProgram.TryRunAsync(layout.Agent, ["--version"], cancellationToken).ConfigureAwait(false);
        return answer is { ExitCode: 0 }
            ? new Finding("agent", Level.Ok, $"{answer.FirstLine} ({new FileInfo(layout.Agent).Length / 1_000_000d:0.0} MB)")
            : new Finding("agent", Level.Warn, File.Exists(layout.Agent) ? $"{layout.Agent}: {answer?.FirstLine ?? "cannot be started"}" : "not built yet", "'./marionette up' builds it.");
    }

    private async Task<Finding> ClaudeAsync(CancellationToken cancellationToken)
    {
        const string Action = "'./marionette up' installs the pinned one; MARIONETTE_CLAUDE names another.";
        if (layout.Claude is not { } claude)
            return new Finding("claude", Level.Warn, "not installed", Action);
        var answer = await ShortProgram.TryRunAsync(claude, ["--version"], cancellationToken).ConfigureAwait(false);
        if (answer is not { ExitCode: 0 })
            return new Finding("claude", Level.Fail, $"{claude}: {answer?.FirstLine ?? "cannot be started"}", Action);
        return Path.GetFileName(claude) == "claude"
            ? new Finding("claude", Level.Ok, $"{answer.FirstLine} ({claude})")
            : new Finding("claude", Level.Fail, $"{claude} is not named 'claude'", "Runners look for that name: point MARIONETTE_CLAUDE at a link of that name.");
    }

    private Finding Data()
    {
        var existing = dataFolder;
        while (!Directory.Exists(existing))
            existing = Path.GetDirectoryName(existing) ?? "/";
        var probe = Path.Combine(existing, $".marionette-{Environment.ProcessId}");
        try
        {
            using (new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose))
            {
            }
            var free = new DriveInfo(existing).AvailableFreeSpace / 1_000_000_000d;
            return free < 1
                ? new Finding("data", Level.Warn, $"{dataFolder}: {free:0.0} GB free", "Make room, or choose another --data-dir.")
                : new Finding("data", Level.Ok, $"{dataFolder} is writable, {free:0} GB free");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return new Finding("data", Level.Fail, $"{dataFolder}: {error.Message}", "Choose another with --data-dir.");
        }
    }

    private static Finding Ports()
    {
        var taken = UsualPorts.Where(port => !UpCommand.IsFree(IPAddress.Loopback, port)).ToArray();
        return taken.Length == 0
            ? new Finding("ports", Level.Ok, "8080, 8081 and 9090 are free")
            : new Finding("ports", Level.Warn, $"taken: {string.Join(", ", taken)}", "Start with --api-port 0 --admin-port 0 --grpc-port 0.");
    }

    private async IAsyncEnumerable<Finding> ServerAsync(Endpoint endpoint, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var api = new ApiClient(endpoint, context.Clock, context.Transport);
        var ready = await AskAsync(api, "/health/ready", cancellationToken).ConfigureAwait(false);
        if (ready.ExitCode != ExitCode.Ok)
        {
            yield return new Finding("server", Level.Fail, ready.Detail, ready.Action);
            yield break;
        }
        yield return new Finding("server", Level.Ok, $"{endpoint} is ready");
        var key = await AskAsync(api, "/api/v1/agents", cancellationToken).ConfigureAwait(false);
        yield return key.ExitCode == ExitCode.Ok
            ? new Finding("API key", Level.Ok, endpoint.ApiKey is { Length: > 8 } known ? $"{known[..8]}… is valid" : "none needed")
            : new Finding("API key", Level.Fail, key.Detail, key.Action);
    }

    private static async Task<(int ExitCode, string Detail, string? Action)> AskAsync(ApiClient api, string path, CancellationToken cancellationToken)
    {
        try
        {
            await api.ProbeAsync(path, cancellationToken).ConfigureAwait(false);
            return (ExitCode.Ok, "", null);
        }
        catch (CliException error)
        {
            return (error.ExitCode, error.Message, error.Hint);
        }
    }
}
