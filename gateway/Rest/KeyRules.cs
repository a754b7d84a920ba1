using Marionette.Gateway.Auth;
using Marionette.Gateway.Rest.Models;

namespace Marionette.Gateway.Rest;

/// <summary>What a new key may be: nobody hands on more than they have.</summary>
internal static class KeyRules
{
    /// <summary>The record without its id.</summary>
    /// <exception cref="MarionetteException">Invalid; Forbidden when it asks for more than the caller has.</exception>
    public static ApiKeyRecord Check(CreateKeyModel body, Caller caller, DateTimeOffset now, string shown)
    {
        var errors = new FieldErrors();
        var name = errors.Text("name", body.Name, 200);
        if (string.IsNullOrWhiteSpace(name)) errors.Add("name", "is required");
        var scopes = body.Scopes is { Count: > 0 } given ? given.Select(scope => scope ?? "").Distinct().ToArray() : [ScopeRules.All];
        if (scopes.Length > 50) errors.Add("scopes", "must have at most 50 entries");
        foreach (var scope in scopes)
            if (!ScopeRules.IsKnown(scope)) errors.Add("scopes", "must be *, operator, or area:read, area:write, area:* of an area of this API");
        if (body.ExpiresAt <= now) errors.Add("expires_at", "must lie in the future");
        if (body.Tenant is not null && !GrainKeys.IsTenant(body.Tenant)) errors.Add("tenant", "must have 1 to 40 characters of a-z, 0-9 and -");
        var labels = errors.Labels("labels", body.Labels);
        errors.ThrowIfAny();

        var tenant = body.Tenant ?? caller.Tenant;
        if (tenant != caller.Tenant && !caller.Has(ScopeRules.Operator))
            throw new MarionetteException(FaultCode.Forbidden, "A key of another tenant needs the scope operator.");
        if (scopes.FirstOrDefault(scope => !caller.Has(scope)) is { } missing)
            throw new MarionetteException(FaultCode.Forbidden, $"The calling key lacks the scope {missing}, so it cannot give it.");
        return new ApiKeyRecord(
            "", tenant, name!, shown, scopes, new Dictionary<string, string>(labels), now, caller.KeyId, null, body.ExpiresAt, null, null);
    }
}
