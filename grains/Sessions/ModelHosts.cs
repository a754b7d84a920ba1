namespace Marionette.Sessions;

/// <summary>
/// Where an agent kind finds its model when nobody says otherwise. A runner reaches it under every network policy. Sources: the vendors'
/// documentation of their network needs; sign-in and telemetry hosts are left out on purpose.
/// </summary>
internal static class ModelHosts
{
    public static IEnumerable<string> Of(string agent, string? baseUrl)
    {
        if (Uri.TryCreate(baseUrl, UriKind.Absolute, out var address)) return [$"{address.IdnHost(brackets: true)}:{address.Port}"];
        return agent switch
        {
            "claude" => ["api.anthropic.com:443"],
            "codex" => ["api.openai.com:443"],
            _ => [], // What other agents call is the session's business: it lists it.
        };
    }

    private static string IdnHost(this Uri address, bool brackets) =>
        brackets && address.HostNameType == UriHostNameType.IPv6 ? $"[{address.DnsSafeHost}]" : address.IdnHost;
}
