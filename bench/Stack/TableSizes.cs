using Npgsql;

namespace Marionette.Bench.Stack;

/// <summary>Rows and bytes of the server's tables, indexes and large values included.</summary>
internal sealed record TableSizes(IReadOnlyDictionary<string, (long Rows, long Bytes)> Tables)
{
    /// <summary>Partitions count as their table.</summary>
    private const string Bytes = """
        select coalesce(parent.relname, child.relname), sum(pg_total_relation_size(child.oid))::bigint
          from pg_class child join pg_namespace n on n.oid = child.relnamespace
          left join pg_inherits i on i.inhrelid = child.oid left join pg_class parent on parent.oid = i.inhparent
         where n.nspname = 'marionette' and child.relkind = 'r' group by 1
        """;

    public static async Task<TableSizes> ReadAsync(NpgsqlDataSource database, CancellationToken cancellationToken)
    {
        var tables = new Dictionary<string, (long Rows, long Bytes)>();
        await using (var command = database.CreateCommand(Bytes))
        await using (var reader = await command.ExecuteReaderAsync(cancellationToken))
            while (await reader.ReadAsync(cancellationToken)) tables[reader.GetString(0)] = (0, reader.GetInt64(1));
        foreach (var (name, size) in tables.ToList())
        {
            await using var count = database.CreateCommand($"select count(*) from marionette.{name}");
            tables[name] = size with { Rows = (long)(await count.ExecuteScalarAsync(cancellationToken))! };
        }

        return new TableSizes(tables);
    }

    /// <summary>What each has grown by.</summary>
    public TableSizes Since(TableSizes before) =>
        new(Tables.ToDictionary(table => table.Key, table =>
        {
            var old = before.Tables.GetValueOrDefault(table.Key);
            return (table.Value.Rows - old.Rows, table.Value.Bytes - old.Bytes);
        }));

    /// <summary>Of all together, for each of so many.</summary>
    public (double Rows, double Bytes) For(int count) =>
        ((double)Tables.Values.Sum(table => table.Rows) / count, (double)Tables.Values.Sum(table => table.Bytes) / count);

    /// <summary>Those that grew, for each of so many: <c>session_event 9.0 rows 2,345 B</c>.</summary>
    public string Tell(int count) => string.Join(", ", Tables
        .Where(table => table.Value.Bytes > 0 || table.Value.Rows > 0).OrderByDescending(table => table.Value.Bytes)
        .Select(table => FormattableString.Invariant($"{table.Key} {(double)table.Value.Rows / count:0.#} rows {(double)table.Value.Bytes / count:#,0} B")));
}
