using System.Collections.Immutable;

namespace Marionette.Pools;

/// <summary>A pool's row: who may join, and who has.</summary>
internal sealed record PoolRecord
{
    public ImmutableArray<JoinTokenRecord> Tokens { get => field.IsDefault ? [] : field; init; } = [];

    /// <summary>Hosts that have joined and were not removed, each with the token that it joined by.</summary>
    public ImmutableDictionary<string, string> Hosts { get => field ?? ImmutableDictionary<string, string>.Empty; init; } = ImmutableDictionary<string, string>.Empty;
}

/// <summary>A join token as it is kept.</summary>
internal sealed record JoinTokenRecord
{
    public required string Id { get; init; }

    public string Name { get; init; } = "";

    /// <summary>SHA-256 of the token, hex.</summary>
    public required string Hash { get; init; }

    public ImmutableArray<string> Tenants { get => field.IsDefault ? [] : field; init; } = [];

    public DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? ExpiresAt { get; init; }

    public int MaxHosts { get; init; }

    /// <summary>Hosts that ever joined by it: one that was removed gives no place back.</summary>
    public int Hosts { get; init; }

    public DateTimeOffset? RevokedAt { get; init; }

    public bool IsLive(DateTimeOffset now) => RevokedAt is null && !(ExpiresAt <= now);

    public JoinTokenView ToView() => new(Id, Name, Tenants, CreatedAt, ExpiresAt, MaxHosts, Hosts, RevokedAt);
}
