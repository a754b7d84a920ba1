using System.Net.WebSockets;
using System.Text.Json;
using Marionette.Gateway.Json;
using Marionette.Gateway.Streams;

namespace Marionette.Gateway.Logs;

/// <summary>The logs of one task, one a message.</summary>
internal sealed class LogSocketSink(WebSocket socket, string taskId, LogMapper mapper) : WebSocketSink(socket)
{
    public override async Task FlushAsync(CancellationToken cancellationToken)
    {
        // What was taken are events; they become logs where waiting for a look-up is possible.
        for (var i = 0; i < Pending.Count; i++)
        {
            var log = await mapper.MapAsync(Pending[i].Message, Pending[i].Large, cancellationToken);
            Pending[i] = (JsonSerializer.SerializeToUtf8Bytes(log, GatewayJsonContext.Plain.LogModel), 0);
        }
        await base.FlushAsync(cancellationToken);
    }

    // Too large for a log line: a note takes its place.
    public override bool BeginLarge(EventBlock block, in EventFrame frame)
    {
        if (frame.TaskId == taskId) Enqueue(block.Bytes[frame.JsonStart..frame.JsonEnd], frame.LargePayload);
        return false;
    }

    protected override void Add(in EventFrame frame, ReadOnlyMemory<byte> envelope)
    {
        if (frame.TaskId == taskId) Enqueue(envelope);
    }
}
