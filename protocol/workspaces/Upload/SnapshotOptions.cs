namespace Marionette.Workspaces;

/// <summary>How a folder is snapshotted.</summary>
public sealed record SnapshotOptions
{
    /// <summary>Where the stat cache lies, outside the folder; null: every file is read.</summary>
    public string? CacheFile { get; init; }

    /// <summary>Keep owners and groups. Default: no, what is restored belongs to who restores.</summary>
    public bool KeepOwner { get; init; }

    /// <summary>Entries of the folder itself whose names begin with it are not kept; empty: all are.</summary>
    public string LeaveOut { get; init; } = "";

    /// <summary>For people; at most 1,000 characters.</summary>
    public string Label { get; init; } = "";

    /// <summary>The snapshot before, for the record; null: none.</summary>
    public string? Parent { get; init; }

    /// <summary>Told now and then, from any thread.</summary>
    public IProgress<SnapshotProgress>? Progress { get; init; }

    /// <summary>Threads at work. Default: one a processor, at most 8.</summary>
    public int Workers { get; init; } = Math.Clamp(Environment.ProcessorCount, 1, 8);

    /// <summary>More entries than this are refused. Default 10 million.</summary>
    public long MaxEntries { get; init; } = 10_000_000;

    internal ChunkSizes Sizes { get; init; } = ChunkSizes.Default;

    internal int Level { get; init; } = ChunkCodec.DefaultLevel;

    internal int CacheFlags => KeepOwner ? 1 : 0;
}

/// <summary>How far a snapshot is.</summary>
/// <param name="Files">Looked at.</param>
/// <param name="BytesRead">Of changed files.</param>
/// <param name="BytesStored">In packs.</param>
public readonly record struct SnapshotProgress(long Files, long BytesRead, long BytesStored);

/// <summary>Why something is not in a snapshot as it stood.</summary>
public enum SkipReason
{
    /// <summary>A socket, pipe or device: not kept.</summary>
    Special,

    /// <summary>It could not be read.</summary>
    Unreadable,

    /// <summary>It changed while it was read, three times; the last reading is kept.</summary>
    ChangedWhileRead,

    /// <summary>Attributes that are not the user's, or too long, are not kept.</summary>
    Attributes,
}

/// <summary>Something that is not in a snapshot as it stood.</summary>
/// <param name="Path">Below the folder, with slashes.</param>
public sealed record SkippedEntry(string Path, SkipReason Reason, string Detail);

/// <summary>What came of a snapshot.</summary>
public sealed record SnapshotReport
{
    /// <summary>The snapshot's id; empty where the caller writes the record itself.</summary>
    public string Id { get; init; } = "";

    /// <summary>Opens this snapshot, and nothing else. Secret.</summary>
    public required ChunkRef Root { get; init; }

    /// <summary>Files in the snapshot.</summary>
    public required long Files { get; init; }

    /// <summary>Folders, the root included.</summary>
    public required long Directories { get; init; }

    /// <summary>Symbolic links.</summary>
    public required long Links { get; init; }

    /// <summary>Sum of the files' sizes.</summary>
    public required long Bytes { get; init; }

    /// <summary>Files that were read because they were new or changed.</summary>
    public required long FilesRead { get; init; }

    /// <summary>Bytes that were read.</summary>
    public required long BytesRead { get; init; }

    /// <summary>Chunks that the store did not have.</summary>
    public required long NewChunks { get; init; }

    /// <summary>Bytes that were added to the store's packs.</summary>
    public required long BytesStored { get; init; }

    /// <summary>What is not in it as it stood; the first 1,000.</summary>
    public required IReadOnlyList<SkippedEntry> Skipped { get; init; }

    /// <summary>How many there were.</summary>
    public required long SkippedCount { get; init; }

    /// <summary>How many of them could not be read as they stood: their content is where the folder is, and nowhere else.</summary>
    public required long MissedCount { get; init; }
}
