using System.Collections.Frozen;

namespace Marionette.Gateway.Auth;

/// <summary>
/// Scopes are <c>area:read</c> and <c>area:write</c>; <c>area:*</c> is both, <c>*</c> is every area. <c>operator</c> (act for other
/// tenants, and what belongs to no tenant: pools of hosts) is outside of <c>*</c>: it has to be given by name.
/// </summary>
internal static class ScopeRules
{
    public const string Operator = "operator", All = "*";

    private static readonly FrozenSet<string> Areas = new[]
    {
        "sessions", "tasks", "runners", "permissions", "policies", "workspaces", "scheduled-tasks", "tunnels", "events", "streams", "keys", "agent-configs", "profiles", "usage",
    }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>Whether somebody with these scopes may do what needs this one, or may hand it on.</summary>
    public static bool Covers(IReadOnlyList<string> scopes, string needed)
    {
        foreach (var scope in scopes)
        {
            if (scope == needed) return true;
            if (needed == Operator) continue;
            if (scope == All) return true;
            if (scope.EndsWith(":*", StringComparison.Ordinal) && needed.AsSpan().StartsWith(scope.AsSpan(0, scope.Length - 1))) return true;
        }
        return false;
    }

    /// <summary>Whether the text is a scope that exists.</summary>
    public static bool IsKnown(string scope)
    {
        if (scope is All or Operator) return true;
        var colon = scope.IndexOf(':');
        return colon > 0 && Areas.Contains(scope[..colon]) && scope[(colon + 1)..] is ("read" or "write" or "*");
    }
}
