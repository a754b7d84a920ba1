using System.Text.Json;
using Marionette.Json;
using Marionette.Permissions;
using Marionette.Runners;
using Microsoft.Extensions.Logging;

namespace Marionette.Sessions;

/// <content>Permission requests: the rules that are read for them, and their answers.</content>
internal sealed partial class SessionGrain
{
    public async Task<PermissionView> DecidePermissionAsync(DecidePermission command, CancellationToken cancellationToken)
    {
        var row = await RowOfAsync(command.PermissionId, cancellationToken);
        if (_state.Permissions.Any(p => p.View.Id == command.PermissionId && p.View.Budget is not null)) await RefreshTenantAsync(TimeSpan.Zero);
        var decision = SessionMachine.Decide(_state, row, command, Context());
        await CommitAsync(decision, cancellationToken);
        return ViewAfter(decision, command.PermissionId, row);
    }

    public async Task<PermissionView> DelegatePermissionAsync(DelegatePermission command, CancellationToken cancellationToken)
    {
        var row = await RowOfAsync(command.PermissionId, cancellationToken);
        var decision = SessionMachine.Delegate(_state, row, command, Context());
        await CommitAsync(decision, cancellationToken);
        return ViewAfter(decision, command.PermissionId, row);
    }

    /// <summary>
    /// The context of a batch of output. The tenant's rules are read for batches with a question alone. Rules that cannot be read are null, and
    /// then nothing is allowed by a rule.
    /// </summary>
    private async Task<DecisionContext> ContextOfAsync(RunnerOutput output, CancellationToken cancellationToken)
    {
        if (!output.Events.Any(e => e.Type == "permission.request")) return Context();
        try
        {
            return Context() with { Policy = await ReadPolicyAsync(cancellationToken) };
        }
        catch (Exception e) when (e is JsonException or Npgsql.NpgsqlException or TimeoutException or System.Net.Sockets.SocketException)
        {
            Log.RulesUnreadable(logger, e, _tenant, _id);
            return Context();
        }
    }

    private async Task<TenantPolicy?> ReadPolicyAsync(CancellationToken cancellationToken)
    {
        var row = await log.ReadRowAsync(TenantPolicyGrain.RowType, GrainKeys.Of(_tenant, ITenantPolicyGrain.Id), cancellationToken);
        // A cleared row is "null", and so nobody's rules; that it is there and cannot be read is the JsonException.
        return row is null || row.AsSpan().SequenceEqual("null"u8) ? new TenantPolicy() : JsonSerializer.Deserialize(row, GrainsJsonContext.Default.TenantPolicy);
    }

    private async Task<PermissionView?> RowOfAsync(string permissionId, CancellationToken cancellationToken) =>
        _state.Permissions.Any(p => p.View.Id == permissionId) ? null : await ReadPermissionAsync(permissionId, cancellationToken);

    private PermissionView ViewAfter(Decision decision, string permissionId, PermissionView? row) =>
        decision.Permissions.GetValueOrDefault(permissionId) ?? _state.Permissions.FirstOrDefault(p => p.View.Id == permissionId)?.View ?? row!;

    private async Task<PermissionView?> ReadPermissionAsync(string permissionId, CancellationToken cancellationToken)
    {
        var row = await log.ReadRowAsync("permission", GrainKeys.Of(_tenant, permissionId), cancellationToken);
        var permission = row is null ? null : SessionRows.Permission(row);
        return permission?.SessionId == _id ? permission : null;
    }

    private static partial class Log
    {
        [LoggerMessage(1010, LogLevel.Warning, "The rules of tenant {Tenant} could not be read for session {Session}; people are asked", EventName = "session.rules.unreadable")]
        public static partial void RulesUnreadable(ILogger logger, Exception exception, string tenant, string session);
    }
}
