using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using Marionette.Json;
using Marionette.Log;
using Marionette.Permissions;
using Marionette.Runners;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>State to rows and back. Rows are written with the events that change them, so a list never shows another truth than the log.</summary>
internal static class SessionRows
{
    private static readonly GrainsJsonContext Json = GrainsJsonContext.Default;

    public static List<StateRow> Of(string tenant, Decision decision)
    {
        var rows = new List<StateRow> { Session(tenant, decision.State) };
        foreach (var (id, task) in decision.Tasks)
            rows.Add(new StateRow("task", GrainKeys.Of(tenant, id), JsonSerializer.SerializeToUtf8Bytes(task, Json.TaskView)));
        foreach (var (id, permission) in decision.Permissions)
            rows.Add(new StateRow("permission", GrainKeys.Of(tenant, id), JsonSerializer.SerializeToUtf8Bytes(permission, Json.PermissionView)));
        foreach (var e in decision.Entries)
            if (e.Fact is CheckpointCreated made) rows.Add(Checkpoint(tenant, decision.State.View.Id, e, made));
        return rows;
    }

    /// <summary>A row of its own for each: lists and rules of retention read them, and a session goes back to one by it.</summary>
    private static StateRow Checkpoint(string tenant, string session, Entry e, CheckpointCreated made)
    {
        var view = new CheckpointView
        {
            Id = EntityId.Derived(EntityId.Checkpoint, e.At, $"{session}:{e.Seq}"), SessionId = session, CreatedAt = e.At, Seq = e.Seq, Epoch = made.Epoch, Reason = made.Reason,
            Workspace = made.Workspace, Home = made.Home, ConversationId = made.ConversationId, RunId = e.RunId, Files = made.Files, Bytes = made.Bytes,
            BytesStored = made.BytesStored,
        };
        return new StateRow("checkpoint", GrainKeys.Of(tenant, view.Id), JsonSerializer.SerializeToUtf8Bytes(view, Json.CheckpointView));
    }

    /// <summary>The view's members, and beside them what only the grain reads.</summary>
    public static StateRow Session(string tenant, SessionState state)
    {
        var row = JsonSerializer.SerializeToNode(state.View, Json.SessionView)!.AsObject();
        row["checkpoint"] = JsonSerializer.SerializeToNode(CheckpointOf(state), Json.SessionCheckpoint);
        return new StateRow("session", GrainKeys.Of(tenant, state.View.Id), JsonSerializer.SerializeToUtf8Bytes(row, NodeJsonContext.Default.JsonObject));
    }

    public static StateRow Secret(string tenant, string session, SealedSecrets secrets) =>
        new("session_secret", GrainKeys.Of(tenant, session), JsonSerializer.SerializeToUtf8Bytes(secrets, Json.SealedSecrets));

    /// <summary>Contents of the files that came with a task, or with the message that <paramref name="id"/> is named after.</summary>
    public static StateRow Files(string tenant, string id, ImmutableArray<TaskFile> files) => new(
        "task_files", GrainKeys.Of(tenant, id), JsonSerializer.SerializeToUtf8Bytes(
            new TaskFiles([.. files.Select(f => new TaskFileContent(f.Name, f.MediaType, f.Content))]), Json.TaskFiles));

    public static ImmutableArray<TaskFile> Files(byte[] row) =>
        [.. JsonSerializer.Deserialize(row, Json.TaskFiles)!.Files.Select(f => new TaskFile(f.Name, f.MediaType, f.Content))];

