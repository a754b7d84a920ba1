using Marionette.Gateway.Json;
using Marionette.Gateway.Rest;
using Marionette.Gateway.Rest.Models;
using Marionette.Sessions;
using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// What a new session's workspace begins with: copies of records, so that neither session depends on the other and every chunk is there once.
/// </summary>
internal sealed class SessionOrigins(ChunkStores stores, SnapshotTable snapshots, StateReader rows)
{
    /// <summary>What a request names, before anything is made.</summary>
    /// <param name="Source">The session that is forked; null = a snapshot alone.</param>
    /// <param name="Home">Null: it begins without a conversation.</param>
    internal sealed record Found(SessionView? Source, string Workspace, string? Home, long Files, long Bytes, SessionOrigin Origin);

    /// <summary>Looks up what a request names.</summary>
    /// <exception cref="MarionetteException">Invalid, with the field; Conflict: this installation keeps no checkpoints.</exception>
    public async Task<Found> FindAsync(string tenant, SessionFromModel from, CancellationToken cancellationToken)
    {
        if (!stores.IsKept) throw NoStore();
        if (from.Git is not null) throw Wrong("from", "must have one of session_id, checkpoint_id, snapshot_id and git");
        return (from.SessionId, from.CheckpointId, from.SnapshotId) switch
        {
            ({ } session, null, null) => await OfSessionAsync(tenant, session, cancellationToken),
            (null, { } checkpoint, null) => await OfCheckpointAsync(tenant, checkpoint, cancellationToken),
            (null, null, { } snapshot) => await OfSnapshotAsync(tenant, snapshot, cancellationToken),
            _ => throw Wrong("from", "must have one of session_id, checkpoint_id, snapshot_id and git"),
        };
    }

    /// <summary>Makes the new session's own records.</summary>
    /// <param name="session">Id of the new session.</param>
    /// <param name="withHome">Whether the new agent can go on in the old one's home.</param>
    /// <exception cref="WorkspaceException">A snapshot is gone, or cannot be opened.</exception>
    public async Task<SessionOrigin> MakeAsync(string tenant, Found found, string session, bool withHome, CancellationToken cancellationToken)
    {
        var own = stores.SnapshotsOf(tenant);
        var workspace = await own.CopyAsync(found.Workspace, found.Origin.SessionId, SnapshotRow.LabelOf(session, SnapshotRow.Workspace), cancellationToken);
        if (found.Home is not { } home || !withHome) return found.Origin with { Workspace = workspace.Id, Home = null, ConversationId = null, Files = workspace.Files, Bytes = workspace.Bytes };
        var copy = await own.CopyAsync(home, found.Origin.SessionId, SnapshotRow.LabelOf(session, SnapshotRow.Home), cancellationToken);
        return found.Origin with { Workspace = workspace.Id, Home = copy.Id };
    }

    /// <summary>Holds a checkpoint's snapshots against rules of retention for a while.</summary>
    /// <exception cref="MarionetteException">NotFound: one is gone. Conflict: no store.</exception>
    public async Task MustBeThereAsync(string tenant, CheckpointView point, CancellationToken cancellationToken)
    {
        if (!stores.IsKept) throw NoStore();
        foreach (var id in new[] { point.Workspace, point.Home })
            if ((await snapshots.UseAsync(tenant, id, cancellationToken))?.SessionId != point.SessionId)
                throw new MarionetteException(FaultCode.NotFound, $"Snapshot {id} of the checkpoint is gone.");
    }

    internal static MarionetteException NoStore() => new(FaultCode.Conflict, "This installation keeps no chunk store: start its gateways with --chunk-store.");

    private async Task<Found> OfSessionAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        var source = EntityId.Is(EntityId.Session, id) ? await rows.FindAsync("session", tenant, id, StateJsonContext.Default.SessionView, cancellationToken) : null;
        if (source is null) throw Wrong("from.session_id", "there is no such session");
        if (source.RecoveryPoint is not { } point) throw Wrong("from.session_id", "the session has no checkpoint yet");
        if (await snapshots.UseAsync(tenant, point.Workspace, cancellationToken) is null) throw Wrong("from.session_id", "the session's files are gone: rules of retention have taken them away after its end");
        return new Found(source, point.Workspace, point.Home.Length > 0 ? point.Home : null, point.Files, point.Bytes,
            new SessionOrigin(point.Workspace, point.Home, point.Files, point.Bytes) { SessionId = id, Seq = point.Seq, ConversationId = point.ConversationId });
    }

    private async Task<Found> OfCheckpointAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        var point = EntityId.Is(EntityId.Checkpoint, id) ? await rows.FindAsync("checkpoint", tenant, id, StateJsonContext.Default.CheckpointView, cancellationToken) : null;
        if (point is null) throw Wrong("from.checkpoint_id", "there is no such checkpoint; rules of retention may have taken it away");
        var source = await rows.FindAsync("session", tenant, point.SessionId, StateJsonContext.Default.SessionView, cancellationToken);
        return new Found(source, point.Workspace, point.Home, point.Files, point.Bytes,
            new SessionOrigin(point.Workspace, point.Home, point.Files, point.Bytes)
            {
                SessionId = point.SessionId, Seq = point.Seq, CheckpointId = id, ConversationId = point.ConversationId,
            });
    }

    private async Task<Found> OfSnapshotAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        var row = SnapshotCatalog.IsId(id) ? await snapshots.UseAsync(tenant, id, cancellationToken) : null;
        if (row is null) throw Wrong("from.snapshot_id", "there is no such snapshot");
        if (row.Part == SnapshotRow.Home) throw Wrong("from.snapshot_id", "is an agent's home, and no workspace; from.checkpoint_id takes both");
        return new Found(null, id, null, row.Files, row.Bytes, new SessionOrigin(id, null, row.Files, row.Bytes) { SnapshotId = id });
    }

    private static MarionetteException Wrong(string field, string message) => new([new FieldError(field, message)]);
}
