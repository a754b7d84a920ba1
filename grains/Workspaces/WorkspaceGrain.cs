namespace Marionette.Workspaces;

/// <summary>Says which session's which epoch may write a workspace.</summary>
[GrainType("workspace")]
internal sealed class WorkspaceGrain(
    [PersistentState("workspace", StorageNames.State)] IPersistentState<WorkspaceView> row, TimeProvider clock) : Grain, IWorkspaceGrain
{
    public async Task<WorkspaceView> AcquireAsync(string sessionId, long epoch, CancellationToken cancellationToken)
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
        await WriteAsync((view ?? new WorkspaceView { Id = id, CreatedAt = now }) with
        {
            SessionId = sessionId, LastSessionId = sessionId, Epoch = epoch, UpdatedAt = now,
        });
        return row.State;
    }

    public async Task FreeAsync(string sessionId, CancellationToken cancellationToken)
    {
        if (!row.RecordExists || row.State.SessionId != sessionId) return;
        await WriteAsync(row.State with { SessionId = null, LastSessionId = sessionId, UpdatedAt = clock.GetUtcNow() });
    }

    public async Task<bool> RetireAsync(string lastSessionId, CancellationToken cancellationToken)
    {
        if (!row.RecordExists || row.State.LastSessionId != lastSessionId) return false;
        if (row.State.RetiredAt is null) await WriteAsync(row.State with { SessionId = null, RetiredAt = clock.GetUtcNow() });
        return true;
    }

    public ValueTask<WorkspaceView> GetAsync(CancellationToken cancellationToken) =>
        ValueTask.FromResult(row.RecordExists ? row.State : throw new MarionetteException(FaultCode.NotFound, "No such workspace."));

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
