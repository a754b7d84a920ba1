using Marionette.Permissions;
using Marionette.Tasks;

namespace Marionette.Sessions;

/// <summary>
/// Collects what a decision writes. Each fact is folded at once, so that later rules of the same decision see its effect. Local to one
/// decision; from outside, decisions are pure.
/// </summary>
internal sealed class Scribe(SessionState state, DecisionContext context)
{
    private readonly List<Entry> _entries = [];
    private readonly Dictionary<string, TaskView> _tasks = [];
    private readonly Dictionary<string, PermissionView> _permissions = [];
    private int _pending;

    public SessionState State { get; private set; } = state;

    public DecisionContext Context => context;

    public DateTimeOffset Now => context.Now;

    public IReadOnlyList<Entry> Entries => _entries;

    public string NewId(string prefix) => context.NewId(prefix);

    public void Write(Fact fact, string? taskId = null, string? runId = null, long source = 0, DateTimeOffset? at = null)
    {
        var entry = new Entry(State.Seq + 1, at ?? context.Now, taskId, runId, source, fact);
        _entries.Add(entry);
        var before = State;
        State = SessionFold.Apply(State, entry);
        Note(before, entry);
    }

    /// <summary>Output of the agent, on the hot path: the state moves on in one step per batch, see <see cref="SettleOutputs"/>.</summary>
    public void WriteOutput(Output output, string? taskId, string? runId, long source, DateTimeOffset at)
    {
        _entries.Add(new Entry(State.Seq + 1 + _pending, at, taskId, runId, source, output));
        _pending++;
    }

    /// <summary>Folds the outputs written since the last fact.</summary>
    public void SettleOutputs()
    {
        if (_pending == 0) return;
        var last = _entries[^1];
        State = SessionFold.ApplyOutputs(State, last.Seq, last.Source, last.At);
        _pending = 0;
    }

    public Decision Decide() => new(State, _entries, _tasks, _permissions);

    /// <summary>Keeps the rows that the event changes, also of what leaves the live state with it.</summary>
    private void Note(SessionState before, Entry e)
    {
        if (e.TaskId is { } taskId)
        {
            if (State.Find(taskId) is { } live) _tasks[taskId] = live.View;
            else if (e.Fact is TaskEnded end && before.Find(taskId) is { } ended) _tasks[taskId] = TaskFold.Ended(ended.View, e, end);
        }

        foreach (var old in before.Permissions)
        {
            var now = State.Permissions.FirstOrDefault(p => p.View.Id == old.View.Id);
            if (now is null) _permissions[old.View.Id] = PermissionFold.After(old.View, e);
            else if (!ReferenceEquals(now, old)) _permissions[now.View.Id] = now.View;
        }

        if (e.Fact is PermissionRequested) _permissions[State.Permissions[^1].View.Id] = State.Permissions[^1].View;
    }
}

/// <summary>What a decision came to: the events, the state after them, and the rows that change with them.</summary>
internal readonly record struct Decision(
    SessionState State, IReadOnlyList<Entry> Entries, IReadOnlyDictionary<string, TaskView> Tasks, IReadOnlyDictionary<string, PermissionView> Permissions)
{
    private static readonly Dictionary<string, TaskView> NoTasks = [];
    private static readonly Dictionary<string, PermissionView> NoPermissions = [];

    /// <summary>Nothing to write: a repeat, or a command that the state has overtaken.</summary>
    public Decision(SessionState state) : this(state, [], NoTasks, NoPermissions) { }

    public bool IsEmpty => Entries.Count == 0;
}
