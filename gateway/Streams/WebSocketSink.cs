using System.Net.WebSockets;

namespace Marionette.Gateway.Streams;

/// <summary>One JSON event a message. What an envelope becomes can be changed by a subclass.</summary>
internal class WebSocketSink(WebSocket socket) : IEventSink
{
    private const int FullBytes = 64 * 1024, FullMessages = 256;

    private ReadOnlyMemory<byte> opening;
    private int pendingBytes;

    public bool IsFull => pendingBytes >= FullBytes || Pending.Count >= FullMessages;

    public bool HasPending => Pending.Count > 0;

    /// <summary>Messages to send; with the length of a payload that is not in them, or 0.</summary>
    protected List<(ReadOnlyMemory<byte> Message, long Large)> Pending { get; } = [];

    public int Take(EventBlock block, int from, TypeFilter filter)
    {
        var frames = block.Frames;
        var i = from;
        for (; i < frames.Length && !IsFull; i++)
            if (filter.Passes(frames[i].Type)) Add(frames[i], block.Bytes[frames[i].JsonStart..frames[i].JsonEnd]);
        return i;
    }

    public virtual async Task FlushAsync(CancellationToken cancellationToken)
    {
        foreach (var (message, _) in Pending) await socket.SendAsync(message, WebSocketMessageType.Text, endOfMessage: true, cancellationToken);
        Pending.Clear();
        pendingBytes = 0;
    }

    public virtual bool BeginLarge(EventBlock block, in EventFrame frame)
    {
        opening = block.Bytes[frame.JsonStart..frame.JsonEnd];
        return true;
    }

    public async Task WritePieceAsync(ReadOnlyMemory<byte> piece, CancellationToken cancellationToken)
    {
        if (!opening.IsEmpty) await socket.SendAsync(opening, WebSocketMessageType.Text, endOfMessage: false, cancellationToken);
        opening = default;
        await socket.SendAsync(piece, WebSocketMessageType.Text, endOfMessage: false, cancellationToken);
    }

    public async Task EndLargeAsync(CancellationToken cancellationToken) =>
        await socket.SendAsync("}"u8.ToArray(), WebSocketMessageType.Text, endOfMessage: true, cancellationToken);

    // Pings are the socket's own; see WebSocketOptions.
    public Task HeartbeatAsync(StreamPosition passed, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Takes an event that passed the filter.</summary>
    protected virtual void Add(in EventFrame frame, ReadOnlyMemory<byte> envelope) => Enqueue(envelope);

    protected void Enqueue(ReadOnlyMemory<byte> message, long large = 0)
    {
        Pending.Add((message, large));
        pendingBytes += message.Length;
    }
}
