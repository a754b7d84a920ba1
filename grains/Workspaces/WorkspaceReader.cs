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
    private const string Named = """
        select distinct tenant, workspace_id from grain_state
         where grain_type = 'session' and workspace_id = any($1)
        """;

    /// <summary>Of each session what <see cref="FilesRow"/> has: its whole state is large.</summary>
    private const string Naming = """
        select workspace_id, convert_to(jsonb_strip_nulls(jsonb_build_object(
                   'status', state->'status', 'epoch', state->'epoch', 'last_seq', state->'last_seq', 'updated_at', state->'updated_at',
                   'recovery_point', state->'recovery_point',
                   'checkpoint', jsonb_build_object(
                       'workspace_epoch', state->'checkpoint'->'workspace_epoch', 'awake_seq', state->'checkpoint'->'awake_seq',
                       'run_seq', state->'checkpoint'->'run_seq')))::text, 'UTF8')
          from grain_state
         where grain_type = 'session' and tenant = $1 and workspace_id = any($2)
        """;

    private const string Scheduled = """
        select state->'session'->>'workspace_id' from grain_state
         where grain_type = 'scheduled_task' and tenant = $1 and state->'session'->>'workspace_id' = any($2)
        """;

    private const string Stored = "select id from snapshot where tenant = $1 and id = any($2)";

    /// <summary>The keys of workspaces that sessions name.</summary>
    /// <param name="workspaces">"ws_…" each.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<IReadOnlyList<string>> KeysAsync(IReadOnlyCollection<string> workspaces, CancellationToken cancellationToken)
    {
        await using var command = source.CreateCommand(Named);
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. workspaces] });
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var keys = new List<string>();
        while (await reader.ReadAsync(cancellationToken)) keys.Add(GrainKeys.Of(reader.GetString(0), reader.GetString(1)));
        return keys;
    }

    /// <summary>Those of a tenant's workspaces that have rows, by key.</summary>
    /// <param name="keys">"tenant/ws_…" each.</param>
    /// <param name="unreadable">Told of a workspace whose rows cannot be read; it is left out.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<IReadOnlyDictionary<string, WorkspaceFacts>> ReadAsync(
        IReadOnlyCollection<string> keys, Action<string, Exception> unreadable, CancellationToken cancellationToken)
    {
        var views = new Dictionary<string, WorkspaceView>();
        foreach (var (key, row) in await log.ReadRowsAsync("workspace", keys, cancellationToken))
        {
            try
            {
                if (JsonSerializer.Deserialize(row, GrainsJsonContext.Default.WorkspaceView) is { } view) views.Add(key, view);
            }
            catch (JsonException e)
            {
                unreadable(key, e);
            }
        }

        var sessions = await log.ReadRowsAsync("session", [.. views.Select(pair => SessionKey(pair.Key, pair.Value)).OfType<string>().Distinct()], cancellationToken);
        var facts = new Dictionary<string, WorkspaceFacts>();
        foreach (var (key, view) in views)
        {
            try
            {
                facts.Add(key, new WorkspaceFacts(view, SessionKey(key, view) is { } session && sessions.TryGetValue(session, out var row) ? SessionRows.FilesOf(row) : null));
            }
            catch (JsonException e)
            {
                unreadable(key, e);
            }
        }

        return facts;
    }

    /// <summary>Those of the workspaces that a session of the tenant names of which this does not hold; a session that cannot be read is one.</summary>
    /// <param name="tenant">The tenant.</param>
    /// <param name="workspaces">"ws_…" each.</param>
    /// <param name="isOver">Whether a session needs its files on a host no more.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<IReadOnlySet<string>> NeededAsync(
        string tenant, IReadOnlyCollection<string> workspaces, Func<SessionState, bool> isOver, CancellationToken cancellationToken)
    {
        await using var command = Command(Naming, tenant, workspaces);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var needed = new HashSet<string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken))
        {
            var workspace = reader.GetString(0);
            if (!needed.Contains(workspace) && !IsOver(reader.GetFieldValue<byte[]>(1))) needed.Add(workspace);
        }

        return needed;

        bool IsOver(byte[] row)
        {
            try
            {
                return isOver(SessionRows.FilesOf(row));
            }
            catch (JsonException)
            {
                return false;
            }
        }
    }

    /// <summary>Those of the workspaces that a schedule of the tenant runs on, now or when it is enabled again.</summary>
    public Task<IReadOnlySet<string>> ScheduledAsync(string tenant, IReadOnlyCollection<string> workspaces, CancellationToken cancellationToken) =>
        FindAsync(Scheduled, tenant, workspaces, cancellationToken);

    /// <summary>Those of the snapshots that there are.</summary>
    public Task<IReadOnlySet<string>> StoredAsync(string tenant, IReadOnlyCollection<string> snapshots, CancellationToken cancellationToken) =>
        FindAsync(Stored, tenant, snapshots, cancellationToken);

    private async Task<IReadOnlySet<string>> FindAsync(string text, string tenant, IReadOnlyCollection<string> ids, CancellationToken cancellationToken)
    {
        await using var command = Command(text, tenant, ids);
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        var found = new HashSet<string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(cancellationToken)) found.Add(reader.GetString(0));
        return found;
    }

    private NpgsqlCommand Command(string text, string tenant, IReadOnlyCollection<string> ids)
    {
        var command = source.CreateCommand(text);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = tenant });
        command.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. ids] });
        return command;
    }

    private static string? SessionKey(string workspaceKey, WorkspaceView view) =>
        view.LastSessionId is { } session ? GrainKeys.Of(GrainKeys.Split(workspaceKey).Tenant, session) : null;
}
