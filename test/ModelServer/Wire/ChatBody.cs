using System.Buffers;
using System.Text;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Wire;

/// <summary>Writes an answer as one chat completion, for callers that did not ask for a stream.</summary>
internal static class ChatBody
{
    public static void Write(IBufferWriter<byte> output, AnswerWriter answer, Answer script)
    {
        var text = string.Concat(script.Beats.OfType<TextBeat>().SelectMany(beat => beat.Pieces));
        var thought = string.Concat(script.Beats.OfType<ThinkingBeat>().Select(beat => beat.Text));
        var calls = script.Beats.OfType<ToolBeat>().ToList();
        var bytes = script.Beats.Sum(AnswerWriter.BytesOf) + Encoding.UTF8.GetByteCount(text);
        using var json = AnswerWriter.Open(output);
        json.WriteStartObject();
        answer.ChatHeader(json, "chat.completion");
        json.WriteStartArray("choices");
        json.WriteStartObject();
        json.WriteNumber("index", 0);
        json.WriteStartObject("message");
        json.WriteString("role", "assistant");
        json.WriteString("content", text);
        if (thought.Length > 0) json.WriteString("reasoning_content", thought);
        if (calls.Count > 0)
        {
            json.WriteStartArray("tool_calls");
            for (var i = 0; i < calls.Count; i++)
            {
                json.WriteStartObject();
                json.WriteString("id", answer.CallId(i));
                json.WriteString("type", "function");
                json.WriteStartObject("function");
                json.WriteString("name", calls[i].Tool);
                json.WriteString("arguments", calls[i].Input.ToJsonString());
                json.WriteEndObject();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
        json.WriteString("finish_reason", calls.Count > 0 ? "tool_calls" : "stop");
        json.WriteEndObject();
        json.WriteEndArray();
        answer.WriteChatUsage(json, Usage.TokensOf(bytes));
        json.WriteEndObject();
    }
}
