using Marionette.Agent.Agents.Rpc;

namespace Marionette.Agent.Agents.Acp;

/// <summary>
/// What an error means. The protocol has a code for a missing login alone; the rest stands in the sentence that the agent passes on
/// from its model.
/// </summary>
internal static class AcpErrors
{
    private const int AuthenticationRequired = -32000;

    public static string CodeOf(RpcException exception) =>
        exception.Code == AuthenticationRequired ? ErrorCodes.AuthenticationFailed : CodeOf(exception.Message);

    public static string CodeOf(string text)
    {
        if (Has(text, "invalid x-api-key", "invalid_api_key", "authentication", "unauthorized", "invalid api key", "not logged in", "401"))
            return ErrorCodes.AuthenticationFailed;
        if (Has(text, "prompt is too long", "context window", "context_length_exceeded", "context length"))
            return ErrorCodes.ContextExceeded;
        if (Has(text, "usage limit", "usage_limit", "quota"))
            return ErrorCodes.UsageLimit;
        if (Has(text, "rate limit", "rate_limit", "too many requests", "429"))
            return ErrorCodes.RateLimited;
        return Has(text, "overloaded", "529", "503") ? ErrorCodes.Overloaded : ErrorCodes.ModelError;
    }

    private static bool Has(string text, params ReadOnlySpan<string> parts)
    {
        foreach (var part in parts)
        {
            if (text.Contains(part, StringComparison.OrdinalIgnoreCase))
                return true;
        }

        return false;
    }
}
