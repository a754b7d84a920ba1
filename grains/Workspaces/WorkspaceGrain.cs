namespace Marionette.Workspaces;

/// <summary>Says which session's which epoch may write a workspace.</summary>
[GrainType("workspace")]
internal sealed class WorkspaceGrain(
    [PersistentState("workspace", StorageNames.State)] IPersistentState<WorkspaceView> row, TimeProvider clock) : Grain, IWorkspaceGrain
{
    public async Task<WorkspaceView> AcquireAsync(string sessionId, long epoch, long written, CancellationToken cancellationToken)
    {
        var view = row.RecordExists ? row.State : null;
        if (view is { RetiredAt: not null }) throw view.Retired();
        if (view?.SessionId is { } owner && owner != sessionId)
            throw new MarionetteException(FaultCode.Conflict, $"Workspace {view.Id} is in use by session {owner}.");
        if (view?.SessionId == sessionId && view.Epoch > epoch)
            throw new MarionetteException(FaultCode.Fenced, $"Epoch {view.Epoch} of the session has the workspace.");
        if (view?.SessionId == sessionId && view.Epoch == epoch) return view;

        var now = clock.GetUtcNow();
        var (_, id) = GrainKeys.Split(this.GetPrimaryKeyString());
        view ??= new WorkspaceView { Id = id, CreatedAt = now };
        var number = view.Use.Number + 1;
        // A session that was taken back to a checkpoint begins with that: no files that lie anywhere are the newest.
        var files = written == epoch ? number : NewestFiles(view, sessionId, written);
        await WriteAsync(view with
        {
            SessionId = sessionId, LastSessionId = sessionId, Epoch = epoch, Use = new WorkspaceUse(number, files), UpdatedAt = now,
            SinceUse = view.LastSessionId == sessionId ? view.SinceUse : number,
        });
        return row.State;
    }

    public async Task FreeAsync(string sessionId, long written, CancellationToken cancellationToken)
    {
        if (!row.RecordExists || row.State.SessionId != sessionId) return;
        var view = row.State;
        await WriteAsync(view with
        {
            SessionId = null, LastSessionId = sessionId, Use = view.Use with { Files = NewestFiles(view, sessionId, written) }, UpdatedAt = clock.GetUtcNow(),
        });
    }

    public async Task<bool> RetireAsync(string lastSessionId, CancellationToken cancellationToken)
    {
        if (!row.RecordExists || row.State.LastSessionId != lastSessionId) return false;
        if (row.State.RetiredAt is null) await WriteAsync(row.State with { SessionId = null, RetiredAt = clock.GetUtcNow() });
        return true;
    }

    public ValueTask<WorkspaceView> GetAsync(CancellationToken cancellationToken) =>
        ValueTask.FromResult(row.RecordExists ? row.State : throw new MarionetteException(FaultCode.NotFound, "No such workspace."));

    /// <summary>The last use wrote in the files, or they are still those of an earlier one.</summary>
    private static long NewestFiles(WorkspaceView view, string sessionId, long written) =>
        view.LastSessionId == sessionId && view.Epoch == written ? view.Use.Number : view.Use.Files;

    private async Task WriteAsync(WorkspaceView view)
    {
        var before = row.State;
        row.State = view;
        try
        {
            await row.WriteStateAsync();
        }
        catch
        {
            row.State = before;
            DeactivateOnIdle();
            throw;
        }
    }
}
