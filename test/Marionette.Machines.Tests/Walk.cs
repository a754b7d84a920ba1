using System.Collections.Immutable;
using System.Text.Json;
using Marionette.Log;
using Marionette.Permissions;
using Marionette.Runners;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Machines.Tests;

/// <summary>
/// A session and a runner that talk to each other in memory: every decision is kept as a log, rows are kept as the store would, and time moves when
/// told. Random walks over it state the laws that hold whatever happens.
/// </summary>
internal sealed class Walk
{
    public static readonly SessionTimings Timings = new(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(30));

    private int _ids;

    public SessionState State { get; private set; } = SessionState.Empty;

    public List<LoggedEvent> Log { get; } = [];

    public Dictionary<string, byte[]> Rows { get; } = [];

    public DateTimeOffset Now { get; private set; } = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Next number of the runner's events.</summary>
    public long NextNumber { get; set; } = 1;

    public IReadOnlyList<TaskView> EndedTasks =>
        [.. Rows.Where(r => r.Key.StartsWith("task:", StringComparison.Ordinal)).Select(r => SessionRows.Task(r.Value)).Where(t => t.IsFinal)];

    public DecisionContext Context => new()
    {
        Now = Now, Provider = "process", Timings = Timings, NewId = prefix => $"{prefix}_{_ids++:d16}", Tenant = Tenant, Prices = Prices, Policy = Policy, CanPause = CanPause,
    };

    public TenantSpending? Tenant { get; set; }

    /// <summary>The tenant's rules; null = they cannot be read.</summary>
    public TenantPolicy? Policy { get; set; } = new();

    public bool CanPause { get; set; } = true;

    public PriceTable Prices { get; set; } = PriceTable.Empty;

    public string TaskId() => $"task_{_ids++:d16}";

    public void Pass(TimeSpan time) => Now += time;

    public void Take(Decision decision)
    {
        foreach (var e in decision.Entries)
        {
            Log.Add(new LoggedEvent(e.Seq, FactCodec.TypeOf(e.Fact), e.TaskId, e.RunId, e.Source, e.At, FactCodec.Write(e.Fact)));
            if (e.Fact is RunnerAssigned) NextNumber = 1;
        }

        State = decision.State;
        if (decision.IsEmpty) return;
        foreach (var row in SessionRows.Of("t", decision)) Rows[$"{row.Type}:{row.Key}"] = row.Json;
    }

    public Walk Created(int? idle = null, PermissionTerms? terms = null, int? ttl = null, string? failover = null, string? strategy = null)
    {
        var command = Command(idle) with { PermissionPolicy = terms, TtlSeconds = ttl, FailoverPolicy = failover, SuspendStrategy = strategy };
        Take(SessionMachine.Create(State, "sess_0000000000000001", "ws_0000000000000001", command, Context));
        return this;
    }

    public string Submit(int retries = 0, int timeout = 3600, Budget? budget = null)
    {
        var id = TaskId();
        var command = new SubmitTask(id, "do it", timeout, retries, ImmutableDictionary<string, string>.Empty, null, Budget: budget);
        Take(SessionMachine.Submit(State, command, Context));
        return id;
    }

    /// <summary>A session whose first task runs.</summary>
    public string Running(Budget? budget = null)
    {
        var task = Submit(budget: budget);
        Attach();
        Say("run.started", new { conversation_id = "c1" });
        return task;
    }

    public string Send(string task)
    {
        var id = $"msg_{_ids++:d16}";
        Take(SessionMachine.Send(State, Ended(task), new SendMessage(task, id, "and this", "ann"), Context));
        return id;
    }

    public void Use(long tokens) => Say("usage", new { input_tokens = tokens, output_tokens = 0, cache_read_tokens = 0, cache_write_tokens = 0 });

    private TaskView? Ended(string task) => Rows.TryGetValue($"task:t/{task}", out var row) ? SessionRows.Task(row) : null;

    public void Attach() => Take(SessionMachine.Attach(State, State.View.RunnerId!, State.View.Epoch, Context));

    public void Say(string type, object data, string? run = null) => SayRaw(type, JsonSerializer.SerializeToUtf8Bytes(data), run);

    public void SayRaw(string type, byte[] payload, string? run = null)
    {
        var output = new RunnerOutput(State.View.Epoch, NextNumber, [new OutputEvent(type, run ?? State.Current?.RunId, Now.ToUnixTimeMilliseconds(), payload)]);
        NextNumber++;
        Take(SessionMachine.Append(State, output, Context));
    }

