namespace Marionette.Workspaces;

/// <summary>What an archive may bring. The limits hold while it is unpacked; what its headers say is believed only when it is less.</summary>
public sealed record ImportOptions
{
    /// <summary>So many leading folders are taken off every name; what has no more than these is left out. Default 0.</summary>
    public int StripComponents { get; init; }

    /// <summary>More entries are refused; folders that are made because something lies in them count too. Default 1 million.</summary>
    public long MaxEntries { get; init; } = 1_000_000;

    /// <summary>More bytes in all are refused, those of long headers counted. Default 16 GiB.</summary>
    public long MaxBytes { get; init; } = 16L << 30;

    /// <summary>A longer file is refused. Default 8 GiB.</summary>
    public long MaxFileBytes { get; init; } = 8L << 30;

    /// <summary>An archive of more bytes, as it comes, is refused. Default 16 GiB.</summary>
    public long MaxArchiveBytes { get; init; } = 16L << 30;

    /// <summary>Deeper folders are refused. Default and most: 400.</summary>
    public int MaxDepth { get; init; } = UploadWork.MaxDepth;

    /// <summary>More bytes out than in by this factor are refused once 64 MiB have come out. Default 200.</summary>
    public int MaxRatio { get; init; } = 200;

    /// <summary>Keep symbolic links that lead out of the folder, as they stand; nothing is ever written through one. Default: they are refused.</summary>
    public bool KeepOutwardLinks { get; init; }

    /// <summary>Where a zip lies that comes as a stream without seeking; gone afterwards, after a crash too. Null: such a zip is refused.</summary>
    public string? SpoolFolder { get; init; }
}

/// <summary>What an archive is.</summary>
public enum ArchiveKind
{
    /// <summary>Plain tar.</summary>
    Tar,

    /// <summary>Tar in gzip.</summary>
    TarGzip,

    /// <summary>Tar in zstd.</summary>
    TarZstd,

    /// <summary>Zip.</summary>
    Zip,
}

/// <summary>What came of an archive.</summary>
public sealed record ImportReport
{
    /// <summary>What it was.</summary>
    public required ArchiveKind Kind { get; init; }

    /// <summary>Files written, hard links counted.</summary>
    public required long Files { get; init; }

    /// <summary>Folders made.</summary>
    public required long Directories { get; init; }

    /// <summary>Symbolic links.</summary>
    public required long Links { get; init; }

    /// <summary>Bytes written.</summary>
    public required long Bytes { get; init; }

    /// <summary>Entries left out because their names had too few folders to take off.</summary>
    public required long LeftOut { get; init; }

    /// <summary>What is not as the archive has it, the first 1,000: attributes that are not the user's or could not be set, bits that were dropped.</summary>
    public required IReadOnlyList<(string Path, string What)> Differences { get; init; }
}
