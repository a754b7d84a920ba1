namespace Marionette.Workspaces;

/// <summary>What to do with what is in the way.</summary>
public enum ExistingEntries
{
    /// <summary>The folder must be empty or absent.</summary>
    Refuse,

    /// <summary>Files and links are replaced, folders kept; what the snapshot does not have stays.</summary>
    Replace,

    /// <summary>Afterwards the folder has what the snapshot has, and nothing else.</summary>
    Mirror,
}

/// <summary>How a snapshot is restored. The limits hold while it is written: a false snapshot cannot fill the machine.</summary>
public sealed record RestoreOptions
{
    /// <summary>Default: refuse.</summary>
    public ExistingEntries Existing { get; init; }

    /// <summary>A folder or file of the snapshot; empty: all of it.</summary>
    public string Path { get; init; } = "";

    /// <summary>Give files to their kept owners, which only root can. Default: they belong to who restores.</summary>
    public bool KeepOwner { get; init; }

    /// <summary>Keep set-user-id and set-group-id on files. Default: no, and it is said.</summary>
    public bool KeepSetId { get; init; }

    /// <summary>More entries are refused. Default 10 million.</summary>
    public long MaxEntries { get; init; } = 10_000_000;

    /// <summary>More bytes are refused, holes counted. Default 1 TiB.</summary>
    public long MaxBytes { get; init; } = 1L << 40;

    /// <summary>Deeper folders are refused. Default and most: 400.</summary>
    public int MaxDepth { get; init; } = UploadWork.MaxDepth;

    /// <summary>A stat cache to fill for the next snapshot, with the key that it will be made with; null: none. Only for whole snapshots.</summary>
    public string? CacheFile { get; init; }

    /// <summary>The snapshot's id, for the cache.</summary>
    public string SnapshotId { get; init; } = "";

    /// <summary>Threads at work. Default: one a processor, at most 8.</summary>
    public int Workers { get; init; } = Math.Clamp(Environment.ProcessorCount, 1, 8);

    /// <summary>Told now and then, from any thread: files and bytes written.</summary>
    public IProgress<(long Files, long Bytes)>? Progress { get; init; }
}

/// <summary>What came of a restore.</summary>
public sealed record RestoreReport
{
    /// <summary>Files written, hard links counted.</summary>
    public required long Files { get; init; }

    /// <summary>Folders.</summary>
    public required long Directories { get; init; }

    /// <summary>Symbolic links.</summary>
    public required long Links { get; init; }

    /// <summary>Sum of the files' sizes.</summary>
    public required long Bytes { get; init; }

    /// <summary>What is not as the snapshot has it, the first 1,000: attributes or owners that could not be set, bits that were dropped, links that became copies.</summary>
    public required IReadOnlyList<(string Path, string What)> Differences { get; init; }
}
