namespace Marionette.Workspaces;

/// <summary>
/// The files of a session: the workspace folder and the agent's home. Key: <c>tenant/ws_…</c>. It says who may write: one session
/// at a time, and within it the newest epoch. Where the files lie is the provider's business.
/// </summary>
[Alias("mn.workspace.v1"), GrainInterfaceType("mn.workspace")]
public interface IWorkspaceGrain : IGrainWithStringKey
{
    /// <summary>Takes the workspace for a session's epoch, making it if it is new. Idempotent; a newer epoch of the same session takes over.</summary>
    /// <param name="sessionId">The session.</param>
    /// <param name="epoch">Epoch of the runner that is to have it.</param>
    /// <param name="written">Epoch of the session's newest runner that wrote in the files, by its log; 0 = none is known.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="MarionetteException">Conflict: another session has it, or its files were given up; Fenced: a newer epoch has it.</exception>
    [Alias("acquire-use")] Task<WorkspaceView> AcquireAsync(string sessionId, long epoch, long written, CancellationToken cancellationToken = default);

    /// <summary>Gives it free, if this session still has it.</summary>
    /// <param name="sessionId">The session.</param>
    /// <param name="written">As for <see cref="AcquireAsync"/>.</param>
    /// <param name="cancellationToken">Gives up.</param>
    [Alias("free-use")] Task FreeAsync(string sessionId, long written, CancellationToken cancellationToken = default);

    /// <summary>
    /// From here on nobody gets it: its last session has ended, and where its files lie they are removed. Final, idempotent.
    /// </summary>
    /// <param name="lastSessionId">The session that has ended.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>False: another session has taken it since, and nothing was changed.</returns>
    [Alias("retire")] Task<bool> RetireAsync(string lastSessionId, CancellationToken cancellationToken = default);

    /// <summary>The workspace.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("view"), ReadOnly] ValueTask<WorkspaceView> GetAsync(CancellationToken cancellationToken = default);
}

/// <summary>One use of a workspace: each runner that it is given to has a number of its own.</summary>
/// <param name="Number">Higher for each later one, whatever session it is of; 0 = not known.</param>
/// <param name="Files">The use that left the newest files, by the sessions' logs; 0 = not known, as where no checkpoints are kept.</param>
[GenerateSerializer, Immutable, Alias("mn.workspace.use.v1")]
public sealed record WorkspaceUse([property: Id(0)] long Number, [property: Id(1)] long Files)
{
    /// <summary>Of which nothing is known.</summary>
    public static WorkspaceUse None { get; } = new(0, 0);
}

/// <summary>A workspace, and the JSON of its state row.</summary>
[GenerateSerializer, Immutable, Alias("mn.workspace.view.v1")]
public sealed record WorkspaceView
{
    /// <summary>"ws_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>Session that has it now.</summary>
    [Id(1)] public string? SessionId { get; init; }
    /// <summary>Epoch of that session, or of the last one.</summary>
    [Id(2)] public long Epoch { get; init; }
    /// <summary>When it was first used.</summary>
    [Id(3)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>When it last changed hands.</summary>
    [Id(4)] public DateTimeOffset UpdatedAt { get; init; }
    /// <summary>Session that has it, or had it last; null = it was given free before this was noted.</summary>
    [Id(5)] public string? LastSessionId { get; init; }
    /// <summary>Its newest use.</summary>
    [Id(6)] public WorkspaceUse Use { get => field ?? WorkspaceUse.None; init; } = WorkspaceUse.None;
    /// <summary>Since when nobody gets it any more; null = it can be had.</summary>
    [Id(7)] public DateTimeOffset? RetiredAt { get; init; }

    /// <summary>First use by the session that has it, or had it last: files of an earlier one are another session's.</summary>
    [Id(8)] public long SinceUse { get; init; }

    /// <summary>What whoever wants it is told once it is given up.</summary>
    public MarionetteException Retired() => new(
        FaultCode.Conflict,
        $"The files of workspace {Id} were removed from their host after session {LastSessionId} had ended. They are in its last checkpoint: "
        + "begin with \"from\" and that session_id in place of the workspace_id.");
}
