using System.ComponentModel.DataAnnotations;
using Marionette.Gateway.Workspaces;
using Marionette.Sessions;
using Marionette.Workspaces;

namespace Marionette.Gateway.Rest.Models;

/// <summary>A checkpoint of a session: its workspace and the agent's home at one point of its log.</summary>
internal sealed class CheckpointModel
{
    /// <summary>"ckpt_…".</summary>
    public required string Id { get; init; }
    public required string SessionId { get; init; }
    public required DateTime CreatedAt { get; init; }
    /// <summary>Its event in the session's log: runs that ended before it are in it.</summary>
    public required long Seq { get; init; }
    [OneOf("run", "interval", "stop", "pause")]
    public required string Reason { get; init; }
    /// <summary>Newest run at that point.</summary>
    public string? RunId { get; init; }
    /// <summary>Snapshot of the workspace.</summary>
    public required string Workspace { get; init; }
    /// <summary>Snapshot of the agent's home, with its conversations.</summary>
    public required string Home { get; init; }
    public required long Files { get; init; }
    public required long Bytes { get; init; }
    /// <summary>Bytes that it added to the store.</summary>
    public required long BytesStored { get; init; }

    public static CheckpointModel Of(CheckpointView view) => new()
    {
        Id = view.Id, SessionId = view.SessionId, CreatedAt = view.CreatedAt.UtcDateTime, Seq = view.Seq, Reason = view.Reason, RunId = view.RunId,
        Workspace = view.Workspace, Home = view.Home, Files = view.Files, Bytes = view.Bytes, BytesStored = view.BytesStored,
    };
}

/// <summary>A stored tree of files, which never changes.</summary>
internal sealed class SnapshotModel
{
    /// <summary>"snap_…".</summary>
    public required string Id { get; init; }
    /// <summary>Session that it is of; absent = uploaded.</summary>
    public string? SessionId { get; init; }
    [OneOf("workspace", "home", "upload")]
    public required string Part { get; init; }
    /// <summary>The snapshot before, or the one that it is a copy of.</summary>
    public string? Parent { get; init; }
    public string? Name { get; init; }
    /// <summary>No rule of retention takes it away.</summary>
    public required bool IsKept { get; init; }
    public required DateTime CreatedAt { get; init; }
    public required long Files { get; init; }
    public required long Directories { get; init; }
    public required long Links { get; init; }
    /// <summary>Sum of the files' sizes.</summary>
    public required long Bytes { get; init; }

    public static SnapshotModel Of(SnapshotRow row) => new()
    {
        Id = row.Id, SessionId = row.SessionId, Part = row.Part, Parent = row.Parent, Name = row.Name, IsKept = row.IsKept, CreatedAt = row.CreatedAt.UtcDateTime,
        Files = row.Files, Directories = row.Directories, Links = row.Links, Bytes = row.Bytes,
    };
}

/// <summary>Body of PATCH /api/v1/snapshots/{id}. What is left out stays as it is.</summary>
internal sealed class ChangeSnapshotModel
{
    /// <summary>For people; empty = none.</summary>
    public string? Name { get; init; }
    /// <summary>No rule of retention takes it away.</summary>
    public bool? IsKept { get; init; }
}

/// <summary>A file, folder or link of a snapshot.</summary>
internal sealed class SnapshotFileModel
{
    /// <summary>From the snapshot's root, with slashes; what is no UTF-8 shows as U+FFFD and cannot be asked for.</summary>
    public required string Path { get; init; }
    [OneOf("file", "directory", "link")]
    public required string Type { get; init; }
    /// <summary>Permission bits in octal: "0644".</summary>
    public required string Mode { get; init; }
    /// <summary>Bytes of a file.</summary>
    public long? Size { get; init; }
    public required DateTime ModifiedAt { get; init; }
    /// <summary>Where a link points.</summary>
    public string? Target { get; init; }

    public static SnapshotFileModel Of(string path, TreeEntry entry) => new()
    {
        Path = path,
        Type = entry.Type switch { EntryType.Directory => "directory", EntryType.Link => "link", _ => "file" },
        Mode = Convert.ToString(entry.Mode, 8).PadLeft(4, '0'),
        Size = entry.Type == EntryType.File ? entry.Size : null,
        ModifiedAt = DateTime.UnixEpoch.AddTicks(entry.Modified / TimeSpan.NanosecondsPerTick),
        Target = entry.Target is { } target ? System.Text.Encoding.UTF8.GetString(target) : null,
    };
}

/// <summary>Entries of a folder.</summary>
/// <param name="Items">In the order of their names' bytes.</param>
/// <param name="HasMore">There are others behind them.</param>
/// <param name="NextCursor">Pass it as <c>cursor</c>.</param>
internal sealed record FileListModel(IReadOnlyList<SnapshotFileModel> Items, bool HasMore, string? NextCursor);

/// <summary>A difference between two snapshots.</summary>
internal sealed class ChangeModel
{
    public required string Path { get; init; }
    [OneOf("added", "removed", "changed", "type_changed", "mode_changed")]
    public required string Change { get; init; }
    public SnapshotFileModel? Before { get; init; }
    public SnapshotFileModel? After { get; init; }

    public static ChangeModel Of(SnapshotChange change) => new()
    {
        Path = change.Path,
        Change = change.Kind switch
        {
            ChangeKind.Added => "added", ChangeKind.Removed => "removed", ChangeKind.TypeChanged => "type_changed", ChangeKind.ModeChanged => "mode_changed", _ => "changed",
        },
        Before = change.Before is { } before ? SnapshotFileModel.Of(change.Path, before) : null,
        After = change.After is { } after ? SnapshotFileModel.Of(change.Path, after) : null,
    };
}

