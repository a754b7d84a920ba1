using System.Text.Json;
using Marionette.Gateway.Json;
using Npgsql;

namespace Marionette.Gateway.Auth;

/// <summary>A stored key, without its secret.</summary>
internal sealed record ApiKeyRecord(
    string Id, string Tenant, string Name, string KeyPrefix, string[] Scopes, Dictionary<string, string> Labels, DateTimeOffset CreatedAt,
    string? CreatedBy, DateTimeOffset? LastUsedAt, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt, string? RevokeReason)
{
    public const string Columns = "id, tenant, name, key_prefix, scopes, labels, created_at, created_by, last_used_at, expires_at, revoked_at, revoke_reason";

    public static ApiKeyRecord Read(NpgsqlDataReader row) => new(
        row.GetString(0), row.GetString(1), row.IsDBNull(2) ? "" : row.GetString(2), row.GetString(3), row.GetFieldValue<string[]>(4),
        JsonSerializer.Deserialize(row.GetString(5), GatewayJsonContext.Plain.DictionaryStringString) ?? [],
        row.GetFieldValue<DateTimeOffset>(6), Text(row, 7), Time(row, 8), Time(row, 9), Time(row, 10), Text(row, 11));

    private static string? Text(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private static DateTimeOffset? Time(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetFieldValue<DateTimeOffset>(column);
}
