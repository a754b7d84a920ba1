using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Wire;

/// <summary>The JSON pieces that the streamed and the plain answer share.</summary>
internal sealed class AnswerWriter(MessagesRequest request, int attempt)
{
    // Real answers carry raw UTF-8. This encoder does so for the basic plane and escapes the rest: readers meet both forms.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Usage _usage = Usage.Of(request);

    /// <summary>A fresh writer on <paramref name="output"/>.</summary>
    public static Utf8JsonWriter Open(IBufferWriter<byte> output) => new(output, Options);

    /// <summary>Id of a tool call: differs by request and by place in the answer.</summary>
    public string ToolId(int index) => $"toolu_{request.Fingerprint.AsSpan(0, 20)}{index:D3}";

    /// <summary>Signature of a thinking block; the agent sends it back as it is.</summary>
    public string Signature => Convert.ToBase64String(Convert.FromHexString(request.Fingerprint));

    /// <summary>The members of a message up to and without <c>content</c>; the caller is inside its object.</summary>
    public void Header(Utf8JsonWriter json)
    {
        json.WriteString("id", $"msg_{request.Fingerprint.AsSpan(0, 22)}{attempt:D2}");
        json.WriteString("type", "message");
        json.WriteString("role", "assistant");
        json.WriteString("model", request.Model);
    }

    /// <summary>A <c>usage</c> member.</summary>
    public void WriteUsage(Utf8JsonWriter json, int outputTokens)
    {
        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", _usage.Input);
        json.WriteNumber("cache_creation_input_tokens", _usage.CacheCreation);
        json.WriteNumber("cache_read_input_tokens", _usage.CacheRead);
        json.WriteNumber("output_tokens", outputTokens);
        json.WriteString("service_tier", "standard");
        json.WriteEndObject();
    }

    /// <summary>The members <c>stop_reason</c> and <c>stop_sequence</c>; null means not known yet.</summary>
    public static void Stop(Utf8JsonWriter json, string? reason)
    {
        json.WriteString("stop_reason", reason);
        json.WriteNull("stop_sequence");
    }

    /// <summary>UTF-8 bytes that count as output.</summary>
    public static long BytesOf(Beat beat) => beat switch
    {
        ThinkingBeat thinking => thinking.Text.Length,
        ToolBeat tool => tool.Input.ToJsonString().Length + tool.Tool.Length,
        _ => 0,
    };
}
