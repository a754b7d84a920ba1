namespace Marionette.Sessions;

/// <summary>
/// A checkpoint of a session, and the JSON of its row: written with its event, never changed. Rules of retention take it away; the event stays in the log.
/// </summary>
[GenerateSerializer, Immutable, Alias("mn.session.checkpoint.v1")]
public sealed record CheckpointView
{
    /// <summary>"ckpt_…", derived from the session and the event.</summary>
    [Id(0)] public required string Id { get; init; }
    /// <summary>Session that it is of.</summary>
    [Id(1)] public required string SessionId { get; init; }
    /// <summary>When it was made.</summary>
    [Id(2)] public DateTimeOffset CreatedAt { get; init; }
    /// <summary>Its event in the session's log: runs that ended before it are in it.</summary>
    [Id(3)] public long Seq { get; init; }
    /// <summary>Epoch of the runner that made it.</summary>
    [Id(4)] public long Epoch { get; init; }
    /// <summary>"run", "interval", "stop", "pause".</summary>
    [Id(5)] public required string Reason { get; init; }
    /// <summary>Snapshot of the workspace, "snap_…".</summary>
    [Id(6)] public required string Workspace { get; init; }
    /// <summary>Snapshot of the agent's home, with its conversations.</summary>
    [Id(7)] public required string Home { get; init; }
    /// <summary>The agent's conversation at that point, or null.</summary>
    [Id(8)] public string? ConversationId { get; init; }
    /// <summary>Newest run at that point, or null.</summary>
    [Id(9)] public string? RunId { get; init; }
    /// <summary>In both.</summary>
    [Id(10)] public long Files { get; init; }
    /// <summary>Sum of the files' sizes.</summary>
    [Id(11)] public long Bytes { get; init; }
    /// <summary>Bytes that it added to the store.</summary>
    [Id(12)] public long BytesStored { get; init; }
}

/// <summary>What a session begins with in place of nothing: another session's checkpoint, a snapshot that somebody uploaded, or a repository.</summary>
/// <param name="Workspace">Snapshot of the workspace; its record is the new session's own. "" = none: it is cloned.</param>
/// <param name="Home">Snapshot of the agent's home, or null: the home is empty, and so is the conversation.</param>
/// <param name="Files">In both.</param>
/// <param name="Bytes">Sum of the files' sizes.</param>
[GenerateSerializer, Immutable, Alias("mn.session.origin.v1")]
public sealed record SessionOrigin(
    [property: Id(0)] string Workspace,
    [property: Id(1)] string? Home,
    [property: Id(2)] long Files,
    [property: Id(3)] long Bytes)
{
    /// <summary>Session that it was forked from, or null.</summary>
    [Id(4)] public string? SessionId { get; init; }
    /// <summary>Where in that session's log; what stands before it is this session's past too.</summary>
    [Id(5)] public long Seq { get; init; }
    /// <summary>Checkpoint of that session, or null.</summary>
    [Id(6)] public string? CheckpointId { get; init; }
    /// <summary>Snapshot that it was made from, as its owner knows it.</summary>
    [Id(7)] public string? SnapshotId { get; init; }
    /// <summary>The agent's conversation at that point, or null.</summary>
    [Id(8)] public string? ConversationId { get; init; }
    /// <summary>Repository that its first runner clones, or null.</summary>
    [Id(9)] public GitOrigin? Git { get; init; }
}

/// <summary>A repository to clone. The credential's secret is sealed with the session's.</summary>
/// <param name="Url">https, ssh or http; without a credential in it.</param>
/// <param name="Ref">A branch, a tag or a full commit; null = the server's HEAD.</param>
/// <param name="Depth">Commits of history; 0 = all.</param>
/// <param name="Filter">A partial clone; null = blob:none with all of the history, none with a part of it.</param>
/// <param name="Submodules">Clone them too.</param>
/// <param name="User">User of the credential; null = none.</param>
[GenerateSerializer, Immutable, Alias("mn.session.git-origin.v1")]
public sealed record GitOrigin(
    [property: Id(0)] string Url,
    [property: Id(1)] string? Ref,
    [property: Id(2)] int Depth,
    [property: Id(3)] string? Filter,
    [property: Id(4)] bool Submodules,
    [property: Id(5)] string? User);

/// <summary>Takes a session without a runner back to one of its checkpoints: files, home and conversation.</summary>
/// <param name="CheckpointId">"ckpt_…" of this session.</param>
/// <param name="By">Who asks.</param>
/// <param name="Discard">What no checkpoint has may be lost.</param>
[GenerateSerializer, Immutable, Alias("mn.session.restore.v1")]
public sealed record RestoreSession([property: Id(0)] string CheckpointId, [property: Id(1)] string By, [property: Id(2)] bool Discard = false);
