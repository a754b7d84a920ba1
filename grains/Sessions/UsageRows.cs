using System.Collections.Immutable;
using System.Text.Json;
using Marionette.Json;
using Marionette.Log;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>One row a run, written with its end: what usage reports and tenants' budgets are summed from.</summary>
internal static class UsageRows
{
    public static IEnumerable<StateRow> Of(string tenant, Decision decision)
    {
        foreach (var e in decision.Entries)
        {
            if (e.RunId is not { } run || EndOf(e.Fact) is not { } end) continue;
            var view = decision.State.View;
            var row = new UsageRow(
                run, view.Id, e.TaskId ?? "", view.Agent, view.Model, end.Outcome, UsageTime.Text(e.At), end.Usage, view.Labels.IsEmpty ? null : view.Labels);
            yield return new StateRow("usage", GrainKeys.Of(tenant, run), JsonSerializer.SerializeToUtf8Bytes(row, GrainsJsonContext.Default.UsageRow));
        }
    }

    private static (string Outcome, Usage Usage)? EndOf(Fact fact) => fact switch
    {
        TaskEnded f => (f.Outcome.ToString().ToLowerInvariant(), TaskFold.UsageOf(f)),
        TaskRetried { Run: { } f } => ("failed", TaskFold.UsageOf(f)),
        TaskHeld { Run: { } f } => ("held", TaskFold.UsageOf(f)),
        TaskInterrupted f => ("interrupted", TaskFold.UsageOf(f.Usage, f.CostUsd)),
        _ => null,
    };
}

/// <summary>A row of type <c>usage</c>.</summary>
/// <param name="CreatedAt">End of the run.</param>
internal sealed record UsageRow(
    string Id, string SessionId, string TaskId, string Agent, string? Model, string Outcome, string CreatedAt, Usage Usage,
    ImmutableDictionary<string, string>? Labels);
