using System.Text;
using Google.Protobuf;
using Marionette.Protocol.V1;

namespace Marionette.Bench.Figures;

/// <summary>The event that the figures send: a piece of text, 200 bytes of JSON.</summary>
internal static class Payload
{
    public const int Bytes = 200;

    /// <summary>As an agent sends it at its busiest: what a write to the stream holds.</summary>
    public const int EventsPerMessage = 256;

    public static byte[] Json { get; } = Make();

    public static Event Event(string run) => new()
    {
        Type = "text.delta", AtMs = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds(), Run = run, Data = UnsafeByteOperations.UnsafeWrap(Json),
    };

    private static byte[] Make()
    {
        var head = "{\"message_id\":\"msg_01\",\"index\":0,\"text\":\"";
        return Encoding.ASCII.GetBytes(head + new string('x', Bytes - head.Length - 2) + "\"}");
    }
}
