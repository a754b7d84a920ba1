using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Wire;

/// <summary>The JSON pieces that the streamed and the plain answer share.</summary>
internal sealed class AnswerWriter(ModelRequest request, int attempt)
{
    // Real answers carry raw UTF-8. This encoder does so for the basic plane and escapes the rest: readers meet both forms.
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Seconds since the Unix epoch: always the same, so that a request asked twice is answered alike.</summary>
    public const long Created = 1_767_225_600;

    private const int AnswerDigits = 20;

    private readonly Usage _usage = Usage.Of(request);

    /// <summary>A fresh writer on <paramref name="output"/>.</summary>
    public static Utf8JsonWriter Open(IBufferWriter<byte> output) => new(output, Options);

    /// <summary>Id of a tool call: differs by request and by place in the answer.</summary>
    public string ToolId(int index) => $"toolu_{request.Fingerprint.AsSpan(0, 20)}{index:D3}";

    /// <summary>Id of a tool call for the OpenAI APIs; agents send it back with the call and with its result.</summary>
    public string CallId(int index) => $"call_{request.Fingerprint.AsSpan(0, AnswerDigits)}{index:D3}";

    /// <summary>Digits that name a part of this answer, for the ids that OpenAI puts on everything.</summary>
    public string Id(int index) => $"{request.Fingerprint.AsSpan(0, AnswerDigits)}{attempt:D2}{index:D3}";

    /// <summary>Which answer a call of ours belongs to; empty for an id that is not ours.</summary>
    public static string AnswerOf(string callId) =>
        callId.StartsWith("call_", StringComparison.Ordinal) && callId.Length > AnswerDigits + 5 ? callId[5..(5 + AnswerDigits)] : "";

    public string Model => request.Model;

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

    /// <summary>A <c>usage</c> member of the Responses API: its input counts what came from the cache too.</summary>
    public void WriteResponsesUsage(Utf8JsonWriter json, int outputTokens)
    {
        var input = _usage.Input + _usage.CacheCreation + _usage.CacheRead;
        json.WriteStartObject("usage");
        json.WriteNumber("input_tokens", input);
        json.WriteStartObject("input_tokens_details");
        json.WriteNumber("cached_tokens", _usage.CacheRead);
        json.WriteEndObject();
        json.WriteNumber("output_tokens", outputTokens);
        json.WriteStartObject("output_tokens_details");
        json.WriteNumber("reasoning_tokens", 0);
        json.WriteEndObject();
        json.WriteNumber("total_tokens", input + outputTokens);
        json.WriteEndObject();
    }

    /// <summary>A <c>usage</c> member of the chat completions API.</summary>
    public void WriteChatUsage(Utf8JsonWriter json, int outputTokens)
    {
        var input = _usage.Input + _usage.CacheCreation + _usage.CacheRead;
        json.WriteStartObject("usage");
        json.WriteNumber("prompt_tokens", input);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", _usage.CacheRead);
        json.WriteEndObject();
        json.WriteNumber("completion_tokens", outputTokens);
        json.WriteNumber("total_tokens", input + outputTokens);
        json.WriteEndObject();
    }

    /// <summary>The members of a chat completion up to and without <c>choices</c>; the caller is inside its object.</summary>
    public void ChatHeader(Utf8JsonWriter json, string kind)
    {
        json.WriteString("id", $"chatcmpl-{Id(0)}");
        json.WriteString("object", kind);
        json.WriteNumber("created", Created);
        json.WriteString("model", request.Model);
    }

    /// <summary>An <c>error</c> member as OpenAI shapes it.</summary>
    /// <param name="resetsAt">When a used-up quota is there again, seconds since the Unix epoch.</param>
    public static void WriteOpenAiError(Utf8JsonWriter json, string type, string message, long? resetsAt = null)
    {
        json.WriteStartObject("error");
        json.WriteString("message", message);
        json.WriteString("type", type);
        json.WriteNull("param");
        json.WriteString("code", type);
        if (resetsAt is { } time) json.WriteNumber("resets_at", time);
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
