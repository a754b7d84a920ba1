using Marionette.Tasks;

namespace Marionette.Sessions;

/// <content>The end of a session by a fault that it cannot leave by itself.</content>
internal static partial class SessionMachine
{
    /// <summary>Its tasks fail with the same code, its runner goes.</summary>
    public static Decision Fail(SessionState state, string code, string reason, DecisionContext context)
    {
        MustExist(state);
        if (state.IsClosed) return new(state);
        var scribe = new Scribe(state, context);
        CloseRequests(scribe, runId: null, reason);
        foreach (var message in state.Messages) scribe.Write(new MessageRefused(message.Id, reason), message.TaskId);
        foreach (var task in state.Tasks) End(scribe, task, TaskState.Failed, new RunError(code, reason), 0);
        if (scribe.State.View.RunnerId is { } runner) scribe.Write(new RunnerReleased(runner, state.View.Epoch, reason));
        scribe.Write(new SessionFailed(code, reason));
        return scribe.Decide();
    }
}
