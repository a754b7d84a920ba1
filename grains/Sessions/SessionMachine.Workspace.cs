namespace Marionette.Sessions;

/// <content>What a runner says of its folders.</content>
internal static partial class SessionMachine
{
    /// <summary>Entries of a list that stand in an event; the runner may say more than people read.</summary>
    private const int MostNamed = 100;

    private static void Ready(Scribe scribe, WorkspaceReadyReport report, long source)
    {
        if (report.Source is not ("kept" or "restored" or "new" or "lost")) return;
        scribe.Write(
            new WorkspaceReady(
                scribe.State.View.Epoch, report.Source, report.Workspace, report.Home, report.Files, report.Bytes, report.TookMs,
                Shortened(report.Differences)),
            source: source);
    }

    private static void Kept(Scribe scribe, string? runId, CheckpointReport report, long source)
    {
        if (report is not { Workspace: { } workspace, Home: { } home }) return;
        scribe.Write(
            new CheckpointCreated(
                scribe.State.View.Epoch, workspace, home, report.Reason ?? "run", report.ConversationId, report.Files, report.Bytes, report.BytesStored,
                report.TookMs, Shortened(report.Skipped)) { Quiet = report.Quiet, Complete = report.Complete },
            runId: runId, source: source);
    }

    /// <summary>
    /// Goes on at another provider, with the files and the conversation of a checkpoint that has everything. Without one it stays: what lies at the old
    /// provider alone would be left behind.
    /// </summary>
    private static void Move(Scribe scribe, string provider, string by)
    {
        var state = scribe.State;
        var from = state.View.Provider ?? scribe.Context.Provider;
        if (provider == (state.Move?.To ?? from)) return;
        if (state.Stop == StopIntent.Suspend) throw Conflict("The session is being suspended; ask again once it is suspended.");
        if (state.View.RunnerId is not null && !IsPaused(state))
        {
            if (state.View.Status != SessionStatus.Active) throw Conflict("The session's runner is on its way; ask again once it is there.");
            if (state.WorkspaceEpoch == 0) throw Conflict("This installation keeps no checkpoints: the session's files would be left behind.");
            scribe.Write(new SessionSuspending($"It moves to {provider}.") { MoveTo = provider, By = by });
            return;
        }

        if (state.View.Epoch > 0 && !IsWhole(state))
            throw Conflict("The session's last runner left no checkpoint behind: its files are where it was. Resume it there, and move it then.");
        LetGo(scribe, $"The session moves to {provider}.");
        scribe.Write(new SessionMoved(by, from, provider, null));
    }

    /// <summary>
    /// Goes back to a checkpoint. Only without a runner: nothing may write in the folders that go. And only when a checkpoint has what goes, or whoever asks says that
    /// it may be lost: what the last runner wrote behind its last checkpoint lies in its folders alone, and the next runner empties them.
    /// </summary>
    public static Decision Restore(SessionState state, CheckpointView point, string by, bool discard, DecisionContext context)
    {
        MustBeOpen(state);
        if (state.View.RecoveryPoint is { Reason: "restore" } now && now.Seq == point.Seq && now.Epoch == state.View.Epoch + 1) return new(state);
        if (state.View.RunnerId is not null && !IsPaused(state)) throw Conflict("The session has a runner: suspend it first, and ask again once it is suspended.");
        if (!discard && state.View.Epoch > 0 && !IsWhole(state))
            throw Conflict("The session's last runner left no checkpoint of its end: what it wrote last would be lost. Resume and suspend the session, or ask again with discard.");
        var scribe = new Scribe(state, context);
        LetGo(scribe, "The session goes back to a checkpoint.");
        scribe.Write(new SessionRestored(by, point.Id, point.Seq, point.Workspace, point.Home, point.ConversationId, point.Files, point.Bytes));
        return scribe.Decide();
    }

    private static void SettleMove(Scribe scribe)
    {
        if (scribe.State is not { Move: { } move, View: { Status: SessionStatus.Suspended, RunnerId: null } view }) return;
        var whole = IsWhole(scribe.State) && view.RecoveryPoint!.Seq > move.Seq;
        var stays = whole ? null : "Its runner stored no checkpoint before it went.";
        scribe.Write(new SessionMoved(move.By, view.Provider ?? scribe.Context.Provider, move.To, stays));
    }

    /// <summary>The last runner that wrote in the workspace stored it when nothing of its agent ran any more or it was about to be paused, or the session was taken back to what is stored.</summary>
    private static bool IsWhole(SessionState state) => state.View.RecoveryPoint switch
    {
        { Reason: "stop" } point => point.Epoch == state.WorkspaceEpoch,
        // Until that runner went on.
        { Reason: "pause" } point => point.Epoch == state.WorkspaceEpoch && point.Seq > state.AwakeSeq,
        // Until a runner has begun with it.
        { Reason: "restore" } point => point.Epoch == state.View.Epoch + 1,
        _ => false,
    };

    /// <summary>
    /// Of a session that has ended: a complete checkpoint of the last runner that opened its files has what that left, or at least all that runs wrote. What
    /// a process or a person wrote behind that was given up with the session. Where nothing says so the files are taken to be nowhere else.
    /// </summary>
    public static bool IsStored(SessionState state) => state.View.RecoveryPoint is { IsComplete: true } point
        && (IsWhole(state) || (point is { IsQuiet: true } && point.Epoch == state.WorkspaceEpoch && point.Seq > state.RunSeq));

    private static MarionetteException Conflict(string message) => new(FaultCode.Conflict, message);

    private static WorkspaceDifference[]? Shortened(WorkspaceDifference[]? list) => list is { Length: > MostNamed } ? list[..MostNamed] : list;
}
