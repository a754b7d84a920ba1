using System.Collections.Immutable;
using System.Text;
using Marionette.Permissions;
using Marionette.Runners;

namespace Marionette.Sessions;

/// <summary>
/// What the runner has yet to do, derived from the state: nothing is stored for it, so after any crash it is simply derived again.
/// A command's number is the seq of the event that caused it.
/// </summary>
internal static class PendingCommands
{
    public static ImmutableArray<RunnerCommand> Of(SessionState state, long after)
    {
        if (state.IsClosed || state.View is not { Status: SessionStatus.Active, RunnerId: not null }) return [];
        var commands = new List<RunnerCommand>();
        if (state.Current is { } task)
        {
            if (!task.Started)
                commands.Add(new StartRunCommand(
                    task.DispatchSeq, task.View.Id, task.RunId!, task.View.Runs[^1].Attempt, task.View.Prompt,
                    task.View.Runs is [.., { Status: Tasks.RunStatus.Interrupted }, _], OutputSchema: task.View.OutputSchema is { } schema ? Encoding.UTF8.GetBytes(schema) : null,
                    Conversation: task.View.ConversationId ?? task.View.Conversation));
            else
                commands.AddRange(state.Messages.Where(m => m.TaskId == task.View.Id).Select(m => new SendMessageCommand(m.Seq, task.RunId!, m.Id, m.Text, [])));
            if (task.CancelSeq > 0)
                commands.Add(new InterruptCommand(task.CancelSeq, task.RunId!, task.CancelOutcome ?? "canceled"));
        }

        if (state.Change is { } change) commands.Add(new ConfigureCommand(change.Seq, state.View.Model, state.View.PermissionMode));
        foreach (var permission in state.Permissions)
        {
            if (permission.DecisionSeq == 0) continue;
            var view = permission.View;
            commands.Add(new AnswerPermissionCommand(
                permission.DecisionSeq, view.OriginalRequestId, view.Status == PermissionStatus.Approved,
                view.ResponseReason ?? (view.Status == PermissionStatus.Approved ? "" : "Denied."),
                view.UpdatedInput is null ? null : Encoding.UTF8.GetBytes(view.UpdatedInput), view.Interrupt));
        }

        if (state.Stop == StopIntent.Suspend)
        {
            if (state.Pause is null) commands.Add(new StopCommand(state.StopSeq, "suspend"));
            else if (state.Pause.Step == PauseStep.Asked) commands.Add(new PauseCommand(state.StopSeq, "suspend"));
        }

        return [.. commands.Where(c => c.Number > after).OrderBy(c => c.Number)];
    }
}
