using Marionette.Gateway.Json;
using Marionette.Gateway.Rest;

namespace Marionette.Gateway.Logs;

/// <summary>Which runner had a run: events do not say it, the task's row does. For one request.</summary>
internal sealed class RunnerNames(StateReader rows, string tenant)
{
    private readonly Dictionary<string, string> known = new(StringComparer.Ordinal);

    /// <summary>The runner's id; empty when it is not known.</summary>
    public async ValueTask<string> OfAsync(string taskId, string runId, CancellationToken cancellationToken)
    {
        if (runId.Length == 0 || known.TryGetValue(runId, out var runner)) return known.GetValueOrDefault(runId, "");
        known[runId] = "";
        var task = await rows.FindAsync("task", tenant, taskId, StateJsonContext.Default.TaskView, cancellationToken);
        if (task is { Runs.IsDefault: false })
            foreach (var run in task.Runs) known[run.Id] = run.RunnerId ?? "";
        return known[runId];
    }
}
