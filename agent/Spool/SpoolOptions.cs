namespace Marionette.Agent.Spool;

/// <summary>Bounds of the spool.</summary>
internal sealed record SpoolOptions
{
    /// <summary>Unacknowledged bytes on disk beyond which <see cref="EventSpool.WaitForSpaceAsync"/> holds readers back.</summary>
    /// <value>Bytes; default 256 MiB.</value>
    public long MaxBytes { get; init; } = 256L * 1024 * 1024;

    /// <summary>A segment is closed once it is this long, and deleted once every event in it is acknowledged.</summary>
    /// <value>Bytes; default 4 MiB.</value>
    public int SegmentBytes { get; init; } = 4 * 1024 * 1024;

    /// <summary>Records gathered in memory before they are written even without a commit.</summary>
    /// <value>Bytes; default 256 KiB.</value>
    public int WriteBytes { get; init; } = 256 * 1024;

    /// <summary>Pause between two tries to write when the disk refuses.</summary>
    /// <value>Default one second.</value>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);
}