/// <summary>Differences between two snapshots, in the order of paths. Times alone are none.</summary>
/// <param name="HasMore">There are others; raise <c>limit</c> or name a <c>path</c>.</param>
internal sealed record ChangeListModel(IReadOnlyList<ChangeModel> Items, bool HasMore);

/// <summary>Body of POST /api/v1/sessions/{id}/restore.</summary>
internal sealed class RestoreSessionModel
{
    /// <summary>"ckpt_…" of the session.</summary>
    [Required]
    public string? CheckpointId { get; init; }
    /// <summary>What the last runner wrote behind its last checkpoint may be lost; left out = the request is refused then.</summary>
    public bool? Discard { get; init; }
}

/// <summary>What a new session's workspace begins with. One of the four.</summary>
internal sealed class SessionFromModel
{
    /// <summary>A session: its newest checkpoint, files and conversation.</summary>
    public string? SessionId { get; init; }
    /// <summary>A checkpoint of any session: files and conversation.</summary>
    public string? CheckpointId { get; init; }
    /// <summary>A snapshot: files alone.</summary>
    public string? SnapshotId { get; init; }
    /// <summary>A repository, which the session's first runner clones.</summary>
    public GitModel? Git { get; init; }
}

/// <summary>A repository to clone.</summary>
internal class GitOriginModel
{
    /// <summary>https, ssh or http, without a credential in it.</summary>
    [Required]
    public string? Url { get; init; }
    /// <summary>A branch, a tag or a full commit; left out = the server's HEAD.</summary>
    public string? Ref { get; init; }
    /// <summary>Commits of history; 0 = all; left out = 1.</summary>
    public int? Depth { get; init; }
    /// <summary>A partial clone: blob:none, blob:limit=SIZE, tree:N; left out = blob:none with all of the history, none with a part of it.</summary>
    public string? Filter { get; init; }
    public bool? Submodules { get; init; }
    /// <summary>User of the credential, for http and https; left out beside a secret = "x-access-token".</summary>
    public string? User { get; init; }

    public static GitOriginModel? Of(GitOrigin? git) => git is null
        ? null
        : new() { Url = git.Url, Ref = git.Ref, Depth = git.Depth, Filter = git.Filter, Submodules = git.Submodules, User = git.User };
}

/// <summary>A repository to clone, with a credential.</summary>
internal sealed class GitModel : GitOriginModel
{
    /// <summary>Token or password; sealed, and never shown.</summary>
    public string? Secret { get; init; }
}

/// <summary>What a session's workspace began with.</summary>
internal sealed class SessionOriginModel
{
    /// <summary>Session that it was forked from.</summary>
    public string? SessionId { get; init; }
    /// <summary>Where in that session's log: what stands before it is this session's past too.</summary>
    public long? Seq { get; init; }
    public string? CheckpointId { get; init; }
    public string? SnapshotId { get; init; }
    public GitOriginModel? Git { get; init; }

    public static SessionOriginModel? Of(SessionOrigin? origin) => origin is null
        ? null
        : new() { SessionId = origin.SessionId, Seq = origin.SessionId is null ? null : origin.Seq, CheckpointId = origin.CheckpointId, SnapshotId = origin.SnapshotId, Git = GitOriginModel.Of(origin.Git) };
}

/// <summary>A tenant's part of the chunk store.</summary>
internal sealed class StorageModel
{
    /// <summary>Bytes in the store.</summary>
    public required long BytesStored { get; init; }
    /// <summary>Most that may be stored; absent = no limit.</summary>
    public long? BytesLimit { get; init; }
    public required long Packs { get; init; }
    public required long Snapshots { get; init; }
    /// <summary>Mirrors of git repositories, which make clones quick.</summary>
    public required long Mirrors { get; init; }
    /// <summary>When rules of retention were last applied.</summary>
    public DateTime? LookedAt { get; init; }
    /// <summary>When what no snapshot needs was last deleted.</summary>
    public DateTime? CollectedAt { get; init; }
    /// <summary>Packs that the last look found missing: above zero, something was lost outside of Marionette, and a check says what.</summary>
    public int? PacksMissing { get; init; }
    /// <summary>Packs that wait for their deletion.</summary>
    public int? PacksCondemned { get; init; }
}

/// <summary>What a collection came to.</summary>
internal sealed class CollectionModel
{
    /// <summary>Checkpoints that a rule of retention took away.</summary>
    public required int Checkpoints { get; init; }
    /// <summary>Snapshots that nothing needed any more.</summary>
    public required int Snapshots { get; init; }
    /// <summary>Packs that wait for their deletion: the next collection does it, once uploads under way have ended.</summary>
    public required int PacksCondemned { get; init; }
    public required int PacksDeleted { get; init; }
    public required long BytesDeleted { get; init; }
}

/// <summary>What a check of everything that is stored came to.</summary>
internal sealed class CheckModel
{
    public required bool IsSound { get; init; }
    public required long Snapshots { get; init; }
    public required long Packs { get; init; }
    public required long Chunks { get; init; }
    /// <summary>The first 100, each with what is affected.</summary>
    public required IReadOnlyList<string> Defects { get; init; }
}

/// <summary>Answer of POST /api/v1/storage/rewrap.</summary>
internal sealed class RewrapModel
{
    /// <summary>The key that tenants' keys are wrapped with.</summary>
    public required string Key { get; init; }
    /// <summary>Tenants whose keys were under another one.</summary>
    public required int Rewrapped { get; init; }
    /// <summary>Tenants whose keys are under another one still, each with the reason.</summary>
    public required IReadOnlyList<string> Failed { get; init; }
}
