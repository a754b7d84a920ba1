using System.IO.Enumeration;

namespace Marionette.Agent.Runs;

/// <summary>A file that a run added, modified or deleted.</summary>
/// <param name="Path">Relative to the workspace.</param>
/// <param name="Change"><c>added</c>, <c>modified</c> or <c>deleted</c>.</param>
internal sealed record FileChange(string Path, string Change);

/// <summary>What a run did to the files of the workspace.</summary>
/// <param name="Files">By path, at most <see cref="WorkspaceLook.MaxChanges"/>.</param>
/// <param name="Truncated">There is more than these, or the workspace is too large to be looked through.</param>
internal sealed record WorkspaceChanges(IReadOnlyList<FileChange> Files, bool Truncated);

/// <summary>
/// The files of a workspace at one moment, by size and time of change. It reads no file and follows no link. What takes longer or
/// is larger than its limits counts as unknown: knowing what changed is never worth a slow start.
/// </summary>
internal sealed class WorkspaceLook
{
    /// <summary>Most changes that are told.</summary>
    public const int MaxChanges = 1000;

    private const int MaxFiles = 50_000;
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(250);

    // What tools keep for themselves; nobody asks an agent for changes in there.
    private static readonly HashSet<string> Skipped = new(StringComparer.Ordinal)
    {
        ".git", ".hg", ".svn", ".jj", ".marionette", "node_modules", ".venv", "__pycache__", ".gradle", ".nuget",
    };

    private readonly Dictionary<string, (long Size, long Ticks)> files;

    private WorkspaceLook(Dictionary<string, (long Size, long Ticks)> files, bool complete)
    {
        this.files = files;
        IsComplete = complete;
    }

    public bool IsComplete { get; }

    public static WorkspaceLook Take(string workspace, TimeProvider clock) => Take(workspace, clock, MaxFiles, Limit);

    /// <param name="most">Files after which it gives up.</param>
    /// <param name="limit">Time after which it gives up.</param>
    public static WorkspaceLook Take(string workspace, TimeProvider clock, int most, TimeSpan limit)
    {
        var found = new Dictionary<string, (long Size, long Ticks)>(StringComparer.Ordinal);
        var started = clock.GetTimestamp();
        try
        {
            foreach (var (path, size, ticks) in Walk(workspace))
            {
                if (found.Count >= most || (found.Count % 256 == 255 && clock.GetElapsedTime(started) > limit))
                    return new WorkspaceLook(found, complete: false);
                found[path] = (size, ticks);
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return new WorkspaceLook(found, complete: exception is DirectoryNotFoundException);
        }

        return new WorkspaceLook(found, complete: true);
    }

    /// <summary>What became of the files since then.</summary>
    /// <param name="later">The same workspace, later.</param>
    public WorkspaceChanges ChangesUntil(WorkspaceLook later)
    {
        // Of an unfinished look it is not known which files it left out: every difference could be one of the look alone.
        if (!IsComplete || !later.IsComplete)
            return new WorkspaceChanges([], Truncated: true);
        var changes = new List<FileChange>();
        foreach (var (path, now) in later.files)
        {
            if (!files.TryGetValue(path, out var before))
                changes.Add(new FileChange(path, "added"));
            else if (before != now)
                changes.Add(new FileChange(path, "modified"));
        }

        changes.AddRange(files.Keys.Where(path => !later.files.ContainsKey(path)).Select(path => new FileChange(path, "deleted")));
        changes.Sort(static (left, right) => string.CompareOrdinal(left.Path, right.Path));
        return changes.Count <= MaxChanges
            ? new WorkspaceChanges(changes, Truncated: false)
            : new WorkspaceChanges(changes[..MaxChanges], Truncated: true);
    }

    private static FileSystemEnumerable<(string Path, long Size, long Ticks)> Walk(string workspace)
    {
        var options = new EnumerationOptions
        {
            RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.None,
        };
        return new(workspace, Read, options)
        {
            ShouldIncludePredicate = static (ref FileSystemEntry entry) => !entry.IsDirectory || IsLink(ref entry),
            ShouldRecursePredicate = static (ref FileSystemEntry entry) =>
                !IsLink(ref entry) && !Skipped.Contains(entry.FileName.ToString()),
        };
    }

    private static bool IsLink(ref FileSystemEntry entry) => (entry.Attributes & FileAttributes.ReparsePoint) != 0;

    private static (string Path, long Size, long Ticks) Read(ref FileSystemEntry entry)
    {
        var folder = entry.Directory[entry.RootDirectory.Length..].TrimStart('/');
        var path = folder.Length == 0 ? entry.FileName.ToString() : $"{folder}/{entry.FileName}";
        return (path, IsLink(ref entry) ? 0 : entry.Length, entry.LastWriteTimeUtc.UtcTicks);
    }
}