    public void Finish(string outcome = "completed") => Say("run.finished", new
    {
        outcome, result = "done", duration_ms = 5, cost_usd = 0.25m, error = outcome == "failed" ? new { code = "model_error", message = "no" } : null,
        usage = new { input_tokens = 10, output_tokens = 2, cache_read_tokens = 0, cache_write_tokens = 0 },
    });

    /// <summary>The model's refusal ends the run.</summary>
    public void Fail(string code, DateTimeOffset? retryAt = null) => Say("run.finished", new
    {
        outcome = "failed", duration_ms = 5, cost_usd = 0.01m, error = new { code, message = "not now" }, retry_at = retryAt,
        usage = new { input_tokens = 10, output_tokens = 0, cache_read_tokens = 0, cache_write_tokens = 0 },
    });

    public void Ask(string request = "req-1") => Say("permission.request", new { request_id = request, tool = "Bash", input = new { command = "ls" } });

    /// <summary>A question about a shell command; returns the request's id.</summary>
    public string AskCommand(string command, string request = "req-1", bool takesInput = true)
    {
        Say("permission.request", new { request_id = request, tool = "Bash", category = "command", command, takes_input = takesInput, input = new { command } });
        return Rows.Keys.Where(k => k.StartsWith("permission:", StringComparison.Ordinal)).Max(StringComparer.Ordinal)?["permission:t/".Length..] ?? "";
    }

    public void Answer(string permission, string who, bool allow = true, string? command = null, string? remember = null, string? input = null) =>
        Take(SessionMachine.Decide(State, Row(permission), new DecidePermission(
            permission, command ?? $"cmd-{who}-{allow}", allow, $"{who} (key_{who})", null, input is null ? null : System.Text.Encoding.UTF8.GetBytes(input), false, remember,
            $"key_{who}", who), Context));

    public void Decide(string permission, bool allow, string command) => Take(SessionMachine.Decide(
        State, Row(permission), new DecidePermission(permission, command, allow, "ann", null, null, false), Context));

    public void Tick() => Take(SessionMachine.Tick(State, Context));

    public PermissionView? Row(string permission) =>
        Rows.TryGetValue($"permission:t/{permission}", out var row) ? SessionRows.Permission(row) : null;

    public TaskView Task(string id) => SessionRows.Task(Rows[$"task:t/{id}"]);

    /// <summary>The state as another silo would have it: from the log alone.</summary>
    public SessionState Refolded()
    {
        var state = SessionState.Empty;
        state = state with { View = state.View with { Id = State.View.Id } };
        return SessionFold.Fold(state, Log.Select(e => new Entry(e.Seq, e.At, e.TaskId, e.RunId, e.Source, FactCodec.Read(e.Type, e.Payload))));
    }

    /// <summary>Another activation: what it knows is what the log has.</summary>
    public void Restart() => State = Refolded();

    /// <summary>The state as an activation would load it: from the rows.</summary>
    public Task<SessionState> ReloadedAsync() =>
        SessionRows.LoadAsync(new RowsOnly(Rows), "t", Rows[$"session:t/{State.View.Id}"], CancellationToken.None);

    public static CreateSession Command(int? idle) => new(
        "a session", "claude", null, null, null, [], null, null, null, "on_demand", idle, "open", [], ImmutableDictionary<string, string>.Empty.Add("team", "web"),
        "default", 1800, false, []);

    private sealed class RowsOnly(Dictionary<string, byte[]> rows) : ISessionLog
    {
        public Task<bool> AppendAsync(LogBatch batch) => throw new InvalidOperationException("read only");

        public Task<ImmutableArray<LoggedEvent>> ReadAsync(string session, long after, int limit, CancellationToken cancellationToken) =>
            System.Threading.Tasks.Task.FromResult(ImmutableArray<LoggedEvent>.Empty);

        public Task<byte[]?> ReadRowAsync(string type, string key, CancellationToken cancellationToken) =>
            System.Threading.Tasks.Task.FromResult(rows.GetValueOrDefault($"{type}:{key}"));

        public Task<IReadOnlyDictionary<string, byte[]>> ReadRowsAsync(string type, IReadOnlyCollection<string> keys, CancellationToken cancellationToken) =>
            System.Threading.Tasks.Task.FromResult<IReadOnlyDictionary<string, byte[]>>(keys.ToDictionary(k => k, k => rows[$"{type}:{k}"]));
    }
}
