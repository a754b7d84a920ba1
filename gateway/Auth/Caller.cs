namespace Marionette.Gateway.Auth;

/// <summary>Who asks. The tenant of everything that a request touches comes from here and from nowhere else.</summary>
internal sealed record Caller(string KeyId, string? KeyName, string Tenant, IReadOnlyList<string> Scopes)
{
    /// <summary>For logs of who did it: the key's name for people, its id because names repeat.</summary>
    public string Actor => string.IsNullOrEmpty(KeyName) ? KeyId : $"{KeyName} ({KeyId})";

    /// <summary>Whether the key has the scope, itself or by a wildcard.</summary>
    public bool Has(string scope) => ScopeRules.Covers(Scopes, scope);
}
