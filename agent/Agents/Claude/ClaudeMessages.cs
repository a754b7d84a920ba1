using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Marionette.Agent.Agents.Claude;

/// <summary>The lines that go to Claude Code's standard input.</summary>
internal static class ClaudeMessages
{
    private static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static byte[] Initialize(string requestId) => Control(requestId, "initialize", json => json.WriteNull("hooks"u8));

    public static byte[] Interrupt(string requestId) => Control(requestId, "interrupt", _ => { });

    public static byte[] SetModel(string requestId, string model) => Control(requestId, "set_model", json =>
    {
        if (model.Length > 0)
            json.WriteString("model"u8, model);
        else
            json.WriteNull("model"u8);
    });

    public static byte[] SetMode(string requestId, string mode) =>
        Control(requestId, "set_permission_mode", json => json.WriteString("mode"u8, mode));

    /// <summary>Takes a message back that Claude has not read yet.</summary>
    public static byte[] TakeBack(string requestId, string message) =>
        Control(requestId, "cancel_async_message", json => json.WriteString("message_uuid"u8, message));

    /// <summary>A message of the user.</summary>
    /// <param name="blocks">Each writes the members of one content block.</param>
    public static byte[] User(string id, IReadOnlyList<Action<Utf8JsonWriter>> blocks) => Line(json =>
    {
        json.WriteString("type"u8, "user"u8);
        json.WriteStartObject("message"u8);
        json.WriteString("role"u8, "user"u8);
        json.WriteStartArray("content"u8);
        foreach (var block in blocks)
        {
            json.WriteStartObject();
            block(json);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteNull("parent_tool_use_id"u8);
        json.WriteString("uuid"u8, id);
    });

    /// <param name="requestId">The can_use_tool request.</param>
    /// <param name="input">JSON object: what the tool gets. Claude wants it even when nothing changed.</param>
    public static byte[] Allow(string requestId, ReadOnlyMemory<byte> input) => Answer(requestId, json =>
    {
        json.WriteString("behavior"u8, "allow"u8);
        json.WritePropertyName("updatedInput"u8);
        json.WriteRawValue(input.Span);
    });

    public static byte[] Deny(string requestId, string message, bool interrupt) => Answer(requestId, json =>
    {
        json.WriteString("behavior"u8, "deny"u8);
        json.WriteString("message"u8, message);
        if (interrupt)
            json.WriteBoolean("interrupt"u8, true);
    });

    public static byte[] Continue(string requestId) => Answer(requestId, json => json.WriteBoolean("continue"u8, true));

    public static byte[] Refuse(string requestId, string error) => Line(json =>
    {
        json.WriteString("type"u8, "control_response"u8);
        json.WriteStartObject("response"u8);
        json.WriteString("subtype"u8, "error"u8);
        json.WriteString("request_id"u8, requestId);
        json.WriteString("error"u8, error);
        json.WriteEndObject();
    });

    private static byte[] Control(string requestId, string subtype, Action<Utf8JsonWriter> request) => Line(json =>
    {
        json.WriteString("type"u8, "control_request"u8);
        json.WriteString("request_id"u8, requestId);
        json.WriteStartObject("request"u8);
        json.WriteString("subtype"u8, subtype);
        request(json);
        json.WriteEndObject();
    });

    private static byte[] Answer(string requestId, Action<Utf8JsonWriter> response) => Line(json =>
    {
        json.WriteString("type"u8, "control_response"u8);
        json.WriteStartObject("response"u8);
        json.WriteString("subtype"u8, "success"u8);
        json.WriteString("request_id"u8, requestId);
        json.WriteStartObject("response"u8);
        response(json);
        json.WriteEndObject();
        json.WriteEndObject();
    });

    private static byte[] Line(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return [.. buffer.WrittenSpan, (byte)'\n'];
    }
}
