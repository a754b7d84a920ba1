using System.Text.Json;
using Marionette.Json;
using Marionette.Log;
using Marionette.Sessions;
using Npgsql;

namespace Marionette.Workspaces;

/// <summary>A workspace by its row, and the session that has it or had it last; null = that is not known.</summary>
internal sealed record WorkspaceFacts(WorkspaceView Workspace, SessionState? Session);

/// <summary>What is stored of workspaces and of whoever names them: from the rows, without a call that would wake their grains.</summary>
internal sealed class WorkspaceReader(NpgsqlDataSource source, ISessionLog log)
{
    /// <summary>No index has the workspace of a session: it is asked for those alone that look as if nobody wanted them.</summary>
    private const string Naming = """
        select state->>'workspace_id', convert_to(state::text, 'UTF8') from grain_state
         where grain_type = 'session' and tenant = $1 and state->>'workspace_id' = any($2)
        """;

    private const string Scheduled = """
        select state->'session'->>'workspace_id' from grain_state
         where grain_type = 'scheduled_task' and tenant = $1 and state->'session'->>'workspace_id' = any($2)
        """;

    /// <summary>Those that have rows, by key.</summary>
    /// <param name="keys">"tenant/ws_…" each.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<IReadOnlyDictionary<string, WorkspaceFacts>> ReadAsync(IReadOnlyCollection<string> keys, CancellationToken cancellationToken)
    {
        var rows = await log.ReadRowsAsync("workspace", keys, cancellationToken);
        var views = rows.ToDictionary(row => row.Key, row => JsonSerializer.Deserialize(row.Value, GrainsJsonContext.Default.WorkspaceView)!);
        var sessions = await log.ReadRowsAsync("session", [.. views.Select(pair => SessionKey(pair.Key, pair.Value)).OfType<string>().Distinct()], cancellationToken);
        return views.ToDictionary(
            pair => pair.Key,
            pair => new WorkspaceFacts(
                pair.Value, SessionKey(pair.Key, pair.Value) is { } key && sessions.TryGetValue(key, out var row) ? SessionRows.FilesOf(row) : null));
    }

    /// <summary>Sessions of a tenant that name one of the workspaces, by workspace.</summary>
    /// <param name="tenant">The tenant.</param>
    /// <param name="workspaces">"ws_…" each.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<ILookup<string, SessionState>> NamingAsync(string tenant, IReadOnlyCollection<string> workspaces, CancellationToken cancellationToken)
    {
        await using var command = Command(Naming, tenant, workspaces);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var found = new List<(string Workspace, SessionState Session)>();
        while (await reader.ReadAsync(cancellationToken)) found.Add((reader.GetString(0), SessionRows.FilesOf(reader.GetFieldValue<byte[]>(1))));
        return found.ToLookup(pair => pair.Workspace, pair => pair.Session, StringComparer.Ordinal);
    }

    /// <summary>Those of the workspaces that a schedule of the tenant runs on, now or when it is enabled again.</summary>
    public async Task<IReadOnlySet<string>> ScheduledAsync(string tenant, IReadOnlyCollection<string> workspaces, CancellationToken cancellationToken)
    {
        await using var command = Command(Scheduled, tenant, workspaces);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var found = new HashSet<string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken)) found.Add(reader.GetString(0));
        return found;
    }

    private NpgsqlCommand Command(string text, string tenant, IReadOnlyCollection<string> workspaces)
    {
        var command = source.CreateCommand(text);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = tenant });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. workspaces] });
        return command;
    }

    private static string? SessionKey(string workspaceKey, WorkspaceView view) =>
        view.LastSessionId is { } session ? GrainKeys.Of(GrainKeys.Split(workspaceKey).Tenant, session) : null;
}
