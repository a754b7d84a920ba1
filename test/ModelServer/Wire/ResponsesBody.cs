using System.Buffers;
using System.Text;
using System.Text.Json;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Wire;

/// <summary>The JSON pieces of the OpenAI Responses API, and the whole answer for callers that did not ask for a stream.</summary>
internal sealed class ResponsesBody(AnswerWriter answer)
{
    public string ItemId(string prefix, int index) => $"{prefix}_{answer.Id(index)}";

    public static void Write(IBufferWriter<byte> output, AnswerWriter answer, Answer script)
    {
        var body = new ResponsesBody(answer);
        long bytes = 0;
        using var json = AnswerWriter.Open(output);
        var tokens = Usage.TokensOf(script.Beats.Sum(AnswerWriter.BytesOf));
        body.WriteResponse(json, "completed", tokens, () =>
        {
            json.WriteStartArray("output");
            var index = 0;
            foreach (var beat in script.Beats)
            {
                switch (beat)
                {
                    case TextBeat text:
                        var whole = string.Concat(text.Pieces);
                        bytes += Encoding.UTF8.GetByteCount(whole);
                        body.WriteMessage(json, index++, whole);
                        break;
                    case ThinkingBeat thinking:
                        body.WriteReasoning(json, index++, thinking.Text);
                        break;
                    case ToolBeat tool:
                        body.WriteCall(json, index++, tool.Tool, tool.Input.ToJsonString());
                        break;
                }
            }

            json.WriteEndArray();
        });
    }

    /// <summary>The response's object, under the property <c>response</c> when the writer stands in an object.</summary>
    public void WriteResponse(Utf8JsonWriter json, string status, int? outputTokens = null, Action? extra = null)
    {
        if (json.CurrentDepth > 0) json.WriteStartObject("response");
        else json.WriteStartObject();
        json.WriteString("id", $"resp_{answer.Id(0)}");
        json.WriteString("object", "response");
        json.WriteNumber("created_at", AnswerWriter.Created);
        json.WriteString("status", status);
        json.WriteString("model", answer.Model);
        extra?.Invoke();
        if (outputTokens is { } tokens) answer.WriteResponsesUsage(json, tokens);
        json.WriteEndObject();
    }

    /// <param name="text">Null while it is not known yet.</param>
    public void WriteMessage(Utf8JsonWriter json, int index, string? text)
    {
        json.WriteStartObject();
        json.WriteString("id", ItemId("msg", index));
        json.WriteString("type", "message");
        json.WriteString("status", text is null ? "in_progress" : "completed");
        json.WriteString("role", "assistant");
        json.WriteStartArray("content");
        if (text is not null) WriteText(json, null, text);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <param name="text">Null while it is not known yet.</param>
    public void WriteReasoning(Utf8JsonWriter json, int index, string? text)
    {
        json.WriteStartObject();
        json.WriteString("id", ItemId("rs", index));
        json.WriteString("type", "reasoning");
        json.WriteStartArray("summary");
        if (text is not null) WriteSummary(json, null, text);
        json.WriteEndArray();
        if (text is not null) json.WriteString("encrypted_content", answer.Signature);
        json.WriteEndObject();
    }

    public void WriteCall(Utf8JsonWriter json, int index, string name, string arguments)
    {
        json.WriteStartObject();
        json.WriteString("id", ItemId("fc", index));
        json.WriteString("type", "function_call");
        json.WriteString("status", arguments.Length == 0 ? "in_progress" : "completed");
        json.WriteString("call_id", answer.CallId(index));
        var dot = name.IndexOf('.', StringComparison.Ordinal);
        if (dot > 0) json.WriteString("namespace", name.AsSpan(0, dot));
        json.WriteString("name", name.AsSpan(dot + 1));
        json.WriteString("arguments", arguments);
        json.WriteEndObject();
    }

    public static void WriteText(Utf8JsonWriter json, string? property, string text)
    {
        if (property is null) json.WriteStartObject();
        else json.WriteStartObject(property);
        json.WriteString("type", "output_text");
        json.WriteString("text", text);
        json.WriteStartArray("annotations");
        json.WriteEndArray();
        json.WriteEndObject();
    }

    public static void WriteSummary(Utf8JsonWriter json, string? property, string text)
    {
        if (property is null) json.WriteStartObject();
        else json.WriteStartObject(property);
        json.WriteString("type", "summary_text");
        json.WriteString("text", text);
        json.WriteEndObject();
    }
}
