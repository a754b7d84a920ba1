using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Npgsql;
using NpgsqlTypes;

namespace Marionette.Gateway.Rest;

/// <summary>What a list looks for. Null filters nothing.</summary>
internal sealed record StateFilter(string GrainType, string Tenant, int Limit, string? BeforeId)
{
    public string[]? Status { get; init; }
    public string[]? SessionId { get; init; }
    /// <summary>A JSON object that the row's labels have to contain.</summary>
    public string? Labels { get; init; }
    /// <summary>Further members of the document. The names are ours, never a caller's.</summary>
    public IReadOnlyList<(string Member, string[]? Values)> Members { get; init; } = [];
}

/// <summary>A page, newest first.</summary>
/// <param name="Total">Of all that match.</param>
internal sealed record StatePage<T>(List<T> Items, bool HasMore, long Total);

/// <summary>Lists and single rows of grain state, where it lies.</summary>
internal sealed class StateReader(NpgsqlDataSource database)
{
    // A page of tasks with prompts of 1 MiB each must not become 200 MiB of memory. Measured as stored, that is compressed.
    private const int PageBytes = 4 * 1024 * 1024;

    public async Task<StatePage<T>> ListAsync<T>(StateFilter filter, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        await using var batch = database.CreateBatch();
        var count = new NpgsqlBatchCommand();
        count.CommandText = $"select count(*) from marionette.grain_state where {Where(filter, count.Parameters)}";
        var page = new NpgsqlBatchCommand();
        var where = Where(filter, page.Parameters);
        if (filter.BeforeId is { } id) where += $" and grain_key < {Add(page.Parameters, GrainKeys.Of(filter.Tenant, id), NpgsqlDbType.Text)}";
        var limit = Add(page.Parameters, filter.Limit + 1, NpgsqlDbType.Integer);
        page.CommandText =
            $"""
             select state, available from (
               select grain_key, state, count(*) over () as available,
                      sum(pg_column_size(state)) over (order by grain_key desc) - pg_column_size(state) as bytes_before
                 from (select grain_key, state from marionette.grain_state where {where} order by grain_key desc limit {limit}) as found) as sized
              where bytes_before < {PageBytes} order by grain_key desc
             """;
        batch.BatchCommands.Add(count);
        batch.BatchCommands.Add(page);
        await using var row = await batch.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        var total = row.GetInt64(0);
        await row.NextResultAsync(cancellationToken);
        var items = new List<T>();
        var available = 0L;
        while (items.Count < filter.Limit && await row.ReadAsync(cancellationToken))
        {
            items.Add(Parse(row, type));
            available = row.GetInt64(1);
        }
        return new(items, available > items.Count, total);
    }

    /// <summary>One row, or null.</summary>
    public async Task<T?> FindAsync<T>(string grainType, string tenant, string id, JsonTypeInfo<T> type, CancellationToken cancellationToken) where T : class
    {
        await using var command = database.CreateCommand(
            "select state from marionette.grain_state where grain_type = $1 and grain_key = $2 and jsonb_typeof(state) = 'object'");
        command.Parameters.Add(new() { Value = grainType });
        command.Parameters.Add(new() { Value = GrainKeys.Of(tenant, id) });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        return await row.ReadAsync(cancellationToken) ? Parse(row, type) : null;
    }

    private static string Where(StateFilter filter, NpgsqlParameterCollection parameters)
    {
        var where = $"grain_type = {Add(parameters, filter.GrainType, NpgsqlDbType.Text)} and tenant = {Add(parameters, filter.Tenant, NpgsqlDbType.Text)}"
            + " and jsonb_typeof(state) = 'object'";
        if (filter.Status is { } status) where += $" and status = any({AddMany(parameters, status)})";
        if (filter.SessionId is { } session) where += $" and session_id = any({AddMany(parameters, session)})";
        if (filter.Labels is { } labels) where += $" and labels @> {Add(parameters, labels, NpgsqlDbType.Jsonb)}";
        foreach (var (member, values) in filter.Members)
            if (values is not null) where += $" and state ->> '{member}' = any({AddMany(parameters, values)})";
        return where;
    }

    private static string AddMany(NpgsqlParameterCollection parameters, string[] values) => Add(parameters, values, NpgsqlDbType.Array | NpgsqlDbType.Text);

    private static string Add(NpgsqlParameterCollection parameters, object value, NpgsqlDbType type)
    {
        parameters.Add(new() { Value = value, NpgsqlDbType = type });
        return $"${parameters.Count}";
    }

    private static T Parse<T>(NpgsqlDataReader row, JsonTypeInfo<T> type) =>
        JsonSerializer.Deserialize(row.GetFieldValue<byte[]>(0), type) ?? throw new JsonException("A state row holds no object.");
}
