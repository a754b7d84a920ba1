using System.Runtime.CompilerServices;
using System.Text.Json;
using Marionette.Bench.Measuring;
using Marionette.Bench.Runners;
using Marionette.Bench.Stack;

namespace Marionette.Bench.Figures;

/// <summary>A runner is killed while it works: until its task goes on, with runners that are processes.</summary>
internal sealed class RunnerFailover : IMeasurement
{
    /// <summary>Says once that it works. Its last output is in the log when the kill comes, so that what follows is the next run's.</summary>
    private static readonly string[] Work = ["sh", "-c", "echo works; exec sleep 600"];

    public string Name => "failover-runner";

    public async IAsyncEnumerable<Figure> MeasureAsync(BenchOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        Series back = new();
        List<double> noticed = [];
        await using (var stack = await BenchStack.WithAgentsAsync(options, cancellationToken))
        await using (var server = await HelloServer.StartAsync(cancellationToken))
        {
            for (var n = -1; n < options.Scale(50); n++)
            {
                var bare = await BareAgent.ToHelloAsync(options, server, within: null, cancellationToken);
                var (goesOn, disconnected) = await LoseAsync(stack, cancellationToken);
                if (n < 0) continue;
                back.Add(goesOn, bare);
                noticed.Add(disconnected);
            }
        }

        var how = "kill -9 of a runner's process under a task, to the first line of the task's next run by the agent's clock, one session after the other; "
            + $"runner.disconnected after {Series.Median(noticed):0} ms. "
            + "Floor: the bare agent, started by hand, to its hello";
        foreach (var figure in back.ToPercentiles(Name, "ms", how)) yield return figure;
    }

    /// <returns>Milliseconds from the kill to the line of the next run, and to the server's word that the runner is gone.</returns>
    private static async Task<(double GoesOn, double Disconnected)> LoseAsync(BenchStack stack, CancellationToken cancellationToken)
    {
        var session = await stack.Api.CreateSessionAsync(Work);
        await stack.Api.SubmitAsync(session, "go");
        var first = await stack.Api.EventAsync(session, "log", 0, cancellationToken);
        var view = await stack.Api.GetAsync($"/api/v1/sessions/{session}", cancellationToken);
        var pid = stack.RunnerPid(view.GetProperty("runner_id").GetString()!) ?? throw new InvalidOperationException("The runner has ended by itself.");
        var seq = first.GetProperty("seq").GetInt64();

        var killed = TimeProvider.System.GetUtcNow();
        ServerProcess.Signal(pid, ServerProcess.SigKill);
        var next = await stack.Api.EventAsync(session, "log", seq, cancellationToken);
        var gone = await stack.Api.EventAsync(session, "runner.disconnected", seq, cancellationToken);
        if (next.GetProperty("run_id").GetString() == first.GetProperty("run_id").GetString())
            throw new InvalidOperationException($"The killed run has said more: {next}");

        await stack.Api.TerminateAsync(session, cancellationToken);
        return (Since(next), Since(gone));

        double Since(JsonElement happened) => (happened.GetProperty("time").GetDateTimeOffset() - killed).TotalMilliseconds;
    }
}
