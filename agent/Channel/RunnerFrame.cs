using System.Buffers;
using Google.Protobuf;
using Grpc.Core;
using Marionette.Agent.Spool;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Channel;

/// <summary>One message to the server: an ordinary one, or a batch whose bytes come from the spool as they are.</summary>
internal sealed class RunnerFrame
{
    /// <summary>Field 2 of <c>RunnerMessage</c>, length-delimited.</summary>
    private const byte EventsTag = (2 << 3) | 2;

    /// <summary>Field 1 of <c>EventBatch</c>, a varint.</summary>
    private const byte FirstTag = 1 << 3;

    private readonly RunnerMessage? message;
    private readonly EventBatchBuffer? batch;

    public RunnerFrame(RunnerMessage message) => this.message = message;

    /// <summary>The batch must stay untouched until the write has completed.</summary>
    public RunnerFrame(EventBatchBuffer batch) => this.batch = batch;

    /// <summary>
    /// <c>marionette.runner.v1.RunnerGateway/Connect</c> as the .proto has it, with a request marshaller that spares batches
    /// from being parsed and written anew.
    /// </summary>
    public static Method<RunnerFrame, ServerMessage> ConnectMethod { get; } = new(
        MethodType.DuplexStreaming,
        "marionette.runner.v1.RunnerGateway",
        "Connect",
        // A client writes the one and reads the other; the other two directions do not exist here.
        Marshallers.Create<RunnerFrame>(Serialize, _ => throw new NotSupportedException()),
        Marshallers.Create<ServerMessage>((_, _) => throw new NotSupportedException(), Deserialize));

    private static void Serialize(RunnerFrame frame, SerializationContext context)
    {
        if (frame.message is not null)
        {
            context.SetPayloadLength(frame.message.CalculateSize());
            frame.message.WriteTo(context.GetBufferWriter());
            context.Complete();
            return;
        }

        var batch = frame.batch!;
        var inner = 1 + EventPayload.VarintSize((ulong)batch.First) + batch.Length;
        var head = 1 + EventPayload.VarintSize((ulong)inner);
        context.SetPayloadLength(head + inner);
        var writer = context.GetBufferWriter();
        var span = writer.GetSpan(32);
        var rest = span;
        rest[0] = EventsTag;
        rest = rest[1..];
        EventPayload.WriteVarint(ref rest, (ulong)inner);
        rest[0] = FirstTag;
        rest = rest[1..];
        EventPayload.WriteVarint(ref rest, (ulong)batch.First);
        writer.Advance(span.Length - rest.Length);
        writer.Write(batch.Written);
        context.Complete();
    }

    private static ServerMessage Deserialize(DeserializationContext context) =>
        ServerMessage.Parser.ParseFrom(context.PayloadAsReadOnlySequence());
}
