namespace Marionette.Gateway.Streams;

/// <summary>One event within an <see cref="EventBlock"/>.</summary>
/// <param name="Position">Where it stands.</param>
/// <param name="Type">For filters.</param>
/// <param name="TaskId">For the logs of a task.</param>
/// <param name="Start">First byte of its SSE frame.</param>
/// <param name="JsonStart">First byte of its envelope within the frame.</param>
/// <param name="JsonEnd">Byte after its envelope.</param>
/// <param name="End">Byte after the frame, which is the next one's start.</param>
/// <param name="LargePayload">
/// 0, or the length of a payload that is not here: then the frame ends after <c>"data":</c>, and readers fetch the payload in pieces.
/// </param>
internal readonly record struct EventFrame(
    StreamPosition Position, string Type, string? TaskId, int Start, int JsonStart, int JsonEnd, int End, long LargePayload);

/// <summary>
/// Events that follow one another, framed once for all readers. It covers everything after <see cref="After"/> up to
/// <see cref="Last"/>: between these two nothing is missing. Immutable.
/// </summary>
internal sealed class EventBlock(StreamPosition after, byte[] bytes, EventFrame[] frames)
{
    public StreamPosition After { get; } = after;

    public StreamPosition Last => frames[^1].Position;

    /// <summary>SSE frames, one after the other.</summary>
    public ReadOnlyMemory<byte> Bytes { get; } = bytes;

    public ReadOnlySpan<EventFrame> Frames => frames;

    /// <summary>What it holds in memory.</summary>
    public int Size => bytes.Length + frames.Length * 64;

    /// <summary>The one event in it has a payload that is read in pieces.</summary>
    public bool IsLarge => frames[0].LargePayload > 0;

    public bool Covers(StreamPosition position) => After <= position && position < Last;

    /// <summary>Index of the first event after the position.</summary>
    public int IndexAfter(StreamPosition position)
    {
        var (low, high) = (0, frames.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (frames[middle].Position <= position) low = middle + 1;
            else high = middle;
        }
        return low;
    }
}
