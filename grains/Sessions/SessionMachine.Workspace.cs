namespace Marionette.Sessions;

/// <content>What a runner says of its folders.</content>
internal static partial class SessionMachine
{
    /// <summary>Entries of a list that stand in an event; the runner may say more than people read.</summary>
    private const int MostNamed = 100;

    private static void Ready(Scribe scribe, WorkspaceReadyReport report, long source)
    {
        if (report.Source is not ("kept" or "restored" or "new")) return;
        scribe.Write(
            new WorkspaceReady(
                scribe.State.View.Epoch, report.Source, report.Workspace, report.Home, report.Files, report.Bytes, report.TookMs, Shortened(report.Differences)),
            source: source);
    }

    private static void Kept(Scribe scribe, string? runId, CheckpointReport report, long source)
    {
        if (report is not { Workspace: { } workspace, Home: { } home }) return;
        scribe.Write(
            new CheckpointCreated(
                scribe.State.View.Epoch, workspace, home, report.Reason ?? "run", report.ConversationId, report.Files, report.Bytes, report.BytesStored,
                report.TookMs, Shortened(report.Skipped)),
            runId: runId, source: source);
    }

    private static WorkspaceDifference[]? Shortened(WorkspaceDifference[]? list) => list is { Length: > MostNamed } ? list[..MostNamed] : list;
}
