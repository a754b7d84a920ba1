using System.Text.Json;
using Marionette.Agent.Events;

namespace Marionette.Agent.Agents.Codex;

/// <summary>Reads Codex's errors.</summary>
internal static class CodexErrors
{
    /// <summary>One of <see cref="ErrorCodes"/>.</summary>
    /// <param name="error">A turn's error.</param>
    public static string CodeOf(JsonElement error)
    {
        var info = error.Member("codexErrorInfo"u8);
        var name = info.ValueKind == JsonValueKind.String ? info.GetString() : null;
        var status = StatusOf(info);
        return name switch
        {
            "unauthorized" => ErrorCodes.AuthenticationFailed,
            "contextWindowExceeded" => ErrorCodes.ContextExceeded,
            "sessionBudgetExceeded" => ErrorCodes.BudgetExceeded,
            "usageLimitExceeded" => ErrorCodes.UsageLimit,
            "rateLimitExceeded" => ErrorCodes.RateLimited,
            "serverOverloaded" or "flexUnavailable" or "policyCapacityUnavailable" => ErrorCodes.Overloaded,
            _ => status switch
            {
                401 or 403 => ErrorCodes.AuthenticationFailed,
                413 => ErrorCodes.ContextExceeded,
                429 => ErrorCodes.RateLimited,
                503 or 529 => ErrorCodes.Overloaded,
                _ => FromText(MessageOf(error)),
            },
        };
    }

    public static string MessageOf(JsonElement error)
    {
        var message = error.Text("message"u8) ?? "Codex reported an error without a text.";
        var detail = error.Text("additionalDetails"u8);
        return string.IsNullOrEmpty(detail) || message.Contains(detail, StringComparison.Ordinal) ? message : $"{message} ({detail})";
    }

    // {"responseStreamDisconnected":{"httpStatusCode":429}}: one member, named after the failure.
    private static long StatusOf(JsonElement info)
    {
        if (info.ValueKind != JsonValueKind.Object)
            return 0;
        foreach (var failure in info.EnumerateObject())
            return failure.Value.Number("httpStatusCode"u8);
        return 0;
    }

    // For refusals that Codex has no word for, it passes on what the model server said.
    private static string FromText(string message)
    {
        if (Has(message, "context_length_exceeded") || Has(message, "prompt is too long"))
            return ErrorCodes.ContextExceeded;
        if (Has(message, "status 401") || Has(message, "401 Unauthorized") || Has(message, "invalid_api_key"))
            return ErrorCodes.AuthenticationFailed;
        if (Has(message, "429 Too Many Requests"))
            return ErrorCodes.RateLimited;
        return Has(message, "503 Service Unavailable") || Has(message, "status 529") || Has(message, "server_is_overloaded")
            ? ErrorCodes.Overloaded
            : ErrorCodes.ModelError;
    }

    private static bool Has(string text, string part) => text.Contains(part, StringComparison.OrdinalIgnoreCase);
}
