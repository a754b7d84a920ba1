using System.Collections.Immutable;
using Marionette.Gateway.Auth;

namespace Marionette.Gateway.Rest.Models;

/// <summary>An API key without its secret.</summary>
internal sealed class KeyModel
{
    public required string Id { get; init; }
    public required string Name { get; init; }
    public required string Tenant { get; init; }
    public required string KeyPrefix { get; init; }
    public required IReadOnlyList<string> Scopes { get; init; }
    public required IReadOnlyDictionary<string, string> Labels { get; init; }
    public required ImmutableDictionary<string, string> Annotations { get; init; }
    public required DateTime CreatedAt { get; init; }
    public string? CreatedBy { get; init; }
    public DateTime? LastUsedAt { get; init; }
    public DateTime? ExpiresAt { get; init; }
    public DateTime? RevokedAt { get; init; }
    public string? RevokeReason { get; init; }

    public static KeyModel Of(ApiKeyRecord key) => new()
    {
        Id = key.Id,
        Name = key.Name,
        Tenant = key.Tenant,
        KeyPrefix = key.KeyPrefix,
        Scopes = key.Scopes,
        Labels = key.Labels,
        Annotations = Shown.NoAnnotations,
        CreatedAt = key.CreatedAt.UtcDateTime,
        CreatedBy = key.CreatedBy,
        LastUsedAt = key.LastUsedAt?.UtcDateTime,
        ExpiresAt = key.ExpiresAt?.UtcDateTime,
        RevokedAt = key.RevokedAt?.UtcDateTime,
        RevokeReason = key.RevokeReason,
    };
}

/// <summary>A key that was just made.</summary>
internal sealed class CreatedKeyModel
{
    public required KeyModel Key { get; init; }
    /// <summary>The key itself. Shown this once: a repeat with the same idempotency key has it no more.</summary>
    public string? RawToken { get; init; }
}
