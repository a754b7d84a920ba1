using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Marionette.Agent.Agents.Input;
using Marionette.Agent.Agents.Permissions;
using Marionette.Agent.Events;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Command;

/// <summary>
/// The line protocol (docs/reference/formats/line-protocol.md): one JSON object a line, <c>{"type":…,"data":{…}}</c>, both ways.
/// What a program prints in another form is its log.
/// </summary>
internal sealed class LineProtocol(EventSink sink, OpenRequests permissions, byte[] run)
{
    private static readonly JsonWriterOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly JsonDocumentOptions Bounded = new() { MaxDepth = 200 };

    // Events of a program's own telling. Those that change a session's state are not among them.
    private static readonly HashSet<string> Told = new(StringComparer.Ordinal)
    {
        "text.delta", "text", "thinking.delta", "thinking", "tool_use", "tool_result", "usage", "progress", "log", "state", "error",
    };

    private TokenUsage usage;

    /// <summary>What the program gave as its result; null when it gave none.</summary>
    public RunResult? Result { get; private set; }

    /// <summary>Tokens that its <c>usage</c> lines add up to.</summary>
    public TokenUsage Usage => usage;

    /// <summary>Takes a line of the program.</summary>
    /// <returns>False when it is none of the protocol.</returns>
    public bool Take(ReadOnlyMemory<byte> line)
    {
        if (line.Span.TrimStart(" \t"u8) is not [(byte)'{', ..])
            return false;
        try
        {
            using var document = JsonDocument.Parse(Utf8Text.MendJson(line), Bounded);
            var data = document.RootElement.Member("data"u8);
            return data.ValueKind == JsonValueKind.Object && Take(document.RootElement.Text("type"u8) ?? "", data);
        }
        catch (JsonException)
        {
            return false;
        }
    }

    public static byte[] Prompt(StartRun start, IReadOnlyList<StoredAttachment> files) => Line("prompt", json =>
    {
        json.WriteString("prompt"u8, start.Prompt);
        json.WriteString("task_id"u8, start.Task);
        json.WriteString("run_id"u8, start.Run);
        json.WriteNumber("attempt"u8, start.Attempt);
        json.WriteBoolean("continuation"u8, start.Continuation);
        Files(json, files);
        if (start.OutputSchema.IsEmpty)
            return;
        json.WritePropertyName("output_schema"u8);
        json.WriteRawValue(start.OutputSchema.Span);
    });

    public static byte[] Message(SendMessage message, IReadOnlyList<StoredAttachment> files) => Line("message", json =>
    {
        json.WriteString("message_id"u8, message.Message);
        json.WriteString("text"u8, message.Text);
        Files(json, files);
    });

    public static byte[] Answer(AnswerPermission answer) => Line("permission.answer", json =>
    {
        json.WriteString("request_id"u8, answer.Request);
        json.WriteBoolean("allow"u8, answer.Allow);
        json.Optional("reason"u8, answer.Reason);
        if (answer.UpdatedInput.IsEmpty)
            return;
        json.WritePropertyName("updated_input"u8);
        json.WriteRawValue(answer.UpdatedInput.Span);
    });

    public static byte[] Interrupt() => Line("interrupt", static _ => { });

    private bool Take(string type, JsonElement data)
    {
        switch (type)
        {
            case "permission.request" when data.Text("request_id"u8) is { Length: > 0 } request:
                permissions.Ask(run, request, AskOf(data));
                return true;
            case "permission.withdrawn":
                permissions.Withdraw(data.Text("request_id"u8) ?? "", data.Text("reason"u8) ?? "the agent does not ask any more");
                return true;
            case "result":
                Result = ResultOf(data);
                return true;
            case "usage":
                usage += Tokens(data);
                break;
        }

        if (!Told.Contains(type))
            return false;
        sink.Emit(Encoding.UTF8.GetBytes(type), run, data, static (json, members) =>
        {
            foreach (var member in members.EnumerateObject())
                member.WriteTo(json);
        });
        return true;
    }

    private static PermissionAsk AskOf(JsonElement data)
    {
        var input = data.Member("input"u8);
        return new PermissionAsk
        {
            Tool = data.Text("tool"u8) ?? "unknown",
            Input = input.ValueKind == JsonValueKind.Object ? Encoding.UTF8.GetBytes(input.GetRawText()) : "{}"u8.ToArray(),
            Category = data.Text("category"u8) ?? PermissionCategory.Other,
            Title = data.Text("title"u8),
            Command = data.Text("command"u8),
            Paths = Texts(data.Member("paths"u8)),
            Hosts = Texts(data.Member("hosts"u8)),
            Diff = data.Text("diff"u8),
            Description = data.Text("description"u8),
            Reason = data.Text("reason"u8),
            TakesInput = data.Flag("takes_input"u8),
        };
    }

    private static RunResult ResultOf(JsonElement data)
    {
        var structured = data.Member("structured_output"u8);
        var error = data.Member("error"u8);
        return new RunResult
        {
            Outcome = error.ValueKind == JsonValueKind.Object ? Outcomes.Failed : Outcomes.Completed,
            Result = data.Text("result"u8),
            ErrorCode = error.ValueKind == JsonValueKind.Object ? error.Text("code"u8) ?? ErrorCodes.AgentExited : null,
            ErrorMessage = error.Text("message"u8),
            Cost = data.Fraction("cost_usd"u8),
            Turns = data.Member("turns"u8).ValueKind == JsonValueKind.Number ? data.Number("turns"u8) : null,
            StructuredOutput = structured.ValueKind == JsonValueKind.Undefined ? null : Encoding.UTF8.GetBytes(structured.GetRawText()),
        };
    }

    private static TokenUsage Tokens(JsonElement data) => new(
        data.Number("input_tokens"u8), data.Number("output_tokens"u8), data.Number("cache_read_tokens"u8), data.Number("cache_write_tokens"u8));

    private static string[] Texts(JsonElement list) =>
        [.. list.Items().Where(item => item.ValueKind == JsonValueKind.String).Select(item => item.GetString()!)];

    private static void Files(Utf8JsonWriter json, IReadOnlyList<StoredAttachment> files)
    {
        json.WriteStartArray("attachments"u8);
        foreach (var file in files)
        {
            json.WriteStartObject();
            json.WriteString("path"u8, file.Path);
            json.Optional("media_type"u8, file.MediaType);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static byte[] Line(string type, Action<Utf8JsonWriter> data)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer, Compact))
        {
            json.WriteStartObject();
            json.WriteString("type"u8, type);
            json.WriteStartObject("data"u8);
            data(json);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        // JSON that came from elsewhere may be laid out in lines; between its tokens a line feed is a space.
        var line = buffer.WrittenSpan.ToArray();
        line.AsSpan().ReplaceAny(System.Buffers.SearchValues.Create("\r\n"u8), (byte)' ');
        return [.. line, (byte)'\n'];
    }
}
