using System.Security.Cryptography;
using System.Text;
using Npgsql;

namespace Marionette.Gateway.Idempotency;

/// <summary>What a POST is about to make, or has made before.</summary>
/// <param name="ResultId">The id to work with: a repeat gets the first one's.</param>
/// <param name="Key">The caller's key, or null.</param>
/// <param name="IsRepeat">The key came before with the same request.</param>
internal readonly record struct Reservation(string ResultId, string? Key, bool IsRepeat)
{
    /// <summary>A command without an id of its own that was carried out to the end: it is not done again.</summary>
    public bool IsDone => ResultId == IdempotencyStore.Done;
}

/// <summary>
/// Binds an <c>Idempotency-Key</c> to one request and to the id that this made. The row is written before the command, and commands are
/// idempotent by that id: whatever dies in between, a repeat comes to the same object.
/// </summary>
internal sealed class IdempotencyStore(NpgsqlDataSource database, TimeProvider clock, GatewayOptions options)
{
    /// <summary>Result of a command that makes no object (suspend, cancel), once it is through.</summary>
    public const string Done = "done";

    public async Task<Reservation> ReserveAsync(
        string tenant, string? key, string route, ReadOnlyMemory<byte> body, string freshId, CancellationToken cancellationToken)
    {
        if (key is null) return new(freshId, null, false);
        var hash = HashOf(route, body.Span);
        var now = clock.GetUtcNow();
        await using var batch = database.CreateBatch();
        var insert = new NpgsqlBatchCommand(
            """
            insert into marionette.idempotency as i (tenant, key, route, body_hash, result_id, created_at) values ($1, $2, $3, $4, $5, $6)
            on conflict (tenant, key) do update
               set route = excluded.route, body_hash = excluded.body_hash, result_id = excluded.result_id, created_at = excluded.created_at
             where i.created_at < $7
            """);
        insert.Parameters.Add(new() { Value = tenant });
        insert.Parameters.Add(new() { Value = key });
        insert.Parameters.Add(new() { Value = route });
        insert.Parameters.Add(new() { Value = hash });
        insert.Parameters.Add(new() { Value = freshId });
        insert.Parameters.Add(new() { Value = now });
        insert.Parameters.Add(new() { Value = now - options.IdempotencyLifetime });
        var select = new NpgsqlBatchCommand("select body_hash, result_id from marionette.idempotency where tenant = $1 and key = $2");
        select.Parameters.Add(new() { Value = tenant });
        select.Parameters.Add(new() { Value = key });
        batch.BatchCommands.Add(insert);
        batch.BatchCommands.Add(select);
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        if (!await row.ReadAsync(cancellationToken)) throw new NpgsqlException("The idempotency row has just been purged.", new TimeoutException());
        if (!CryptographicOperations.FixedTimeEquals(row.GetFieldValue<byte[]>(0), hash))
            throw new MarionetteException(FaultCode.IdempotencyMismatch, "This Idempotency-Key came before with another method, path or body.");
        var result = row.GetString(1);
        return new(result, key, result != freshId);
    }

    /// <summary>Tells what a command that chooses its result itself came to: <see cref="Done"/> for one that makes no object.</summary>
    public async Task CompleteAsync(string tenant, Reservation reservation, string resultId, CancellationToken cancellationToken)
    {
        if (reservation.Key is null) return;
        await using var command = database.CreateCommand("update marionette.idempotency set result_id = $3 where tenant = $1 and key = $2");
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = reservation.Key });
        command.Parameters.Add(new() { Value = resultId });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Frees the key: the command was refused and changed nothing.</summary>
    public async Task ReleaseAsync(string tenant, Reservation reservation, CancellationToken cancellationToken)
    {
        if (reservation.Key is null) return;
        await using var command = database.CreateCommand("delete from marionette.idempotency where tenant = $1 and key = $2 and result_id = $3");
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = reservation.Key });
        command.Parameters.Add(new() { Value = reservation.ResultId });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Drops what is too old to matter; returns how many rows.</summary>
    public async Task<int> PurgeAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand("delete from marionette.idempotency where created_at < $1");
        command.Parameters.Add(new() { Value = clock.GetUtcNow() - options.IdempotencyLifetime });
        return await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>SHA-256 of method, path and body. The route has a length in front, so that no two requests run together.</summary>
    internal static byte[] HashOf(string route, ReadOnlySpan<byte> body)
    {
        var name = Encoding.UTF8.GetBytes(route);
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        sha.AppendData(BitConverter.GetBytes(name.Length));
        sha.AppendData(name);
        sha.AppendData(body);
        return sha.GetHashAndReset();
    }
}
