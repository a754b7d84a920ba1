using System.Text.Json;
using Marionette.Agent.Events;
using Marionette.Protocol.V1;

namespace Marionette.Agent.Agents.Codex;

/// <summary>Writes the result of a request for approval.</summary>
internal static class CodexReply
{
    /// <param name="method">What was asked.</param>
    /// <param name="asked">Its parameters, where the answer needs them.</param>
    public static void Write(Utf8JsonWriter json, string method, JsonElement asked, AnswerPermission answer)
    {
        switch (method)
        {
            case "item/permissions/requestApproval":
                json.WritePropertyName("permissions"u8);
                if (answer.Allow && asked.Member("permissions"u8) is { ValueKind: JsonValueKind.Object } wanted)
                    wanted.WriteTo(json);
                else
                    json.WriteRawValue("{}"u8);
                json.WriteString("scope"u8, "turn"u8);
                break;
            case "mcpServer/elicitation/request":
                json.WriteString("action"u8, answer.Allow ? "accept"u8 : answer.Interrupt ? "cancel"u8 : "decline"u8);
                json.WritePropertyName("content"u8);
                if (answer.Allow && !answer.UpdatedInput.IsEmpty)
                    json.WriteRawValue(answer.UpdatedInput.Span);
                else
                    json.WriteNullValue();
                break;
            case "item/tool/requestUserInput":
                WriteAnswers(json, answer);
                break;
            default:
                json.WriteString("decision"u8, answer.Allow ? "accept"u8 : answer.Interrupt ? "cancel"u8 : "decline"u8);
                break;
        }
    }

    private static void WriteAnswers(Utf8JsonWriter json, AnswerPermission answer)
    {
        json.WriteStartObject("answers"u8);
        if (answer.Allow && !answer.UpdatedInput.IsEmpty)
        {
            using var document = JsonDocument.Parse(answer.UpdatedInput.Memory);
            var given = document.RootElement.Member("answers"u8);
            if (given.ValueKind == JsonValueKind.Object)
            {
                foreach (var one in given.EnumerateObject())
                    WriteAnswer(json, one);
            }
        }

        json.WriteEndObject();
    }

    // A text, a list of texts, or Codex's own shape.
    private static void WriteAnswer(Utf8JsonWriter json, JsonProperty one)
    {
        json.WriteStartObject(one.Name);
        json.WriteStartArray("answers"u8);
        var list = one.Value.ValueKind == JsonValueKind.Object ? one.Value.Member("answers"u8) : one.Value;
        if (list.ValueKind == JsonValueKind.String)
            list.WriteTo(json);
        foreach (var text in list.Items().Where(text => text.ValueKind == JsonValueKind.String))
            text.WriteTo(json);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
