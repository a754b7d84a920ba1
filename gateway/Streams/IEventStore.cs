namespace Marionette.Gateway.Streams;

/// <summary>Some events, and whether others follow.</summary>
internal sealed record EventPage(List<EventBlock> Blocks, bool HasMore);

/// <summary>The stored log, read in bounded pieces. A seam: tests put their own log behind it.</summary>
internal interface IEventStore
{
    /// <summary>Seq of the session's newest event; null when the tenant has no such session.</summary>
    Task<long?> HeadAsync(string tenant, string session, CancellationToken cancellationToken);

    /// <summary>All events after a seq, at most a page of them; empty at the end.</summary>
    Task<List<EventBlock>> ReadSessionAsync(string tenant, string session, long after, CancellationToken cancellationToken);

    /// <summary>A piece of a stored payload; shorter than asked for at its end.</summary>
    Task<byte[]> ReadPayloadAsync(string session, long seq, long offset, int length, CancellationToken cancellationToken);

    /// <summary>Position of the newest settled event of the tenant.</summary>
    Task<StreamPosition> TenantHeadAsync(string tenant, CancellationToken cancellationToken);

    /// <summary>The tenant's settled events after a position, at most a page of them; empty at the end.</summary>
    Task<EventPage> ReadTenantAsync(string tenant, StreamPosition after, int limit, TypeFilter filter, CancellationToken cancellationToken);

    /// <summary>A piece of a payload of the tenant's stream.</summary>
    Task<byte[]> ReadTenantPayloadAsync(string tenant, StreamPosition position, long offset, int length, CancellationToken cancellationToken);
}
