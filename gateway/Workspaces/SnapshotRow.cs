using Marionette.Workspaces;

namespace Marionette.Gateway.Workspaces;

/// <summary>A snapshot as lists show it and rules of retention weigh it.</summary>
internal sealed record SnapshotRow
{
    /// <summary>Parts of a session, what somebody uploaded, and the mirror of a git repository, which only clones see.</summary>
    public const string Workspace = "workspace", Home = "home", Upload = "upload", Mirror = "mirror";

    private const string SessionMark = "session ", UploadMark = "upload ";

    /// <summary>The label of a mirror. Of what is known by the row of the mirror alone: the record is nobody's without it.</summary>
    public const string LabelOfMirror = "mirror";

    /// <summary>"snap_…".</summary>
    public required string Id { get; init; }

    /// <summary>Session that it is of; null = uploaded.</summary>
    public string? SessionId { get; init; }

    /// <summary>Which folder of the session.</summary>
    public required string Part { get; init; }

    /// <summary>The snapshot before, or the one that it is a copy of.</summary>
    public string? Parent { get; init; }

    /// <summary>For people.</summary>
    public string? Name { get; init; }

    /// <summary>No rule of retention takes it away.</summary>
    public bool IsKept { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public long Files { get; init; }

    public long Directories { get; init; }

    public long Links { get; init; }

    /// <summary>Sum of the files' sizes.</summary>
    public long Bytes { get; init; }

    /// <summary>The label of a session's record: whose it is, sealed with it.</summary>
    public static string LabelOf(string session, string part) => $"{SessionMark}{session} {part}";

    /// <summary>The label of an uploaded one.</summary>
    public static string LabelOfUpload(string? name) => UploadMark + name;

    /// <summary>Whether a record is a session's.</summary>
    public static bool IsOf(string label, string session) => label.StartsWith($"{SessionMark}{session} ", StringComparison.Ordinal);

    /// <summary>What a record says of itself: a table that was lost is made anew by it.</summary>
    public static SnapshotRow Of(SnapshotRecord record)
    {
        var words = record.Label.StartsWith(SessionMark, StringComparison.Ordinal) ? record.Label.Split(' ', 3) : [];
        var session = words is [_, { } id, Workspace or Home] && EntityId.Is(EntityId.Session, id) ? id : null;
        return new SnapshotRow
        {
            Id = record.Id, SessionId = session, Part = session is not null ? words[2] : record.Label == LabelOfMirror ? Mirror : Upload, Parent = record.Parent.Length > 0 ? record.Parent : null,
            Name = session is null && record.Label.StartsWith(UploadMark, StringComparison.Ordinal) && record.Label.Length > UploadMark.Length ? record.Label[UploadMark.Length..] : null,
            CreatedAt = record.Created, Files = record.Files, Directories = record.Directories, Links = record.Links, Bytes = record.Bytes,
        };
    }
}
