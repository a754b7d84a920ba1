namespace Marionette.Workspaces;

/// <summary>How a collection is done.</summary>
public sealed record CollectOptions
{
    /// <summary>Packs younger than this are left alone. Default one hour. Safety does not depend on it.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Packs of whose bytes a smaller share is needed are written anew without the rest. 0 to 1; default 0.5.</summary>
    public double RepackBelow { get; init; } = 0.5;
}

/// <summary>What came of a collection.</summary>
public sealed record CollectReport
{
    /// <summary>Chunks that snapshots need.</summary>
    public required long LiveChunks { get; init; }

    /// <summary>Packs that will be deleted by a later collection, when the snapshots under way have ended.</summary>
    public required int Condemned { get; init; }

    /// <summary>Packs that are deleted.</summary>
    public required int Deleted { get; init; }

    /// <summary>Bytes that are deleted.</summary>
    public required long BytesDeleted { get; init; }

    /// <summary>Packs whose living chunks were written anew.</summary>
    public required int Repacked { get; init; }

    /// <summary>Packs that were condemned and are needed after all.</summary>
    public required int Spared { get; init; }
}
