using System.Text.Json;
using Marionette.Gateway.Rest.Models;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest;

/// <summary>What a new task may ask for.</summary>
internal static class TaskRules
{
    private const int MaxPrompt = 1024 * 1024, SevenDays = 7 * 24 * 3600, MaxSchema = 64 * 1024;

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    public static SubmitTask Check(CreateTaskModel body, string taskId)
    {
        var errors = new FieldErrors();
        if (string.IsNullOrEmpty(body.SessionId)) errors.Add("session_id", "is required");
        if (string.IsNullOrWhiteSpace(body.Prompt)) errors.Add("prompt", "is required");
        else if (FieldErrors.Utf8Length(body.Prompt) > MaxPrompt) errors.Add("prompt", $"must have at most {MaxPrompt} bytes");
        else if (body.Prompt.Contains('\0')) errors.Add("prompt", "must not hold U+0000");
        var command = new SubmitTask(
            taskId,
            body.Prompt ?? "",
            errors.Number("timeout_seconds", body.TimeoutSeconds, 1, SevenDays, 3600),
            errors.Number("max_retries", body.MaxRetries, 0, 10, 0),
            errors.Labels("labels", body.Labels),
            errors.Id("continue_from", body.ContinueFrom, EntityId.Task),
            FileRules.Check(errors, body.Files),
            Schema(errors, body.OutputSchema),
            BudgetRules.Check(errors, "budget", body.Budget),
            errors.Choice("conversation", body.Conversation, "continue", "continue", "new") == "new");
        if (command is { NewConversation: true, ContinueFrom: not null }) errors.Add("conversation", "cannot be \"new\" together with continue_from");
        errors.ThrowIfAny();
        return command;
    }

    /// <exception cref="MarionetteException">Invalid, with every wrong field.</exception>
    public static SendMessage Check(SendMessageModel body, string taskId, string messageId, string by)
    {
        var errors = new FieldErrors();
        if (string.IsNullOrWhiteSpace(body.Text)) errors.Add("text", "is required");
        else if (FieldErrors.Utf8Length(body.Text) > MaxPrompt) errors.Add("text", $"must have at most {MaxPrompt} bytes");
        else if (body.Text.Contains('\0')) errors.Add("text", "must not hold U+0000");
        var message = new SendMessage(taskId, messageId, body.Text ?? "", by, FileRules.Check(errors, body.Files));
        errors.ThrowIfAny();
        return message;
    }

    private static string? Schema(FieldErrors errors, JsonElement? schema)
    {
        if (schema is not { } given) return null;
        var text = given.GetRawText();
        if (given.ValueKind != JsonValueKind.Object) errors.Add("output_schema", "must be a JSON Schema, an object");
        else if (FieldErrors.Utf8Length(text) > MaxSchema) errors.Add("output_schema", $"must have at most {MaxSchema} bytes");
        else if (text.Contains("\\u0000", StringComparison.Ordinal)) errors.Add("output_schema", "must not hold U+0000");
        return text;
    }
}
