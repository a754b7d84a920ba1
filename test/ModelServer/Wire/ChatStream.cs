using System.IO.Pipelines;
using System.Text.Json;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Wire;

/// <summary>The chunks of the OpenAI chat completions API.</summary>
internal sealed class ChatStream(PipeWriter output, AnswerWriter answer, Pace pace) : AnswerStream(output, pace)
{
    private int _calls;

    protected override void Begin() => Delta(json =>
    {
        json.WriteString("role", "assistant");
        json.WriteString("content", "");
    });

    protected override void StartText()
    {
    }

    protected override void TextPiece(string piece) => Delta(json => json.WriteString("content", piece));

    protected override void StopText()
    {
    }

    protected override void Thinking(ThinkingBeat thinking)
    {
        foreach (var piece in Samples.Split(thinking.Text, 32)) Delta(json => json.WriteString("reasoning_content", piece));
    }

    protected override void Tool(ToolBeat tool)
    {
        var index = _calls++;
        Call(index, json =>
        {
            json.WriteString("id", answer.CallId(index));
            json.WriteString("type", "function");
        }, tool.Tool, "");
        foreach (var piece in Samples.Split(tool.Input.ToJsonString(), 24)) Call(index, _ => { }, null, piece);
    }

    protected override void Error(string type, string message) => Event(null, json => AnswerWriter.WriteOpenAiError(json, type, message));

    protected override void Finish(string stopReason)
    {
        var reason = stopReason switch
        {
            "tool_use" => "tool_calls",
            "max_tokens" => "length",
            _ => "stop",
        };
        Chunk(_ => { }, reason);
        Event(null, json =>
        {
            answer.ChatHeader(json, "chat.completion.chunk");
            json.WriteStartArray("choices");
            json.WriteEndArray();
            answer.WriteChatUsage(json, Usage.TokensOf(Bytes));
        });
        Plain("[DONE]");
    }

    private void Call(int index, Action<Utf8JsonWriter> members, string? name, string arguments) => Delta(json =>
    {
        json.WriteStartArray("tool_calls");
        json.WriteStartObject();
        json.WriteNumber("index", index);
        members(json);
        json.WriteStartObject("function");
        if (name is not null) json.WriteString("name", name);
        json.WriteString("arguments", arguments);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteEndArray();
    });

    private void Delta(Action<Utf8JsonWriter> delta) => Chunk(delta, null);

    private void Chunk(Action<Utf8JsonWriter> delta, string? finish) => Event(null, json =>
    {
        answer.ChatHeader(json, "chat.completion.chunk");
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", 0);
        json.WriteStartObject("delta");
        delta(json);
        json.WriteEndObject();
        json.WriteString("finish_reason", finish);
        json.WriteEndObject();
        json.WriteEndArray();
    });
}