    /// <summary>The state at the checkpoint; the log's newer events are folded onto it by the caller.</summary>
    public static async Task<SessionState> LoadAsync(ISessionLog log, string tenant, byte[] row, CancellationToken cancellationToken)
    {
        var view = JsonSerializer.Deserialize(row, Json.SessionView)!;
        using var document = JsonDocument.Parse(row);
        var mark = document.RootElement.GetProperty("checkpoint").Deserialize(Json.SessionCheckpoint)!;

        var tasks = await log.ReadRowsAsync("task", [.. mark.Tasks.Select(t => GrainKeys.Of(tenant, t.Id))], cancellationToken);
        var permissions = await log.ReadRowsAsync("permission", [.. mark.Permissions.Select(p => GrainKeys.Of(tenant, p.Id))], cancellationToken);
        return new SessionState
        {
            View = view,
            PermissionTimeoutSeconds = mark.PermissionTimeoutSeconds,
            IncludeRaw = mark.IncludeRaw,
            Acked = mark.Acked,
            Stop = mark.Stop,
            StopSeq = mark.StopSeq,
            StopRequestedAt = mark.StopRequestedAt,
            ResumeWhenSuspended = mark.ResumeWhenSuspended,
            LossesInARow = mark.LossesInARow,
            WorkspaceEpoch = mark.WorkspaceEpoch,
            Move = mark.Move,
            Expiry = mark.Expiry,
            Pause = mark.Pause,
            AwakeSeq = mark.AwakeSeq,
            // Of a row that does not say it, no checkpoint that it has is taken to be behind its runs.
            RunSeq = mark.RunSeq ?? view.LastSeq,
            Messages = [.. mark.Messages ?? []],
            RecentMessages = [.. mark.RecentMessages ?? []],
            Change = mark.Change,
            Warned = [.. mark.Warned ?? []],
            Tasks = [.. mark.Tasks.Select(t => new LiveTask
            {
                View = Task(tasks[GrainKeys.Of(tenant, t.Id)]) with { Progress = t.Progress }, RunId = t.RunId, DispatchSeq = t.DispatchSeq, Started = t.Started, CancelSeq = t.CancelSeq,
                CancelOutcome = t.CancelOutcome, CancelRequestedAt = t.CancelRequestedAt, Interruptions = t.Interruptions,
                Hold = t.Hold, ModelHolds = t.ModelHolds, Live = t.Live ?? UsageData.None, Warned = [.. t.Warned ?? []],
            })],
            Permissions = [.. mark.Permissions.Select(p => new LivePermission
            {
                View = Permission(permissions[GrainKeys.Of(tenant, p.Id)]), DecisionSeq = p.DecisionSeq,
            })],
        };
    }

    /// <summary>The part of the state that tells whether its files are stored.</summary>
    /// <param name="row">The row, or the <see cref="FilesRow"/> of it alone.</param>
    /// <exception cref="JsonException">It is no session's.</exception>
    public static SessionState FilesOf(byte[] row)
    {
        if (JsonSerializer.Deserialize(row, Json.FilesRow) is not { Checkpoint: { } mark } files) throw new JsonException("The row is no session's.");
        return SessionState.Empty with
        {
            View = SessionState.Empty.View with
            {
                Status = files.Status, Epoch = files.Epoch, LastSeq = files.LastSeq, UpdatedAt = files.UpdatedAt, RecoveryPoint = files.RecoveryPoint,
            },
            WorkspaceEpoch = mark.WorkspaceEpoch, AwakeSeq = mark.AwakeSeq, RunSeq = mark.RunSeq ?? files.LastSeq,
        };
    }

    public static TaskView Task(byte[] row) => JsonSerializer.Deserialize(row, Json.TaskView)!;

    public static PermissionView Permission(byte[] row) => JsonSerializer.Deserialize(row, Json.PermissionView)!;

    public static CheckpointView Checkpoint(byte[] row) => JsonSerializer.Deserialize(row, Json.CheckpointView)!;

    public static SealedSecrets Secrets(byte[] row) => JsonSerializer.Deserialize(row, Json.SealedSecrets)!;

    private static SessionCheckpoint CheckpointOf(SessionState state) => new(
        state.PermissionTimeoutSeconds, state.IncludeRaw, state.Acked,
        [.. state.Tasks.Select(t => new LiveTaskMark(
            t.View.Id, t.RunId, t.DispatchSeq, t.Started, t.CancelSeq, t.CancelOutcome, t.CancelRequestedAt, t.Interruptions,
            t.Hold, t.ModelHolds, t.Live == UsageData.None ? null : t.Live, OrNull(t.Warned), t.View.Progress))],
        [.. state.Permissions.Select(p => new LivePermissionMark(p.View.Id, p.DecisionSeq))],
        state.Stop, state.StopSeq, state.StopRequestedAt, state.ResumeWhenSuspended, state.LossesInARow,
        OrNull(state.Messages), OrNull(state.RecentMessages), state.Change, OrNull(state.Warned), state.WorkspaceEpoch, state.Move, state.Expiry)
    {
        Pause = state.Pause, AwakeSeq = state.AwakeSeq, RunSeq = state.RunSeq,
    };

    private static T[]? OrNull<T>(ImmutableArray<T> array) => array.IsEmpty ? null : [.. array];
}

/// <summary>A row of type <c>task_files</c>.</summary>
internal sealed record TaskFiles(TaskFileContent[] Files);

internal sealed record TaskFileContent(string Name, string MediaType, byte[] Content);

[System.Text.Json.Serialization.JsonSerializable(typeof(JsonObject))]
internal sealed partial class NodeJsonContext : System.Text.Json.Serialization.JsonSerializerContext;
