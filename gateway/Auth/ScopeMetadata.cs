namespace Marionette.Gateway.Auth;

/// <summary>On an endpoint: what the caller's key must have.</summary>
/// <param name="Scope">For example <c>tasks:read</c>.</param>
/// <param name="TokenInQuery">A streaming route: browsers cannot set headers there, so <c>?token=</c> is taken too.</param>
internal sealed record ScopeMetadata(string Scope, bool TokenInQuery = false);
