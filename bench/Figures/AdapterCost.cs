using System.Diagnostics;
using System.Runtime.CompilerServices;
using Marionette.Bench.Measuring;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>
/// What each adapter costs marionette-agent: processor time of an event that the real agent streams, and memory after it. The floor is the
/// command agent, whose lines need no understanding.
/// </summary>
internal sealed class AdapterCost : IMeasurement
{
    public string Name => "adapters";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var chunks = options.Scale(4000);
        await using var model = await ModelProcess.StartAsync(options, cancellationToken);
        await using var stack = await BenchStack.WithAgentsAsync(options, cancellationToken);
        var prompt = $"@scenario slow chunks={chunks} delay_ms=0 size=16";
        var bare = await RunAsync(stack, new { agent = "command", command = new[] { "seq", $"{chunks}" } }, "go", options, cancellationToken);
        foreach (var (kind, body) in Sessions(model))
        {
            var cost = await RunAsync(stack, body, prompt, options, cancellationToken);
            yield return new Figure(
                $"{Name}/{kind}-cpu", cost.Micros, "µs", bare.Micros > 0 ? bare.Micros : null, bare.Micros > 0 ? cost.Micros / bare.Micros : null, null,
                $"CPU of marionette-agent an event of a streamed answer ({cost.Events:0} events a run), child apart; floor: the command agent, an event a line");
            yield return new Figure($"{Name}/{kind}-rss", cost.Rss / 1e6, "MB", bare.Rss / 1e6, null, Goal.AtMost(60), "memory of marionette-agent after those runs, child apart");
        }
    }

    private static IEnumerable<(string Kind, object Body)> Sessions(ModelProcess model)
    {
        if (Installed("MARIONETTE_CLAUDE")) yield return ("claude", new { agent = "claude", api_key = "sk-any", base_url = model.Url });
        if (Installed("MARIONETTE_CODEX")) yield return ("codex", new { agent = "codex", api_key = "sk-any", base_url = model.Url.TrimEnd('/') + "/v1", model = "scripted" });
        if (Installed("MARIONETTE_OPENCODE"))
            yield return ("acp-opencode", new { agent = "acp", api_key = "sk-any", base_url = model.Url.TrimEnd('/') + "/v1", model = "scripted", options = new { agent = "opencode" } });
    }

    private static bool Installed(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } path && File.Exists(path);

    private static async Task<(double Micros, double Rss, double Events)> RunAsync(
        BenchStack stack, object body, string prompt, BenchOptions options, CancellationToken cancellationToken)
    {
        var session = (await stack.Api.PostAsync("/api/v1/sessions", body, cancellationToken)).GetProperty("id").GetString()!;
        List<double> micros = [], events = [];
        var agent = 0;
        for (var round = -1; round < options.Rounds; round++)
        {
            var before = round < 0 ? default : (await SeqAsync(stack, session, cancellationToken), CpuOf(agent));
            var task = await stack.Api.SubmitAsync(session, prompt);
            var view = await stack.Api.UntilAsync(session, v => v.GetProperty("last_seq").GetInt64() > before.Item1 + 5 && !v.TryGetProperty("current_task_id", out _), cancellationToken);
            var ended = await stack.Api.GetAsync($"/api/v1/tasks/{task}", cancellationToken);
            if (ended.GetProperty("status").GetString() != "completed") throw new InvalidOperationException($"The run did not complete: {ended}");
            agent = stack.RunnerPid(view.GetProperty("runner_id").GetString()!) ?? throw new InvalidOperationException("The agent has ended.");
            if (round < 0) continue;
            var count = view.GetProperty("last_seq").GetInt64() - before.Item1;
            micros.Add((CpuOf(agent) - before.Item2).TotalMicroseconds / count);
            events.Add(count);
        }

        return (Series.Median(micros), BenchStack.RssOf(agent), Series.Median(events));
    }

    private static async Task<long> SeqAsync(BenchStack stack, string session, CancellationToken cancellationToken) =>
        (await stack.Api.GetAsync($"/api/v1/sessions/{session}", cancellationToken)).GetProperty("last_seq").GetInt64();

    private static TimeSpan CpuOf(int pid)
    {
        using var process = Process.GetProcessById(pid);
        return process.TotalProcessorTime;
    }
}
