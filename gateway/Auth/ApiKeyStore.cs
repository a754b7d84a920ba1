using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Marionette.Gateway.Json;
using Npgsql;
using NpgsqlTypes;

namespace Marionette.Gateway.Auth;

/// <summary>API keys in PostgreSQL. A key that was found is believed for <see cref="CacheTime"/>; a revocation here takes effect at once.</summary>
public sealed class ApiKeyStore(NpgsqlDataSource database, TimeProvider clock)
{
    /// <summary>How late a revocation by another gateway may be noticed.</summary>
    public static readonly TimeSpan CacheTime = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan UseResolution = TimeSpan.FromMinutes(1);
    private const int CacheLimit = 10_000;

    private readonly ConcurrentDictionary<KeyHash, Known> cache = new();
    private readonly ConcurrentDictionary<string, Use> uses = new(StringComparer.Ordinal);

    private sealed record Known(Caller Caller, DateTimeOffset Until);

    private sealed class Use
    {
        public DateTimeOffset At;
        public DateTimeOffset Written;
    }

    /// <summary>Who has this token; null when it is unknown, revoked or expired.</summary>
    internal async ValueTask<Caller?> FindAsync(string token, CancellationToken cancellationToken)
    {
        if (!ApiToken.IsShaped(token)) return null;
        var now = clock.GetUtcNow();
        var hash = ApiToken.Hash(token);
        if (cache.TryGetValue(KeyHash.Of(hash), out var known) && known.Until > now)
        {
            Touch(known.Caller.KeyId, now);
            return known.Caller;
        }

        await using var command = database.CreateCommand(
            "select id, name, tenant, scopes, key_hash, expires_at from marionette.api_key where key_hash = $1 and revoked_at is null");
        command.Parameters.Add(new() { Value = hash, NpgsqlDbType = NpgsqlDbType.Bytea });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken)) return null;
        DateTimeOffset? expires = row.IsDBNull(5) ? null : row.GetFieldValue<DateTimeOffset>(5);
        if (expires <= now || !CryptographicOperations.FixedTimeEquals(row.GetFieldValue<byte[]>(4), hash)) return null;

        var caller = new Caller(row.GetString(0), row.IsDBNull(1) ? null : row.GetString(1), row.GetString(2), row.GetFieldValue<string[]>(3));
        if (cache.Count >= CacheLimit) cache.Clear(); // cheaper than order: an entry lives for seconds anyway
        var until = now + CacheTime;
        cache[KeyHash.Of(hash)] = new Known(caller, expires < until ? expires.Value : until);
        Touch(caller.KeyId, now);
        return caller;
    }

    /// <summary>Stores a new key. False: one with this id exists, so this is a repeat.</summary>
    internal async Task<bool> AddAsync(ApiKeyRecord key, string token, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            insert into marionette.api_key (id, tenant, name, key_prefix, key_hash, scopes, labels, created_at, created_by, expires_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict (id) do nothing
            """);
        var parameters = command.Parameters;
        parameters.Add(new() { Value = key.Id });
        parameters.Add(new() { Value = key.Tenant });
        parameters.Add(new() { Value = key.Name });
        parameters.Add(new() { Value = key.KeyPrefix });
        parameters.Add(new() { Value = ApiToken.Hash(token) });
        parameters.Add(new() { Value = key.Scopes });
        parameters.Add(new() { Value = JsonSerializer.Serialize(key.Labels, GatewayJsonContext.Plain.DictionaryStringString), NpgsqlDbType = NpgsqlDbType.Jsonb });
        parameters.Add(new() { Value = key.CreatedAt.ToUniversalTime() });
        parameters.Add(new() { Value = (object?)key.CreatedBy ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        parameters.Add(new() { Value = (object?)key.ExpiresAt?.ToUniversalTime() ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.TimestampTz });
        return await command.ExecuteNonQueryAsync(cancellationToken) == 1;
    }

    /// <summary>A key of the tenant, or null.</summary>
    internal async Task<ApiKeyRecord?> GetAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand($"select {ApiKeyRecord.Columns} from marionette.api_key where tenant = $1 and id = $2");
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = id });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken) ? ApiKeyRecord.Read(row) : null;
    }

    /// <summary>Keys of the tenant, newest first, and how many there are in all.</summary>
    internal async Task<(List<ApiKeyRecord> Keys, long Total)> ListAsync(string tenant, string? before, int limit, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        var count = new NpgsqlBatchCommand("select count(*) from marionette.api_key where tenant = $1");
        count.Parameters.Add(new() { Value = tenant });
        var page = new NpgsqlBatchCommand(
            $"select {ApiKeyRecord.Columns} from marionette.api_key where tenant = $1 and ($2 is null or id < $2) order by id desc limit $3");
        page.Parameters.Add(new() { Value = tenant });
        page.Parameters.Add(new() { Value = (object?)before ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        page.Parameters.Add(new() { Value = limit });
        batch.BatchCommands.Add(count);
        batch.BatchCommands.Add(page);
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        var total = row.GetInt64(0);
        await row.NextResultAsync(cancellationToken);
        var keys = new List<ApiKeyRecord>();
        while (await row.ReadAsync(cancellationToken)) keys.Add(ApiKeyRecord.Read(row));
        return (keys, total);
    }

    /// <summary>Ends a key; a repeat keeps the first time and reason. False: the tenant has no such key.</summary>
    internal async Task<bool> RevokeAsync(string tenant, string id, string? reason, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            update marionette.api_key
               set revoked_at = coalesce(revoked_at, $3), revoke_reason = case when revoked_at is null then $4 else revoke_reason end
             where tenant = $1 and id = $2
            """);
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = clock.GetUtcNow() });
        command.Parameters.Add(new() { Value = (object?)reason ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        var found = await command.ExecuteNonQueryAsync(cancellationToken) == 1;
        foreach (var entry in cache) if (entry.Value.Caller.KeyId == id) cache.TryRemove(entry);
        return found;
    }

    /// <summary>Writes when keys were last used, at most once a minute for each, away from any request.</summary>
    internal async Task FlushUsesAsync(CancellationToken cancellationToken)
    {
        var due = uses.Where(use => use.Value.At > use.Value.Written && use.Value.At - use.Value.Written >= UseResolution).ToArray();
        if (due.Length == 0) return;
        await using var command = database.CreateCommand(
            """
            update marionette.api_key as k set last_used_at = greatest(k.last_used_at, u.at)
              from unnest($1::text[], $2::timestamptz[]) as u (id, at) where k.id = u.id
            """);
        command.Parameters.Add(new() { Value = due.Select(use => use.Key).ToArray() });
        command.Parameters.Add(new() { Value = due.Select(use => use.Value.At).ToArray() });
        await command.ExecuteNonQueryAsync(cancellationToken);
        foreach (var (_, use) in due) use.Written = use.At;
    }

    private void Touch(string keyId, DateTimeOffset now) => uses.GetOrAdd(keyId, static _ => new Use()).At = now;
}
