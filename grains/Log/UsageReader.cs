using Marionette.Tasks;
using Npgsql;

namespace Marionette.Log;

/// <summary>Sums over the usage rows. A seam to the outside, like <see cref="ISessionLog"/>.</summary>
internal interface IUsageReader
{
    /// <summary>What the tenant's runs that ended since then have used; null = ever.</summary>
    Task<Usage> SumAsync(string tenant, DateTimeOffset? since, CancellationToken cancellationToken);
}

/// <summary>
/// The usage rows in PostgreSQL: one a run, written with the run's end. <c>created_at</c> is a generated column and holds that end.
/// </summary>
internal sealed class PostgresUsageReader(NpgsqlDataSource source) : IUsageReader
{
    private const string Sum = """
        select coalesce(sum((state->'usage'->>'input_tokens')::bigint), 0)::bigint, coalesce(sum((state->'usage'->>'output_tokens')::bigint), 0)::bigint,
               coalesce(sum((state->'usage'->>'cache_read_tokens')::bigint), 0)::bigint, coalesce(sum((state->'usage'->>'cache_write_tokens')::bigint), 0)::bigint,
               coalesce(sum((state->'usage'->>'cost_usd')::numeric), 0), coalesce(sum((state->'usage'->>'turns')::int), 0)::int,
               coalesce(sum((state->'usage'->>'wall_ms')::bigint), 0)::bigint, coalesce(sum((state->'usage'->>'model_ms')::bigint), 0)::bigint
          from grain_state where grain_type = 'usage' and tenant = $1 and created_at >= $2
        """;

    public async Task<Usage> SumAsync(string tenant, DateTimeOffset? since, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(Sum);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = tenant });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = since is { } time ? UsageTime.Text(time) : "" });
        await using var row = await command.ExecuteReaderAsync(cancellationToken);
        await row.ReadAsync(cancellationToken);
        return new Usage(row.GetInt64(0), row.GetInt64(1), row.GetInt64(2), row.GetInt64(3), row.GetDecimal(4))
        {
            Turns = row.GetInt32(5), WallMs = row.GetInt64(6), ModelMs = row.GetInt64(7),
        };
    }
}

/// <summary>Times in usage rows are text of one width, so that text order is time order.</summary>
internal static class UsageTime
{
    public static string Text(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", System.Globalization.CultureInfo.InvariantCulture);
}
