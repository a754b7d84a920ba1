using System.Collections.Immutable;
using Marionette.Sessions;

namespace Marionette.Log;

/// <summary>The store of session logs. A seam to the outside: PostgreSQL in the product, memory in the tests of the grains.</summary>
internal interface ISessionLog
{
    /// <summary>
    /// Appends a batch, all or nothing, if and only if the log ends right before it; the rows that the events change go with it.
    /// </summary>
    /// <returns>False when another activation wrote first: nothing was stored.</returns>
    /// <exception cref="MarionetteException">Unavailable: nothing was stored; OutcomeUnknown: perhaps it was.</exception>
    Task<bool> AppendAsync(LogBatch batch);

    /// <summary>Stored events after <paramref name="after"/>, oldest first, at most <paramref name="limit"/>.</summary>
    Task<ImmutableArray<LoggedEvent>> ReadAsync(string session, long after, int limit, CancellationToken cancellationToken);

    /// <summary>A state row as JSON; null when there is none.</summary>
    Task<byte[]?> ReadRowAsync(string type, string key, CancellationToken cancellationToken);

    /// <summary>Several state rows; missing ones are left out.</summary>
    Task<IReadOnlyDictionary<string, byte[]>> ReadRowsAsync(string type, IReadOnlyCollection<string> keys, CancellationToken cancellationToken);
}

/// <summary>One session's append.</summary>
/// <param name="Tenant">In every row.</param>
/// <param name="Session">"sess_…".</param>
/// <param name="Events">Contiguous, at least one.</param>
/// <param name="Rows">State rows that follow from them.</param>
internal sealed record LogBatch(string Tenant, string Session, IReadOnlyList<LoggedEvent> Events, IReadOnlyList<StateRow> Rows)
{
    public long First => Events[0].Seq;

    public long Last => Events[^1].Seq;

    /// <summary>Payload bytes; what a commit is bounded by.</summary>
    public long Bytes { get; } = Events.Sum(e => (long)e.Payload.Length) + Rows.Sum(r => (long)r.Json.Length);
}

/// <summary>A row of <c>grain_state</c>.</summary>
/// <param name="Type">"session", "task", "permission", "session_secret".</param>
/// <param name="Key">"tenant/id".</param>
/// <param name="Json">UTF-8.</param>
internal sealed record StateRow(string Type, string Key, byte[] Json);
