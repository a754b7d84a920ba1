using System.Globalization;
using Marionette.Gateway.Rest.Models;
using Marionette.Tasks;
using Npgsql;
using NpgsqlTypes;

namespace Marionette.Gateway.Rest;

/// <summary>What a report looks for.</summary>
internal sealed record UsageFilter(string Tenant, DateTimeOffset? From, DateTimeOffset? To, string? Group)
{
    public string[]? Sessions { get; init; }

    /// <summary>A JSON object that the sessions' labels have to contain.</summary>
    public string? Labels { get; init; }
}

/// <summary>Sums over the usage rows, one a run, where they lie.</summary>
internal sealed class UsageReader(NpgsqlDataSource database)
{
    private const int MaxGroups = 1000;

    private const string Sums = """
        count(*), coalesce(sum((state->'usage'->>'input_tokens')::bigint), 0)::bigint, coalesce(sum((state->'usage'->>'output_tokens')::bigint), 0)::bigint,
        coalesce(sum((state->'usage'->>'cache_read_tokens')::bigint), 0)::bigint, coalesce(sum((state->'usage'->>'cache_write_tokens')::bigint), 0)::bigint,
        coalesce(sum((state->'usage'->>'cost_usd')::numeric), 0), coalesce(sum((state->'usage'->>'turns')::int), 0)::int,
        coalesce(sum((state->'usage'->>'wall_ms')::bigint), 0)::bigint, coalesce(sum((state->'usage'->>'model_ms')::bigint), 0)::bigint
        """;

    public async Task<UsageReportModel> ReadAsync(UsageFilter filter, CancellationToken cancellationToken)
    {
        var total = await SumAsync(filter, "''", cancellationToken);
        var groups = filter.Group is null ? [] : await SumAsync(filter, KeyOf(filter.Group), cancellationToken);
        var (all, runs) = total is [var one] ? (one.Usage, one.Runs) : (Usage.None, 0);
        return new UsageReportModel(filter.From?.UtcDateTime, filter.To?.UtcDateTime, all, runs, groups);
    }

    private async Task<List<UsageGroupModel>> SumAsync(UsageFilter filter, string key, CancellationToken cancellationToken)
    {
        await using var command = database.CreateCommand(
            $"""
             select {key} as key, {Sums} from marionette.grain_state
              where grain_type = 'usage' and tenant = $1 and created_at >= $2 and created_at < $3
                and ($4::text[] is null or session_id = any($4)) and ($5::jsonb is null or labels @> $5)
              group by 1 order by {(filter.Group == "day" ? "1" : "7 desc, 4 desc, 1")} limit {MaxGroups}
             """);
        command.Parameters.Add(new() { Value = filter.Tenant, NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = Text(filter.From) ?? "", NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = Text(filter.To) ?? "~", NpgsqlDbType = NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = (object?)filter.Sessions ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        command.Parameters.Add(new() { Value = (object?)filter.Labels ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Jsonb });
        if (filter.Group?.StartsWith("label:", StringComparison.Ordinal) == true) command.Parameters.Add(new() { Value = filter.Group[6..], NpgsqlDbType = NpgsqlDbType.Text });
        var groups = new List<UsageGroupModel>();
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        while (await row.ReadAsync(cancellationToken))
        {
            var usage = new Usage(row.GetInt64(2), row.GetInt64(3), row.GetInt64(4), row.GetInt64(5), row.GetDecimal(6))
            {
                Turns = row.GetInt32(7), WallMs = row.GetInt64(8), ModelMs = row.GetInt64(9),
            };
            groups.Add(new UsageGroupModel(row.GetString(0), usage, row.GetInt64(1)));
        }

        return groups;
    }

    /// <summary>The texts are ours; a label's name is a parameter.</summary>
    private static string KeyOf(string group) => group switch
    {
        "day" => "substr(created_at, 1, 10)",
        "session" => "coalesce(session_id, '')",
        "task" => "coalesce(state->>'task_id', '')",
        "agent" => "coalesce(state->>'agent', '')",
        "model" => "coalesce(state->>'model', '')",
        _ => "coalesce(labels->>$6, '')",
    };

    private static string? Text(DateTimeOffset? time) => time?.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
