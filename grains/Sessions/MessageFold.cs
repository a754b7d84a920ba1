namespace Marionette.Sessions;

/// <summary>The part of the fold that concerns messages into a turn, and changes of the session.</summary>
internal static class MessageFold
{
    private const int Remembered = 64;

    public static SessionState Apply(SessionState state, Entry e) => e.Fact switch
    {
        MessageSent f when state.Find(e.TaskId ?? "") is { } task => Remember(state, f.MessageId) with
        {
            Messages = state.Messages.Add(new LiveMessage(f.MessageId, task.View.Id, e.Seq, f.Text, f.Files, task.View.TimeoutSeconds)),
        },
        MessageDelivered f => Without(state, f.MessageId),
        MessageRefused f => Without(state, f.MessageId),
        MessageQueued f => Remember(Without(state, f.MessageId), f.MessageId),
        SessionChanged f => Changed(state, e, f),
        SessionConfigured => state with { Change = null, View = state.View with { IsChanging = false } },
        SessionConfigureRefused when state.Change is { } change => state with
        {
            Change = null, View = state.View with { Model = change.OldModel, PermissionMode = change.OldPermissionMode, IsChanging = false },
        },
        BudgetChanged f => BudgetOf(state, e, f),
        BudgetWarning f => Warned(state, e, f),
        _ => state,
    };

    private static SessionState Changed(SessionState state, Entry e, SessionChanged f)
    {
        var view = state.View;
        var tells = f.Model is not null || f.PermissionMode is not null;
        return state with
        {
            Change = tells ? new LiveChange(e.Seq, state.Change?.OldModel ?? view.Model, state.Change?.OldPermissionMode ?? view.PermissionMode) : state.Change,
            View = view with
            {
                Name = f.Name ?? view.Name, Labels = f.Labels ?? view.Labels, AutoContinue = f.AutoContinue ?? view.AutoContinue,
                FailoverPolicy = f.FailoverPolicy ?? view.FailoverPolicy, SuspendStrategy = f.SuspendStrategy ?? view.SuspendStrategy,
                Model = f.Model is null ? view.Model : f.Model.Length == 0 ? null : f.Model,
                PermissionMode = f.PermissionMode ?? view.PermissionMode, IsChanging = view.IsChanging || tells,
            },
        };
    }

    private static SessionState BudgetOf(SessionState state, Entry e, BudgetChanged f)
    {
        if (f.Scope == "session") return state with { Warned = [], View = state.View with { Budget = f.Budget } };
        return WithTask(state, e, task => task with { Warned = [], View = task.View with { Budget = f.Budget, UpdatedAt = e.At } });
    }

    private static SessionState Warned(SessionState state, Entry e, BudgetWarning f) => f.Scope == "task"
        ? WithTask(state, e, task => task with { Warned = task.Warned.Add(f.Unit) })
        : state with { Warned = state.Warned.Add($"{f.Scope}:{f.Unit}") };

    private static SessionState WithTask(SessionState state, Entry e, Func<LiveTask, LiveTask> change) => state.Find(e.TaskId ?? "") is not { } task
        ? state
        : state with { Tasks = state.Tasks.Replace(task, change(task)) };

    private static SessionState Without(SessionState state, string message) => state with { Messages = state.Messages.RemoveAll(m => m.Id == message) };

    private static SessionState Remember(SessionState state, string message)
    {
        if (state.RecentMessages.Contains(message)) return state;
        var all = state.RecentMessages.Add(message);
        return state with { RecentMessages = all.Length > Remembered ? all.RemoveAt(0) : all };
    }
}
