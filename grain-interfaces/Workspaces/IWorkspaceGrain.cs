namespace Marionette.Workspaces;

/// <summary>
/// The files of a session: the workspace folder and the agent's home. Key: <c>tenant/ws_…</c>. It says who may write: one session
/// at a time, and within it the newest epoch. Where the files lie is the provider's business.
/// </summary>
[Alias("mn.workspace.v1"), GrainInterfaceType("mn.workspace")]
public interface IWorkspaceGrain : IGrainWithStringKey
{
    /// <summary>Takes the workspace for a session's epoch, making it if it is new. Idempotent; a newer epoch of the same session takes over.</summary>
    /// <exception cref="MarionetteException">Conflict: another session has it, or its files were given up; Fenced: a newer epoch has it.</exception>
    [Alias("acquire")] Task<WorkspaceView> AcquireAsync(string sessionId, long epoch, CancellationToken cancellationToken = default);

    /// <summary>Gives it free, if this session still has it.</summary>
    [Alias("free")] Task FreeAsync(string sessionId, CancellationToken cancellationToken = default);

    /// <summary>From here on nobody gets it: its last session has ended, and where its files lie they are removed. Final, idempotent.</summary>
    /// <param name="lastSessionId">The session that has ended.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>False: another session has taken it since, and nothing was changed.</returns>
    [Alias("retire")] Task<bool> RetireAsync(string lastSessionId, CancellationToken cancellationToken = default);

    /// <summary>The workspace.</summary>
    /// <exception cref="MarionetteException">NotFound.</exception>
    [Alias("view"), ReadOnly] ValueTask<WorkspaceView> GetAsync(CancellationToken cancellationToken = default);
}

/// <summary>A workspace, and the JSON of its state row.</summary>
[GenerateSerializer, Immutable, Alias("mn.workspace.view.v1")]
public sealed record WorkspaceView
{
    /// <summary>"ws_…".</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>Session that has it now.</summary>
    [Id(1)] public string? SessionId { get; init; }
    /// <summary>Epoch of that session.</summary>
    [Id(2)] public long Epoch { get; init; }
    /// <summary>When it was first used.</summary>
    [Id(3)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>When it last changed hands.</summary>
    [Id(4)] public DateTimeOffset UpdatedAt { get; init; }
    /// <summary>Session that has it, or had it last; null = it was given free before this was noted.</summary>
    [Id(5)] public string? LastSessionId { get; init; }
    /// <summary>Since when nobody gets it any more; null = it can be had.</summary>
    [Id(6)] public DateTimeOffset? RetiredAt { get; init; }

    /// <summary>What whoever wants it is told once it is given up.</summary>
    public MarionetteException Retired() => new(
        FaultCode.Conflict,
        $"The files of workspace {Id} were removed from their host after session {LastSessionId} had ended. They are in its last checkpoint: "
        + "begin with \"from\" and that session_id in place of the workspace_id.");
}
