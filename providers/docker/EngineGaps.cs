namespace Marionette.Providers.Docker;

/// <summary>
/// When the engine was away, as far as this process saw: what ended in such a gap ended with the engine. The engine itself tells nobody
/// when it was started.
/// </summary>
internal sealed class EngineGaps(TimeProvider clock)
{
    /// <summary>An engine that is told to stop ends its containers first, while it still answers: up to its own grace before the gap.</summary>
    private static readonly TimeSpan StopTakes = TimeSpan.FromSeconds(20);

    private const int Kept = 32;

    private readonly Lock _gate = new();
    private readonly List<(DateTimeOffset From, DateTimeOffset To)> _gaps = [];
    private DateTimeOffset _lastUp = clock.GetUtcNow();
    private DateTimeOffset? _downSince;

    /// <summary>The engine answered.</summary>
    public void Up()
    {
        lock (_gate)
        {
            var now = clock.GetUtcNow();
            if (_downSince is { } since)
            {
                if (_gaps.Count == Kept) _gaps.RemoveAt(0);
                _gaps.Add((since, now));
                _downSince = null;
            }

            _lastUp = now;
        }
    }

    /// <summary>The engine could not be reached.</summary>
    public void Down()
    {
        lock (_gate) _downSince ??= _lastUp;
    }

    /// <summary>Whether the engine was away then, or on its way out.</summary>
    public bool Covers(DateTimeOffset at)
    {
        lock (_gate) return _gaps.Any(gap => at >= gap.From - StopTakes && at <= gap.To + StopTakes);
    }
}
