using Marionette.Workspaces;
using Npgsql;
using NpgsqlTypes;

namespace Marionette.Gateway.Workspaces;

/// <summary>
/// Where a tenant's chunks lie, on PostgreSQL: all gateways see what one of them adds. Of several places of a chunk the one that was added first is told: what
/// a later pack says of its id changes nothing.
/// </summary>
internal sealed class PostgresChunkIndex(NpgsqlDataSource database, string tenant) : IChunkIndex
{
    private const int MethodShift = 4, TypeMask = 0x0f;

    /// <inheritdoc/>
    public async ValueTask FindAsync(ReadOnlyMemory<ChunkId> ids, Memory<ChunkLocation?> found, CancellationToken cancellationToken)
    {
        if (ids.IsEmpty) return;
        await using var command = database.CreateCommand(
            """
            select distinct on (c.id) c.id, c.pack, p.name, c.position, c.stored_length, c.plain_length, c.kind
              from marionette.chunk c join marionette.chunk_pack p on p.number = c.pack
             where c.id = any ($2) and p.tenant = $1 order by c.id, c.pack, c.position
            """);
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = ids.ToArray().Select(ToUuid).ToArray() });
        var places = new Dictionary<Guid, ChunkLocation>(ids.Length);
        var names = new Dictionary<long, string>();
        await using (var row = await command.ExecuteReaderAsync(cancellationToken))
        {
            while (await row.ReadAsync(cancellationToken))
            {
                if (!names.TryGetValue(row.GetInt64(1), out var pack)) names[row.GetInt64(1)] = pack = Convert.ToHexStringLower(row.GetFieldValue<byte[]>(2));
                var kind = row.GetInt16(6);
                places[row.GetGuid(0)] = new ChunkLocation
                {
                    Pack = pack, Offset = row.GetInt32(3), StoredLength = row.GetInt32(4), PlainLength = row.GetInt32(5), Type = (ChunkType)(kind & TypeMask),
                    Method = (ChunkMethod)(kind >> MethodShift),
                };
            }
        }

        for (var i = 0; i < ids.Length; i++) found.Span[i] = places.TryGetValue(ToUuid(ids.Span[i]), out var place) ? place : null;
    }

    /// <inheritdoc/>
    public async Task AddAsync(IReadOnlyList<PackContents> packs, CancellationToken cancellationToken)
    {
        if (packs.Count == 0) return;
        await using var connection = await database.OpenConnectionAsync(cancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(cancellationToken);
        var numbers = await AddPacksAsync(connection, packs, cancellationToken);
        if (numbers.Count > 0) await AddChunksAsync(connection, packs, numbers, cancellationToken);
        await transaction.CommitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task RemoveAsync(IReadOnlyCollection<string> packs, CancellationToken cancellationToken)
    {
        if (packs.Count == 0) return;
        await using var command = database.CreateCommand(
            """
            with gone as (delete from marionette.chunk_pack where tenant = $1 and name = any ($2) returning number)
            delete from marionette.chunk c using gone where c.pack = gone.number
            """);
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = packs.Select(Convert.FromHexString).ToArray() });
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Every look-up asks the database anyway.</summary>
    public Task RefreshAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyCollection<PackContents>> ListPacksAsync(CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            """
            select p.number, p.name, c.id, c.stored_length, c.plain_length, c.kind
              from marionette.chunk_pack p left join marionette.chunk c on c.pack = p.number where p.tenant = $1 order by p.number, c.position
            """);
        command.Parameters.Add(new() { Value = tenant });
        // Only a collection asks, and may wait for it.
        command.CommandTimeout = 0;
        var packs = new List<PackContents>();
        var (last, entries) = (-1L, new List<PackEntry>());
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            if (row.GetInt64(0) != last)
            {
                (last, entries) = (row.GetInt64(0), []);
                packs.Add(new PackContents(Convert.ToHexStringLower(row.GetFieldValue<byte[]>(1)), entries));
            }

            if (!row.IsDBNull(2)) entries.Add(ReadEntry(row));
        }

        return packs;
    }

    /// <summary>Records packs that were not known; a pack that another records at this moment is waited for.</summary>
    /// <returns>Their numbers.</returns>
    private async Task<Dictionary<string, long>> AddPacksAsync(
        NpgsqlConnection connection, IReadOnlyList<PackContents> packs, CancellationToken cancellationToken)
    {
        // In one order, so that two that add the same packs never wait for each other.
        var ordered = packs.OrderBy(pack => pack.Name, StringComparer.Ordinal).ToList();
        await using var command = new NpgsqlCommand(
            """
            insert into marionette.chunk_pack (tenant, name, length)
            select $1, * from unnest ($2::bytea[], $3::bigint[]) on conflict (tenant, name) do nothing returning number, name
            """, connection);
        command.Parameters.Add(new() { Value = tenant });
        command.Parameters.Add(new() { Value = ordered.Select(pack => Convert.FromHexString(pack.Name)).ToArray() });
        command.Parameters.Add(new() { Value = ordered.Select(pack => pack.Length).ToArray() });
        var numbers = new Dictionary<string, long>(StringComparer.Ordinal);
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken)) numbers[Convert.ToHexStringLower(row.GetFieldValue<byte[]>(1))] = row.GetInt64(0);
        return numbers;
    }

    private static async Task AddChunksAsync(
        NpgsqlConnection connection, IReadOnlyList<PackContents> packs, Dictionary<string, long> numbers, CancellationToken cancellationToken)
    {
        await using var import = await connection.BeginBinaryImportAsync(
            "copy marionette.chunk (id, pack, position, stored_length, plain_length, kind) from stdin (format binary)", cancellationToken);
        foreach (var pack in packs)
        {
            // The same pack twice in one call is one pack.
            if (!numbers.Remove(pack.Name, out var number)) continue;
            var position = PackFormat.HeaderSize;
            foreach (var entry in pack.Entries)
            {
                await import.StartRowAsync(cancellationToken);
                await import.WriteAsync(ToUuid(entry.Id), NpgsqlDbType.Uuid, cancellationToken);
                await import.WriteAsync(number, NpgsqlDbType.Bigint, cancellationToken);
                await import.WriteAsync(position, NpgsqlDbType.Integer, cancellationToken);
                await import.WriteAsync(entry.StoredLength, NpgsqlDbType.Integer, cancellationToken);
                await import.WriteAsync(entry.PlainLength, NpgsqlDbType.Integer, cancellationToken);
                await import.WriteAsync((short)((byte)entry.Type | (byte)entry.Method << MethodShift), NpgsqlDbType.Smallint, cancellationToken);
                position = checked(position + entry.StoredLength);
            }
        }

        await import.CompleteAsync(cancellationToken);
    }

    private static PackEntry ReadEntry(NpgsqlDataReader row)
    {
        var kind = row.GetInt16(5);
        return new PackEntry(ToId(row.GetGuid(2)), row.GetInt32(3), row.GetInt32(4), (ChunkType)(kind & TypeMask))
        {
            Method = (ChunkMethod)(kind >> MethodShift),
        };
    }

    private static Guid ToUuid(ChunkId id)
    {
        Span<byte> bytes = stackalloc byte[ChunkId.Size];
        id.CopyTo(bytes);
        return new Guid(bytes, bigEndian: true);
    }

    private static ChunkId ToId(Guid uuid)
    {
        Span<byte> bytes = stackalloc byte[ChunkId.Size];
        uuid.TryWriteBytes(bytes, bigEndian: true, out _);
        return new ChunkId(bytes);
    }
}
