namespace Marionette.Workspaces;

/// <summary>
/// The files of a session: the workspace folder and the agent's home. Key: <c>tenant/ws_…</c>. It says who may write: one session
/// at a time, and within it the newest epoch. Where the files lie is the provider's business.
/// </summary>
[Alias("mn.workspace.v1"), GrainInterfaceType("mn.workspace")]
public interface IWorkspaceGrain : IGrainWithStringKey
{
    /// <summary>Takes the workspace for a session's epoch, making it if it is new. Idempotent; a newer epoch of the same session takes over.</summary>
    /// <exception cref="MarionetteException">Conflict: another session has it; Fenced: a newer epoch has it.</exception>
    [Alias("acquire")] Task<WorkspaceView> AcquireAsync(string sessionId, long epoch, CancellationToken cancellationToken = default);

    /// <summary>Gives it free, if this session still has it.</summary>
    [Alias("free")] Task FreeAsync(string sessionId, CancellationToken cancellationToken = default);

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
}
