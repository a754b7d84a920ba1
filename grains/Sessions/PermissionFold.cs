using Marionette.Permissions;

namespace Marionette.Sessions;

/// <summary>The part of the fold that concerns permission requests.</summary>
internal static class PermissionFold
{
    public static SessionState Apply(SessionState state, Entry e)
    {
        if (e.Fact is PermissionRequested asked)
        {
            var view = new PermissionView
            {
                Id = asked.PermissionId, OriginalRequestId = asked.RequestId, SessionId = state.View.Id, TaskId = e.TaskId ?? "",
                RunId = e.RunId ?? "", Tool = asked.Tool, Action = asked.Action, Description = asked.Description, Context = asked.Context,
                RiskLevel = asked.RiskLevel, Status = PermissionStatus.Pending, ExpiresAt = asked.ExpiresAt, CreatedAt = e.At, UpdatedAt = e.At,
            };
            return TaskFold.WithWaiting(state with { Permissions = state.Permissions.Add(new LivePermission { View = view }) }, e);
        }

        var id = e.Fact switch
        {
            PermissionDecided f => f.PermissionId,
            PermissionExpired f => f.PermissionId,
            PermissionCanceled f => f.PermissionId,
            PermissionDelivered f => f.PermissionId,
            _ => "",
        };
        var at = IndexOf(state, id);
        if (at < 0) return state;
        if (e.Fact is PermissionCanceled or PermissionDelivered)
            return TaskFold.WithWaiting(state with { Permissions = state.Permissions.RemoveAt(at) }, e);

        var decided = new LivePermission { View = After(state.Permissions[at].View, e), DecisionSeq = e.Seq };
        return TaskFold.WithWaiting(state with { Permissions = state.Permissions.SetItem(at, decided) }, e);
    }

    /// <summary>A request's row after an event about it; also used for rows whose request has left the live state.</summary>
    public static PermissionView After(PermissionView view, Entry e) => e.Fact switch
    {
        PermissionDecided f => view with
        {
            Status = f.Allow ? PermissionStatus.Approved : PermissionStatus.Denied, RespondedBy = f.By, ResponseReason = f.Reason,
            RespondedAt = e.At, UpdatedAt = e.At, UpdatedInput = f.UpdatedInput?.GetRawText(), Interrupt = f.Interrupt, DecidedByCommand = f.CommandId,
        },
        PermissionExpired f => view with { Status = PermissionStatus.Expired, ResponseReason = f.Reason, RespondedAt = e.At, UpdatedAt = e.At },
        PermissionCanceled f when view.Status == PermissionStatus.Pending =>
            view with { Status = PermissionStatus.Canceled, ResponseReason = f.Reason, RespondedAt = e.At, UpdatedAt = e.At },
        PermissionDelivered => view with { DeliveredAt = e.At, UpdatedAt = e.At },
        _ => view,
    };

    private static int IndexOf(SessionState state, string permissionId)
    {
        for (var i = 0; i < state.Permissions.Length; i++)
            if (state.Permissions[i].View.Id == permissionId) return i;
        return -1;
    }
}
