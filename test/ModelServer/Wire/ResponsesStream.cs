using System.IO.Pipelines;
using System.Text;
using System.Text.Json;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Wire;

/// <summary>The events of the OpenAI Responses API.</summary>
internal sealed class ResponsesStream(PipeWriter output, AnswerWriter answer, Pace pace) : AnswerStream(output, pace)
{
    private readonly StringBuilder _text = new();
    private readonly ResponsesBody _body = new(answer);
    private int _index;
    private int _sequence;

    protected override void Begin()
    {
        Typed("response.created", json => _body.WriteResponse(json, "in_progress"));
        Typed("response.in_progress", json => _body.WriteResponse(json, "in_progress"));
    }

    protected override void StartText()
    {
        _text.Clear();
        Item("response.output_item.added", json => _body.WriteMessage(json, _index, null));
        Part("response.content_part.added", json => ResponsesBody.WriteText(json, "part", ""));
    }

    protected override void TextPiece(string piece)
    {
        _text.Append(piece);
        Part("response.output_text.delta", json => json.WriteString("delta", piece));
    }

    protected override void StopText()
    {
        var text = _text.ToString();
        Part("response.output_text.done", json => json.WriteString("text", text));
        Part("response.content_part.done", json => ResponsesBody.WriteText(json, "part", text));
        Done(json => _body.WriteMessage(json, _index, text));
    }

    protected override void Thinking(ThinkingBeat thinking)
    {
        Item("response.output_item.added", json => _body.WriteReasoning(json, _index, null));
        Summary("response.reasoning_summary_part.added", json => ResponsesBody.WriteSummary(json, "part", ""));
        foreach (var piece in Samples.Split(thinking.Text, 32))
            Summary("response.reasoning_summary_text.delta", json => json.WriteString("delta", piece));
        Summary("response.reasoning_summary_text.done", json => json.WriteString("text", thinking.Text));
        Summary("response.reasoning_summary_part.done", json => ResponsesBody.WriteSummary(json, "part", thinking.Text));
        Done(json => _body.WriteReasoning(json, _index, thinking.Text));
    }

    protected override void Tool(ToolBeat tool)
    {
        var arguments = tool.Input.ToJsonString();
        Item("response.output_item.added", json => _body.WriteCall(json, _index, tool.Tool, ""));
        foreach (var piece in Samples.Split(arguments, 24))
        {
            Typed("response.function_call_arguments.delta", json =>
            {
                json.WriteString("item_id", _body.ItemId("fc", _index));
                json.WriteNumber("output_index", _index);
                json.WriteString("delta", piece);
            });
        }

        Typed("response.function_call_arguments.done", json =>
        {
            json.WriteString("item_id", _body.ItemId("fc", _index));
            json.WriteNumber("output_index", _index);
            json.WriteString("arguments", arguments);
        });
        Done(json => _body.WriteCall(json, _index, tool.Tool, arguments));
    }

    protected override void Error(string type, string message) => Typed("response.failed", json => _body.WriteResponse(json, "failed", extra: () =>
    {
        json.WriteStartObject("error");
        json.WriteString("code", type == "overloaded_error" ? "server_is_overloaded" : type);
        json.WriteString("message", message);
        json.WriteEndObject();
    }));

    protected override void Finish(string stopReason)
    {
        var cut = stopReason == "max_tokens";
        var name = cut ? "response.incomplete" : "response.completed";
        Typed(name, json => _body.WriteResponse(json, cut ? "incomplete" : "completed", Usage.TokensOf(Bytes), () =>
        {
            if (!cut) return;
            json.WriteStartObject("incomplete_details");
            json.WriteString("reason", "max_output_tokens");
            json.WriteEndObject();
        }));
    }

    private void Done(Action<Utf8JsonWriter> item)
    {
        Item("response.output_item.done", item);
        _index++;
    }

    private void Item(string name, Action<Utf8JsonWriter> item) => Typed(name, json =>
    {
        json.WriteNumber("output_index", _index);
        json.WritePropertyName("item");
        item(json);
    });

    private void Part(string name, Action<Utf8JsonWriter> members) => Typed(name, json =>
    {
        json.WriteString("item_id", _body.ItemId("msg", _index));
        json.WriteNumber("output_index", _index);
        json.WriteNumber("content_index", 0);
        members(json);
    });

    private void Summary(string name, Action<Utf8JsonWriter> members) => Typed(name, json =>
    {
        json.WriteString("item_id", _body.ItemId("rs", _index));
        json.WriteNumber("output_index", _index);
        json.WriteNumber("summary_index", 0);
        members(json);
    });

    private void Typed(string name, Action<Utf8JsonWriter> members) => Event(name, json =>
    {
        json.WriteString("type", name);
        json.WriteNumber("sequence_number", _sequence++);
        members(json);
    });
}
