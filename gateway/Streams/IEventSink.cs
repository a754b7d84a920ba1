namespace Marionette.Gateway.Streams;

/// <summary>Where a reader's events go. Called by one pump, never by two at once.</summary>
internal interface IEventSink
{
    /// <summary>It holds enough to be worth a write; take no more before <see cref="FlushAsync"/>.</summary>
    bool IsFull { get; }

    /// <summary>It holds something that was not sent.</summary>
    bool HasPending { get; }

    /// <summary>Takes events of the block from an index on, until it is full; returns the index after the last one that it is done with.</summary>
    int Take(EventBlock block, int from, TypeFilter filter);

    /// <summary>Sends what was taken. Waits for a slow client.</summary>
    Task FlushAsync(CancellationToken cancellationToken);

    /// <summary>Begins an event whose payload comes in pieces. False: it does not want them.</summary>
    bool BeginLarge(EventBlock block, in EventFrame frame);

    /// <summary>Sends a piece of the payload.</summary>
    Task WritePieceAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken);

    /// <summary>Ends such an event.</summary>
    Task EndLargeAsync(CancellationToken cancellationToken);

    /// <summary>Shows that the connection lives.</summary>
    /// <param name="passed">The reader has seen everything up to here, filtered or not.</param>
    Task HeartbeatAsync(StreamPosition passed, CancellationToken cancellationToken);
}
