using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;

namespace Marionette.Pools;

/// <summary>What becomes of a pool's tokens: no clock, no store.</summary>
internal static class JoinTokens
{
    private const string Prefix = "mj_";
    private const int MaxLive = 100, MaxTenants = 200, MaxName = 80, MaxHostsLimit = 100_000;

    /// <summary>How long one that is over is still shown.</summary>
    private static readonly TimeSpan Shown = TimeSpan.FromDays(30);

    /// <exception cref="MarionetteException">Invalid, Conflict.</exception>
    public static (PoolRecord Next, JoinTokenCreated Created) Create(PoolRecord pool, CreateJoinToken command, DateTimeOffset now)
    {
        var tenants = command.Tenants.IsDefault ? [] : command.Tenants.Distinct().Order(StringComparer.Ordinal).ToImmutableArray();
        Check(command, tenants, now);
        pool = Cleaned(pool, now);
        if (pool.Tokens.Count(token => token.IsLive(now)) >= MaxLive)
            throw new MarionetteException(FaultCode.Conflict, $"The pool has {MaxLive} join tokens already: revoke some that are not needed.");
        var secret = Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)).TrimEnd('=').Replace('+', '-').Replace('/', '_');
        var made = new JoinTokenRecord
        {
            Id = EntityId.New(EntityId.JoinToken, now), Name = command.Name.Trim(), Hash = Hash(Encoding.UTF8.GetBytes(secret)), Tenants = tenants,
            CreatedAt = now, ExpiresAt = command.ExpiresAt, MaxHosts = command.MaxHosts,
        };
        return (pool with { Tokens = pool.Tokens.Add(made) }, new JoinTokenCreated(made.ToView(), secret));
    }

    /// <summary>Those that are shown, newest last.</summary>
    public static ImmutableArray<JoinTokenView> List(PoolRecord pool, DateTimeOffset now) => [.. Cleaned(pool, now).Tokens.Select(token => token.ToView())];

    /// <exception cref="MarionetteException">NotFound.</exception>
    public static (PoolRecord Next, JoinTokenView View) Revoke(PoolRecord pool, string id, DateTimeOffset now)
    {
        pool = Cleaned(pool, now);
        var at = pool.Tokens.Select(token => token.Id).ToList().IndexOf(id);
        if (at < 0) throw new MarionetteException(FaultCode.NotFound, "No such join token.");
        var token = pool.Tokens[at];
        if (token.RevokedAt is not null) return (pool, token.ToView());
        token = token with { RevokedAt = now };
        return (pool with { Tokens = pool.Tokens.SetItem(at, token) }, token.ToView());
    }

    /// <summary>Takes a host in. One that has joined by the token before finds it as it was, whatever became of the token since.</summary>
    /// <exception cref="MarionetteException">TokenRefused.</exception>
    public static (PoolRecord Next, ImmutableArray<string> Tenants) Redeem(PoolRecord pool, string hostId, string secret, DateTimeOffset now)
    {
        var (hash, at) = (Hash(Encoding.UTF8.GetBytes(secret)), -1);
        // All of them, in constant time each: how long it takes tells nothing of which one was nearly right.
        for (var i = 0; i < pool.Tokens.Length; i++) if (Same(pool.Tokens[i].Hash, hash)) at = i;
        if (at < 0) throw new MarionetteException(FaultCode.TokenRefused, "The join token is not known.");
        var token = pool.Tokens[at];
        if (pool.Hosts.GetValueOrDefault(hostId) == token.Id) return (pool, token.Tenants);
        if (token.RevokedAt is not null) throw new MarionetteException(FaultCode.TokenRefused, "The join token was revoked.");
        if (!token.IsLive(now)) throw new MarionetteException(FaultCode.TokenRefused, "The join token has expired.");
        if (token.MaxHosts > 0 && token.Hosts >= token.MaxHosts)
            throw new MarionetteException(FaultCode.TokenRefused, $"The join token is used up: {token.MaxHosts} host(s) have joined by it.");
        return (pool with
        {
            Tokens = pool.Tokens.SetItem(at, token with { Hosts = token.Hosts + 1 }), Hosts = pool.Hosts.SetItem(hostId, token.Id),
        }, token.Tenants);
    }

    public static string Hash(byte[] value) => Convert.ToHexStringLower(SHA256.HashData(value));

    public static bool Same(string a, string b) => CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(a), Encoding.ASCII.GetBytes(b));

    private static PoolRecord Cleaned(PoolRecord pool, DateTimeOffset now) => pool with
    {
        Tokens = [.. pool.Tokens.Where(token => token.IsLive(now) || now - (token.RevokedAt ?? token.ExpiresAt) < Shown)],
    };

    private static void Check(CreateJoinToken command, ImmutableArray<string> tenants, DateTimeOffset now)
    {
        var errors = ImmutableArray.CreateBuilder<FieldError>();
        if (string.IsNullOrWhiteSpace(command.Name) || command.Name.Trim().Length > MaxName || command.Name.Any(char.IsControl))
            errors.Add(new FieldError("name", $"1 to {MaxName} characters."));
        if (tenants.Length > MaxTenants) errors.Add(new FieldError("tenants", $"At most {MaxTenants}."));
        if (tenants.FirstOrDefault(tenant => !GrainKeys.IsTenant(tenant)) is { } wrong) errors.Add(new FieldError("tenants", $"\"{wrong}\" is no tenant's name."));
        if (command.ExpiresAt <= now) errors.Add(new FieldError("expires_at", "It lies in the past."));
        if (command.MaxHosts is < 0 or > MaxHostsLimit) errors.Add(new FieldError("max_hosts", $"0 (any number) to {MaxHostsLimit}."));
        if (errors.Count > 0) throw new MarionetteException(errors.ToImmutable());
    }
}
