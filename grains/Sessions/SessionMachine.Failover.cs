using System.Text.Json;
using Marionette.Permissions;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <content>What becomes of a run that was cut off and that nobody asked to end.</content>
internal static partial class SessionMachine
{
    /// <summary>The run ends without a verdict. A suspend meant it; anything else is a loss, and the session's policy says what follows.</summary>
    private static void Interrupt(Scribe scribe, LiveTask task, TaskInterrupted interrupted, long source, bool isLoss = false)
    {
        scribe.Write(interrupted, task.View.Id, task.RunId, source);
        if (scribe.State.Stop == StopIntent.Suspend && !isLoss || scribe.State.Find(task.View.Id) is not { } cut) return;
        switch (scribe.State.View.FailoverPolicy)
        {
            case Failover.Never:
                End(scribe, cut, TaskState.Failed, new RunError("runner_lost", $"{interrupted.Reason} Its session does not let it go on."), 0);
                break;
            case Failover.Ask:
                scribe.Write(new TaskHeld("failover", interrupted.Reason, null, null, false, null), cut.View.Id);
                AskForFailover(scribe, scribe.State.Find(cut.View.Id)!, interrupted);
                break;
        }
    }

    /// <summary>A run that goes on by itself does so a few times; where a person says so each time, the person is the limit.</summary>
    private static bool IsOneTooMany(SessionState state, LiveTask task) =>
        task.Interruptions + 1 >= InterruptionLimit && state.Stop != StopIntent.Suspend && state.View.FailoverPolicy != Failover.Ask;

    private static void AskForFailover(Scribe scribe, LiveTask task, TaskInterrupted interrupted)
    {
        var point = scribe.State.View.RecoveryPoint;
        var question = new FailoverQuestion(interrupted.Reason, interrupted.Attempt, point?.At, point?.Seq);
        var from = point is null ? "There is no checkpoint: its files are as its runner left them, or lost." : FormattableString.Invariant($"The last checkpoint is of {point.At:yyyy-MM-dd HH:mm:ss} UTC.");
        scribe.Write(
            PermissionAsking.AboutFailover(
                scribe, JsonSerializer.SerializeToElement(question, Json.GrainsJsonContext.Default.FailoverQuestion),
                "A run was cut off", $"{interrupted.Reason} {from} Approve lets the task go on from there. Deny cancels it."),
            task.View.Id);
    }

    /// <summary>A yes continues the task as <see cref="Continue"/> does, a no cancels it.</summary>
    private static void AnswerFailover(Scribe scribe, PermissionView view, DecidePermission c, string actor)
    {
        var task = HeldBy(scribe.State, view);
        if (!c.Allow)
        {
            Deny(scribe, task, view, c, "failover_denied", "To go on after its run was cut off was");
            return;
        }

        Allow(scribe, view, c, actor);
        if (QuestionOf(scribe.State, view.TaskId) is not null) return; // It needs another yes.
        Go(scribe, scribe.State.Find(view.TaskId)!, c.By, "approved");
    }
}

/// <summary>What a failover's request is about, as its <c>input</c>.</summary>
/// <param name="Cause">Why the run was cut off.</param>
/// <param name="Attempt">Of the run.</param>
/// <param name="CheckpointAt">When the checkpoint was made that it would go on from; null = there is none.</param>
/// <param name="CheckpointSeq">Its event.</param>
internal sealed record FailoverQuestion(string Cause, int Attempt, DateTimeOffset? CheckpointAt, long? CheckpointSeq);
