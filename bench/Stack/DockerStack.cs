using System.Diagnostics;
using System.Globalization;
using Marionette.Bench.Runners;
using Marionette.Providers;
using Marionette.Providers.Docker;
using Marionette.TestEngine;

namespace Marionette.Bench.Stack;

/// <summary>
/// The shipped Docker provider on an engine with the runner image, in this process, and a server that hears the agents' first words. The engine is the
/// tests': one of its own, or the one that MARIONETTE_DOCKER_HOST names. Runners have their network through netd, as by default.
/// </summary>
internal sealed class DockerStack : IAsyncDisposable
{
    private const string Installation = "bench", BareLabel = "marionette.installation=" + Installation;

    private readonly DockerEngine _engine;
    private readonly HelloServer _server;
    private int _runners;

    private DockerStack(DockerEngine engine, HelloServer server)
    {
        (_engine, _server) = (engine, server);
        Provider = new DockerProvider(
            new DockerProviderOptions { Host = engine.Host, Installation = Installation, ServerUrl = () => server.Url, Image = engine.Image, Pull = ImagePull.Never }, TimeProvider.System);
    }

    public DockerProvider Provider { get; }

    /// <summary>An engine whose helper runs already: what is measured is a runner and not the first one.</summary>
    /// <exception cref="InvalidOperationException">There can be no engine here.</exception>
    public static async Task<DockerStack> StartAsync(CancellationToken cancellationToken)
    {
        if (DockerEngine.Obstacle() is { } obstacle) throw new InvalidOperationException(obstacle);
        var stack = new DockerStack(await DockerEngine.StartAsync(), await HelloServer.StartAsync(cancellationToken));
        try
        {
            var first = stack.NewSpec();
            await stack.StartAsync(first, cancellationToken);
            await stack.ReleaseAsync(first);
            await stack.RemoveBareAsync([(await stack.StartBareAsync(cancellationToken)).Id]);
            return stack;
        }
        catch
        {
            await stack.DisposeAsync();
            throw;
        }
    }

    public RunnerSpec NewSpec(string? slot = null)
    {
        var number = Interlocked.Increment(ref _runners).ToString("d16", CultureInfo.InvariantCulture);
        return new RunnerSpec($"bench/run_{number}", 1, $"rtok_{number}", $"ws_{number}") { WarmSlot = slot, Profile = RunnerProfile.Default with { MemoryMib = 256 } };
    }

    /// <summary>Makes a warm slot and waits until the agent in it waits too.</summary>
    public async Task WarmAsync(string slot, CancellationToken cancellationToken)
    {
        await Provider.WarmAsync(new WarmSpec(slot, NewSpec().Profile), cancellationToken);
        var pid = await PidAsync($"{Installation}.warm.{slot}", cancellationToken);
        while (!IsWaiting(pid)) await Task.Delay(1, cancellationToken);
    }

    /// <returns>Milliseconds from the call of the provider to the agent's hello.</returns>
    public async Task<double> StartAsync(RunnerSpec spec, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        await Provider.EnsureAsync(spec, null, cancellationToken);
        return Stopwatch.GetElapsedTime(began, await _server.HelloAsync(spec.RunnerKey, cancellationToken)).TotalMilliseconds;
    }

    public Task ReleaseAsync(RunnerSpec spec) => Provider.ReleaseAsync(new RunnerHandle(spec.RunnerKey, spec.Epoch), CancellationToken.None);

    /// <summary>A container of the same image that does nothing, by Docker's own command.</summary>
    /// <returns>Its id, and milliseconds until the command said that its process runs.</returns>
    public async Task<(string Id, double Took)> StartBareAsync(CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        var id = await DockerAsync(cancellationToken, ["run", .. BareArguments]);
        return (id, Stopwatch.GetElapsedTime(began).TotalMilliseconds);
    }

    /// <summary>The same, many times: a shell that keeps some of the commands under way.</summary>
    public async Task<(string[] Ids, double Took)> StartManyBareAsync(int count, int atOnce, CancellationToken cancellationToken)
    {
        var began = Stopwatch.GetTimestamp();
        var said = await RunAsync("sh", cancellationToken, "-ec", $"seq {count} | xargs -P {atOnce} -I _ docker run {string.Join(' ', BareArguments)}");
        return (said.Split('\n', StringSplitOptions.RemoveEmptyEntries), Stopwatch.GetElapsedTime(began).TotalMilliseconds);
    }

    public Task RemoveBareAsync(string[] ids) => DockerAsync(CancellationToken.None, ["rm", "--force", .. ids]);

    /// <summary>Resident memory of all processes of a runner's container, in bytes.</summary>
    public async Task<long> MemoryOfAsync(string container, CancellationToken cancellationToken)
    {
        var said = await DockerAsync(cancellationToken, "top", container, "-eo", "pid");
        return said.Split('\n').Skip(1).Sum(pid => BenchStack.RssOf(int.Parse(pid, CultureInfo.InvariantCulture)));
    }

    /// <summary>The container of a runner.</summary>
    public static string ContainerOf(RunnerSpec spec) => $"{Installation}.{spec.RunnerKey.Replace('/', '.')}.{spec.Epoch}";

    public async ValueTask DisposeAsync()
    {
        await Provider.DisposeAsync();
        await _engine.RemoveAsync(Installation);
        await _engine.DisposeAsync();
        await _server.DisposeAsync();
    }

    private string[] BareArguments => ["--detach", "--network", "none", "--label", BareLabel, "--entrypoint", "sleep", _engine.Image, "infinity"];

    // The thread that reads the configuration is the last thing that a waiting agent starts.
    private static bool IsWaiting(int pid)
    {
        try
        {
            return Directory.EnumerateDirectories($"/proc/{pid}/task").Any(task => File.ReadAllText($"{task}/comm").Trim() == "configuration");
        }
        catch (IOException)
        {
            return false; // a thread ended meanwhile
        }
    }

    private async Task<int> PidAsync(string container, CancellationToken cancellationToken) =>
        int.Parse(await DockerAsync(cancellationToken, "inspect", "--format", "{{.State.Pid}}", container), CultureInfo.InvariantCulture);

    private Task<string> DockerAsync(CancellationToken cancellationToken, params string[] arguments) => RunAsync("docker", cancellationToken, arguments);

    private async Task<string> RunAsync(string program, CancellationToken cancellationToken, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOCKER_HOST"] = _engine.Host.OriginalString;
        using var process = Process.Start(start)!;
        var said = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(cancellationToken), process.StandardError.ReadToEndAsync(cancellationToken));
        await process.WaitForExitAsync(cancellationToken);
        return process.ExitCode == 0 ? said[0].Trim() : throw new InvalidOperationException($"{program} failed: {said[1]}");
    }
}
