using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>From the creation of a session to its agent's connection, with runners that are processes.</summary>
internal sealed class StartProcess : IMeasurement
{
    public string Name => "start-process";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var stack = await BenchStack.WithAgentsAsync(options, cancellationToken);
        await using var server = await HelloServer.StartAsync(cancellationToken);
        Series starts = new();
        for (var n = -1; n < options.Scale(50); n++)
        {
            var bare = await BareAsync(options, server, n, cancellationToken);
            var took = await SessionAsync(stack, cancellationToken);
            if (n >= 0) starts.Add(took, bare);
        }

        const string How = "creation of a session by a client to runner.connected in its log, one after the other; floor: the bare agent, started by hand, to its hello";
        foreach (var figure in starts.ToPercentiles(Name, "ms", How)) yield return figure;
    }

    private static async Task<double> SessionAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        var began = TimeProvider.System.GetUtcNow();
        var session = await stack.Api.CreateSessionAsync("true");
        await stack.Api.PostAsync($"/api/v1/sessions/{session}/resume", null, cancellationToken);
        await stack.Api.UntilAsync(session, view => view.GetProperty("status").GetString() == "active", cancellationToken);
        var events = await stack.Api.GetAsync($"/api/v1/sessions/{session}/events?types=runner.connected", cancellationToken);
        var took = (events.GetProperty("items")[0].GetProperty("time").GetDateTimeOffset() - began).TotalMilliseconds;
        await stack.Api.PostAsync($"/api/v1/sessions/{session}/suspend", null, cancellationToken);
        await stack.Api.UntilAsync(session, view => view.GetProperty("status").GetString() == "suspended", cancellationToken);
        return took;
    }

    private static async Task<double> BareAsync(BenchOptions options, HelloServer server, int number, CancellationToken cancellationToken)
    {
        var folder = Directory.CreateTempSubdirectory("marionette-bare-").FullName;
        var runner = $"bench/run_{number}";
        var line = JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["server_url"] = server.Url, ["runner"] = runner, ["epoch"] = 1, ["token"] = "rtok_bench",
            ["state_dir"] = $"{folder}/state", ["workspace_dir"] = $"{folder}/workspace", ["home_dir"] = $"{folder}/home",
        });
        var began = Stopwatch.GetTimestamp();
        using var agent = Process.Start(new ProcessStartInfo(Path.Combine(options.Artifacts, "agent", "marionette-agent"), ["run", "--config", "-"])
        {
            RedirectStandardInput = true, RedirectStandardError = true,
        })!;
        _ = agent.StandardError.ReadToEndAsync(CancellationToken.None);
        try
        {
            await agent.StandardInput.WriteLineAsync(line.AsMemory(), cancellationToken);
            await agent.StandardInput.FlushAsync(cancellationToken);
            return Stopwatch.GetElapsedTime(began, await server.HelloAsync(runner, cancellationToken)).TotalMilliseconds;
        }
        finally
        {
            agent.Kill();
            await agent.WaitForExitAsync(CancellationToken.None);
            Directory.Delete(folder, recursive: true);
        }
    }
}
