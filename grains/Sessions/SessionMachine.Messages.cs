using Marionette.Runners;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <content>Messages into a turn, and changes of the session that the agent is told of.</content>
internal static partial class SessionMachine
{
    /// <summary>Id of the task that a message becomes: its own letters, so that a repeat finds it.</summary>
    public static string TaskOf(string messageId) => EntityId.Task + messageId[messageId.IndexOf('_')..];

    /// <param name="ended">The task's row, when it is not among the live ones.</param>
    public static Decision Send(SessionState state, TaskView? ended, SendMessage c, DecisionContext context)
    {
        MustBeOpen(state);
        if ((state.Find(c.TaskId)?.View ?? ended) is not { } task) throw new MarionetteException(FaultCode.NotFound, "No such task.");
        if (state.RecentMessages.Contains(c.MessageId) || state.Find(TaskOf(c.MessageId)) is not null) return new(state);
        if (state.Tasks.Length >= QueueLimit)
            throw new MarionetteException(FaultCode.QueueFull, $"{QueueLimit} tasks wait in this session; let some end first.");
        var scribe = new Scribe(state, context);
        if (state.Current is { CancelSeq: 0 } current && current.View.Id == c.TaskId)
            scribe.Write(new MessageSent(c.MessageId, c.Text, c.By, InfosOf(c.Files)), c.TaskId, current.RunId);
        else
            Queue(scribe, new LiveMessage(c.MessageId, c.TaskId, 0, c.Text, InfosOf(c.Files), task.TimeoutSeconds));
        Wake(scribe);
        return scribe.Decide();
    }

    public static Decision Change(SessionState state, ChangeSession c, DecisionContext context)
    {
        MustBeOpen(state);
        // Where it moves to decides when it is suspended there, and says so if it cannot.
        if (c.Provider is null) MustFit(state, "suspend_strategy", c.SuspendStrategy, context);
        var scribe = new Scribe(state, context);
        var model = c.Model is null || (c.Model.Length == 0 ? null : c.Model) == state.View.Model ? null : c.Model;
        var mode = c.PermissionMode == state.View.PermissionMode ? null : c.PermissionMode;
        var failover = c.FailoverPolicy == state.View.FailoverPolicy ? null : c.FailoverPolicy;
        var strategy = c.SuspendStrategy == state.View.SuspendStrategy ? null : c.SuspendStrategy;
        if ((c.Name ?? model ?? mode ?? failover ?? strategy) is not null || c.Labels is not null || c.AutoContinue is not null)
            scribe.Write(new SessionChanged(c.By, c.Name, c.Labels, model, mode, c.AutoContinue) { FailoverPolicy = failover, SuspendStrategy = strategy });
        // Without a runner there is nobody to tell: the next one starts with it.
        if (state.View.RunnerId is null && scribe.State.Change is not null)
            scribe.Write(new SessionConfigured(scribe.State.View.Model, scribe.State.View.PermissionMode));
        if (c.Provider is { } provider) Move(scribe, provider, c.By);
        if (c.Network is { } network) ChangeNetwork(scribe, network, c.By);
        if (c.Budget is { } budget && OrNone(budget) != state.View.Budget)
            scribe.Write(new BudgetChanged("session", OrNone(budget), c.By));
        TickHolds(scribe);
        return scribe.Decide();
    }

    /// <summary>What the turn has not taken when its run ends becomes a task right behind it.</summary>
    private static void SettleMessages(Scribe scribe, string taskId)
    {
        foreach (var message in scribe.State.Messages)
            if (message.TaskId == taskId) Queue(scribe, message);
    }

    private static void Queue(Scribe scribe, LiveMessage message)
    {
        var task = TaskOf(message.Id);
        scribe.Write(new MessageQueued(message.Id, task), message.TaskId);
        scribe.Write(
            new TaskCreated(
                message.Text, System.Collections.Immutable.ImmutableDictionary<string, string>.Empty, message.TimeoutSeconds, 0, message.TaskId, Files: message.Files),
            task);
        var at = scribe.State.Tasks.Select(t => t.View.Id).ToList().IndexOf(message.TaskId);
        var behind = scribe.State.Tasks.Skip(at + 1).FirstOrDefault(t => t.RunId is null && t.View.Id != task && t.View.ContinueFrom != message.TaskId);
        if (behind is not null) scribe.Write(new TaskMoved(behind.View.Id), task);
    }

    private static void MessageNoticed(Scribe scribe, OutputEvent e, MessageNotice notice, long source)
    {
        if (scribe.State.Messages.FirstOrDefault(m => m.Id == notice.MessageId) is not { } message) return;
        if (e.Type == "message.received")
        {
            scribe.Write(new MessageDelivered(message.Id), message.TaskId, e.RunId, source);
            return;
        }

        scribe.Write(new MessageRefused(message.Id, notice.Reason ?? "The agent does not take it."), message.TaskId, e.RunId, source);
        Queue(scribe, message);
    }

    private static void Configured(Scribe scribe, OutputEvent e, ConfigureNotice notice, long source)
    {
        if (scribe.State.Change is null) return;
        // An answer to an older change says nothing about the newest one.
        if ((notice.Model ?? "") != (scribe.State.View.Model ?? "") || (notice.PermissionMode ?? "") != scribe.State.View.PermissionMode) return;
        Fact fact = e.Type == "configure.applied"
            ? new SessionConfigured(scribe.State.View.Model, scribe.State.View.PermissionMode)
            : new SessionConfigureRefused(notice.Model, notice.PermissionMode, notice.Reason);
        scribe.Write(fact, source: source);
    }

    internal static TaskFileInfo[]? InfosOf(System.Collections.Immutable.ImmutableArray<TaskFile> files) => files.IsDefaultOrEmpty
        ? null
        : [.. files.Select(f => new TaskFileInfo(
            f.Name, f.MediaType, f.Content.LongLength, Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(f.Content))))];
}
