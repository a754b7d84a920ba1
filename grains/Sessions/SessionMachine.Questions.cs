using Marionette.Permissions;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <content>Questions of the session itself, in the inbox among those of its agent: one for each task that waits for a person, gone when it waits no more.</content>
internal static partial class SessionMachine
{
    private static LivePermission? QuestionOf(SessionState state, string taskId)
    {
        foreach (var permission in state.Permissions)
            if (permission.View.BySession && permission.View.TaskId == taskId) return permission;
        return null;
    }

    private static void CloseQuestion(Scribe scribe, string taskId, string reason)
    {
        if (QuestionOf(scribe.State, taskId) is { } asked) scribe.Write(new PermissionCanceled(asked.View.Id, reason), taskId);
    }

    /// <exception cref="MarionetteException">Conflict: it goes on already, or has ended.</exception>
    private static LiveTask HeldBy(SessionState state, PermissionView view) => state.Find(view.TaskId) is { Hold: not null } task
        ? task
        : throw new MarionetteException(FaultCode.Conflict, "The task does not wait any more.");

    /// <summary>A no ends the task.</summary>
    private static void Deny(Scribe scribe, LiveTask task, PermissionView view, DecidePermission c, string code, string what)
    {
        scribe.Write(new PermissionDecided(false, view.Id, c.By, c.Reason, null, false, c.CommandId), view.TaskId);
        var why = $"{what} denied by {c.By}{(c.Reason is { Length: > 0 } reason ? $": {reason}" : ".")}";
        scribe.Write(new TaskCancelRequested(c.By, why, "canceled"), task.View.Id);
        End(scribe, scribe.State.Find(task.View.Id)!, TaskState.Canceled, new RunError(code, why), 0);
        AfterEnd(scribe, task);
    }
}
