using System.Text.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Gateway.Streams;

namespace Marionette.Gateway.Logs;

/// <summary>Typed events to the original's Log: a stream, a level and a text.</summary>
internal sealed class LogMapper(RunnerNames runners)
{
    /// <summary>The events that become logs.</summary>
    public static readonly TypeFilter Types = TypeFilter.Parse(["text", "tool_use", "tool_result", "log", "error"])!;

    // What an agent's tools take as input is theirs to nest.
    private static readonly JsonDocumentOptions Deep = new() { MaxDepth = 1024 };

    public async ValueTask<LogModel> MapAsync(EventBlock block, int index, CancellationToken cancellationToken)
    {
        var frame = block.Frames[index];
        return await MapAsync(block.Bytes[frame.JsonStart..frame.JsonEnd], frame.LargePayload, cancellationToken);
    }

    /// <param name="envelope">The event; with a large payload it ends before that.</param>
    public async ValueTask<LogModel> MapAsync(ReadOnlyMemory<byte> envelope, long largePayload, CancellationToken cancellationToken)
    {
        using var document = JsonDocument.Parse(largePayload > 0 ? (byte[])[.. envelope.Span, .. "{}}"u8] : envelope, Deep);
        var e = document.RootElement;
        var (type, session, seq) = (Text(e, "type"), Text(e, "session_id"), e.GetProperty("seq").GetInt64());
        var (task, run) = (Text(e, "task_id"), Text(e, "run_id"));
        var (stream, level, content, metadata) = largePayload > 0
            ? ("system", "info", $"[{largePayload} bytes: GET /api/v1/sessions/{session}/events?after={seq - 1}&limit=1]", [])
            : Read(type, e.GetProperty("data"));
        metadata["type"] = type;
        return new LogModel
        {
            Id = $"log_{session[(session.IndexOf('_') + 1)..]}_{seq}",
            SessionId = session,
            TaskId = task,
            RunId = run,
            RunnerId = await runners.OfAsync(task, run, cancellationToken),
            Stream = stream,
            Level = level,
            Content = content,
            Sequence = seq,
            Metadata = metadata,
            CreatedAt = e.GetProperty("time").GetDateTimeOffset().UtcDateTime,
        };
    }

    private static (string Stream, string Level, string Content, Dictionary<string, string> Metadata) Read(string type, JsonElement data)
    {
        var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
        switch (type)
        {
            case "log":
                return (Text(data, "stream", "stdout"), Text(data, "level", "info"), Text(data, "content"), metadata);
            case "tool_use":
                Copy(data, "tool_use_id", metadata);
                Copy(data, "parent_tool_use_id", metadata);
                metadata["name"] = Text(data, "name");
                return ("stdout", "info", $"{Text(data, "name")} {(data.TryGetProperty("input", out var input) ? input.GetRawText() : "")}".TrimEnd(), metadata);
            case "tool_result":
                Copy(data, "tool_use_id", metadata);
                var failed = data.TryGetProperty("is_error", out var flag) && flag.ValueKind == JsonValueKind.True;
                return ("stdout", failed ? "error" : "info", Text(data, "content"), metadata);
            case "error":
                metadata["code"] = Text(data, "code");
                return ("system", "error", $"{Text(data, "code")}: {Text(data, "message")}", metadata);
            default:
                Copy(data, "message_id", metadata);
                return ("stdout", "info", Text(data, "text"), metadata);
        }
    }

    private static void Copy(JsonElement data, string name, Dictionary<string, string> metadata)
    {
        if (Text(data, name) is { Length: > 0 } text) metadata[name] = text;
    }

    // Payloads come from agents: a member of another type than the schema's must not end the answer.
    private static string Text(JsonElement data, string name, string whenAbsent = "") =>
        data.ValueKind == JsonValueKind.Object && data.TryGetProperty(name, out var value)
            ? value.ValueKind switch { JsonValueKind.String => value.GetString()!, JsonValueKind.Null => whenAbsent, _ => value.GetRawText() }
            : whenAbsent;
}
