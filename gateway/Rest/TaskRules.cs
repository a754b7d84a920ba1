using Marionette.Gateway.Rest.Models;
using Marionette.Sessions;

namespace Marionette.Gateway.Rest;

/// <summary>What a new task may ask for.</summary>
internal static class TaskRules
{
    private const int MaxPrompt = 1024 * 1024, SevenDays = 7 * 24 * 3600;

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
            errors.Id("continue_from", body.ContinueFrom, EntityId.Task));
        errors.ThrowIfAny();
        return command;
    }
}
