namespace Marionette.Agent.Agents;

/// <summary>Takes known secrets out of a text before it leaves the agent: an error output may quote what it was given.</summary>
internal static class Redactor
{
    private const int Shortest = 6;

    public static string Redact(string text, params ReadOnlySpan<string?> secrets)
    {
        foreach (var secret in secrets)
        {
            if (secret is { Length: >= Shortest })
                text = text.Replace(secret, "[redacted]", StringComparison.Ordinal);
        }

        return text;
    }
}
