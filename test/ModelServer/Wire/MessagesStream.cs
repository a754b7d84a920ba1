using System.IO.Pipelines;
using System.Text.Json;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Wire;

/// <summary>The events of the Anthropic Messages API.</summary>
internal sealed class MessagesStream(PipeWriter output, AnswerWriter answer, Pace pace) : AnswerStream(output, pace)
{
    private int _index;
    private bool _pinged;

    protected override void Begin() => Typed("message_start", json =>
    {
        json.WriteStartObject("message");
        answer.Header(json);
        json.WriteStartArray("content");
        json.WriteEndArray();
        AnswerWriter.Stop(json, null);
        answer.WriteUsage(json, outputTokens: 1);
        json.WriteEndObject();
    });

    protected override void StartText() => Start(json =>
    {
        json.WriteString("type", "text");
        json.WriteString("text", "");
    });

    protected override void TextPiece(string piece) => Delta("text_delta", "text", piece);

    protected override void StopText() => Stop();

    protected override void Thinking(ThinkingBeat thinking)
    {
        Start(json =>
        {
            json.WriteString("type", "thinking");
            json.WriteString("thinking", "");
            json.WriteString("signature", "");
        });
        foreach (var piece in Samples.Split(thinking.Text, 32)) Delta("thinking_delta", "thinking", piece);
        Delta("signature_delta", "signature", answer.Signature);
        Stop();
    }

    protected override void Tool(ToolBeat tool)
    {
        Start(json =>
        {
            json.WriteString("type", "tool_use");
            json.WriteString("id", answer.ToolId(_index));
            json.WriteString("name", tool.Tool);
            json.WriteStartObject("input");
            json.WriteEndObject();
        });
        Delta("input_json_delta", "partial_json", ""); // the API begins with an empty one
        foreach (var piece in Samples.Split(tool.Input.ToJsonString(), 24)) Delta("input_json_delta", "partial_json", piece);
        Stop();
    }

    protected override void Error(string type, string message) => Typed("error", json =>
    {
        json.WriteStartObject("error");
        json.WriteString("type", type);
        json.WriteString("message", message);
        json.WriteEndObject();
    });

    protected override void Finish(string stopReason)
    {
        Typed("message_delta", json =>
        {
            json.WriteStartObject("delta");
            AnswerWriter.Stop(json, stopReason);
            json.WriteEndObject();
            answer.WriteUsage(json, Usage.TokensOf(Bytes));
        });
        Typed("message_stop", _ => { });
    }

    private void Start(Action<Utf8JsonWriter> block)
    {
        Typed("content_block_start", json =>
        {
            json.WriteNumber("index", _index);
            json.WriteStartObject("content_block");
            block(json);
            json.WriteEndObject();
        });
        if (_pinged) return;
        _pinged = true;
        Typed("ping", _ => { });
    }

    private void Delta(string type, string member, string value) => Typed("content_block_delta", json =>
    {
        json.WriteNumber("index", _index);
        json.WriteStartObject("delta");
        json.WriteString("type", type);
        json.WriteString(member, value);
        json.WriteEndObject();
    });

    private void Stop()
    {
        Typed("content_block_stop", json => json.WriteNumber("index", _index));
        _index++;
    }

    private void Typed(string name, Action<Utf8JsonWriter> members) => Event(name, json =>
    {
        json.WriteString("type", name);
        members(json);
    });
}
