using System.Buffers;
using System.Text;
using Marionette.ModelServer.Scenarios;

namespace Marionette.ModelServer.Wire;

/// <summary>Writes an answer as one JSON message, for callers that did not ask for a stream.</summary>
internal static class MessagesBody
{
    public static void Write(IBufferWriter<byte> output, AnswerWriter answer, Answer script)
    {
        long bytes = 0;
        var index = 0;
        using var json = AnswerWriter.Open(output);
        json.WriteStartObject();
        answer.Header(json);
        json.WriteStartArray("content");
        foreach (var beat in script.Beats)
        {
            bytes += AnswerWriter.BytesOf(beat);
            switch (beat)
            {
                case TextBeat text:
                    var whole = string.Concat(text.Pieces);
                    bytes += Encoding.UTF8.GetByteCount(whole);
                    json.WriteStartObject();
                    json.WriteString("type", "text");
                    json.WriteString("text", whole);
                    json.WriteEndObject();
                    break;
                case ThinkingBeat thinking:
                    json.WriteStartObject();
                    json.WriteString("type", "thinking");
                    json.WriteString("thinking", thinking.Text);
                    json.WriteString("signature", answer.Signature);
                    json.WriteEndObject();
                    break;
                case ToolBeat tool:
                    json.WriteStartObject();
                    json.WriteString("type", "tool_use");
                    json.WriteString("id", answer.ToolId(index));
                    json.WriteString("name", tool.Tool);
                    json.WritePropertyName("input");
                    tool.Input.WriteTo(json);
                    json.WriteEndObject();
                    break;
                default:
                    continue; // silence and failures make no block
            }

            index++;
        }

        json.WriteEndArray();
        AnswerWriter.Stop(json, script.StopReason);
        answer.WriteUsage(json, Usage.TokensOf(bytes));
        json.WriteEndObject();
    }
}
