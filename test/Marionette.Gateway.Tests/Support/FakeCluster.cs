using System.Collections.Concurrent;
using System.Collections.Immutable;
using Marionette.AgentConfigs;
using Marionette.Budgets;
using Marionette.Permissions;
using Marionette.Pools;
using Marionette.Providers;
using Marionette.Runners;
using Marionette.Schedules;
using Marionette.Sessions;
using Marionette.Tasks;

namespace Marionette.Gateway.Tests.Support;

/// <summary>Grains by their keys, as little as the routes need: what is there, what was called, and what an object of another tenant looks like.</summary>
internal sealed class FakeCluster
{
    private static readonly DateTimeOffset Now = new(2026, 11, 23, 10, 0, 0, TimeSpan.Zero);

    public FakeCluster() => Grains = Fake<IGrainFactory>.Create((method, arguments) => method.Name switch
    {
        nameof(IGrainFactory.GetGrain) when method.GetGenericArguments()[0] == typeof(ISessionGrain) => Session((string)arguments[0]!),
        nameof(IGrainFactory.GetGrain) when method.GetGenericArguments()[0] == typeof(ITaskGrain) => TaskOf((string)arguments[0]!),
        nameof(IGrainFactory.GetGrain) when method.GetGenericArguments()[0] == typeof(IBudgetGrain) => BudgetOf((string)arguments[0]!),
        nameof(IGrainFactory.GetGrain) when method.GetGenericArguments()[0] == typeof(IRunnerGrain) => RunnerOf((string)arguments[0]!),
        nameof(IGrainFactory.GetGrain) when method.GetGenericArguments()[0] == typeof(ITenantPolicyGrain) => PolicyOf((string)arguments[0]!),
        nameof(IGrainFactory.GetGrain) when method.GetGenericArguments()[0] == typeof(IScheduleGrain) => Schedule((string)arguments[0]!),
        nameof(IGrainFactory.GetGrain) when method.GetGenericArguments()[0] == typeof(IAgentConfigGrain) => Config((string)arguments[0]!),
        nameof(IGrainFactory.GetGrain) when method.GetGenericArguments()[0] == typeof(IProviderCatalogGrain) =>
            Fake<IProviderCatalogGrain>.Create((call, _) => new ValueTask<ImmutableArray<string>>(
                call.Name == nameof(IProviderCatalogGrain.GetPoolsAsync) ? ["metal"] : ["docker", "metal", "process"])),
        nameof(IGrainFactory.GetGrain) when method.GetGenericArguments()[0] == typeof(IPoolGrain) => Pools.Pool((string)arguments[0]!),
        nameof(IGrainFactory.GetGrain) when method.GetGenericArguments()[0] == typeof(IHostGrain) => Pools.Host((string)arguments[0]!),
        nameof(IGrainFactory.CreateObjectReference) => arguments[0],
        nameof(IGrainFactory.DeleteObjectReference) => null,
        _ => throw new NotSupportedException(method.Name),
    });

    public IGrainFactory Grains { get; }

    public FakePools Pools { get; } = new();

    /// <summary>Commands that arrived, as <c>method key</c>.</summary>
    public ConcurrentQueue<string> Calls { get; } = new();

    public ConcurrentDictionary<string, CreateSession> Sessions { get; } = new();

    public ConcurrentDictionary<string, TaskView> Tasks { get; } = new();

    public ConcurrentQueue<DecidePermission> Decisions { get; } = new();

    public ConcurrentQueue<SendMessage> Messages { get; } = new();

    public ConcurrentQueue<SubmitTask> Submitted { get; } = new();

    public ConcurrentQueue<ChangeSession> Changes { get; } = new();

    public ConcurrentDictionary<string, TenantBudget> Budgets { get; } = new();

    public ConcurrentDictionary<string, TenantPolicy> Policies { get; } = new();

    /// <summary>What a decision answers; null = the view that it asks for.</summary>
    public Func<DecidePermission, PermissionView>? OnDecide { get; set; }
    public ConcurrentDictionary<string, ScheduleChange> Schedules { get; } = new();

    public ConcurrentDictionary<string, AgentConfigChange> Configs { get; } = new();

    /// <summary>Runners whose secrets are bound, by their keys.</summary>
    public ConcurrentDictionary<string, (long Epoch, byte[] Secret, string SessionId)> Runners { get; } = new();

    /// <summary>What runners' folders begin with.</summary>
    public WorkspaceStart Start { get; set; } = WorkspaceStart.Empty;

    /// <summary>Proofs that the runners' grains were asked for.</summary>
    public ConcurrentQueue<string> Verified { get; } = new();

    /// <summary>Thrown by the next command, once.</summary>
    public Exception? NextFault { get; set; }

    private ISessionGrain Session(string key) => Fake<ISessionGrain>.Create((method, arguments) =>
    {
        var id = GrainKeys.Split(key).Id;
        if (method.Name is nameof(ISessionGrain.ListenAsync)) return new ValueTask<SessionFeedLease>(new SessionFeedLease(0, 30));
        if (method.Name is nameof(ISessionGrain.UnlistenAsync)) return ValueTask.CompletedTask;
        if (method.Name is nameof(ISessionGrain.AttachRunnerAsync)) return Task.FromResult(new RunnerAttachment { SessionId = id, Agent = "claude", Workspace = Start });
        if (method.Name is nameof(ISessionGrain.DetachRunnerAsync)) return Task.CompletedTask;
        Calls.Enqueue($"{method.Name} {key}");
        if (NextFault is { } fault)
        {
            NextFault = null;
            throw fault;
        }
        if (method.Name == nameof(ISessionGrain.CreateAsync)) return Task.FromResult(View(id, Sessions.GetOrAdd(key, (CreateSession)arguments[0]!)));
        if (!Sessions.TryGetValue(key, out var created)) throw Missing();
        switch (method.Name)
        {
            case nameof(ISessionGrain.GetAsync):
                return new ValueTask<SessionView>(View(id, created));
            case nameof(ISessionGrain.SubmitTaskAsync):
                var submit = (SubmitTask)arguments[0]!;
                Submitted.Enqueue(submit);
                return Task.FromResult(Tasks.GetOrAdd(GrainKeys.Of(GrainKeys.Split(key).Tenant, submit.TaskId), _ => new TaskView
                {
                    Id = submit.TaskId, SessionId = id, Prompt = submit.Prompt, Status = TaskState.Queued, TimeoutSeconds = submit.TimeoutSeconds,
                    CreatedAt = Now, UpdatedAt = Now, FirstSeq = 2, Labels = submit.Labels,
                }));
            case nameof(ISessionGrain.ChangeAsync):
                Changes.Enqueue((ChangeSession)arguments[0]!);
                return Task.FromResult(View(id, created));
            case nameof(ISessionGrain.DecidePermissionAsync):
                Decisions.Enqueue((DecidePermission)arguments[0]!);
                return Task.FromResult(OnDecide?.Invoke((DecidePermission)arguments[0]!)!);
            case nameof(ISessionGrain.DelegatePermissionAsync):
                var delegated = (DelegatePermission)arguments[0]!;
                return Task.FromResult(new PermissionView
                {
                    Id = delegated.PermissionId, OriginalRequestId = "r", SessionId = id, TaskId = "task", RunId = "trun", Tool = "Bash", Action = "{}", Status = PermissionStatus.Pending,
                    Approvers = [delegated.To], CreatedAt = Now, UpdatedAt = Now, ExpiresAt = Now.AddHours(1),
                });
            default:
                return Task.FromResult(View(id, created));
        }
    });

    private IScheduleGrain Schedule(string key) => Fake<IScheduleGrain>.Create((method, arguments) =>
    {
        Calls.Enqueue($"{method.Name} {key}");
        if (method.Name == nameof(IScheduleGrain.CreateAsync)) Schedules.TryAdd(key, (ScheduleChange)arguments[0]!);
        if (!Schedules.TryGetValue(key, out var made)) throw Missing();
        if (method.Name == nameof(IScheduleGrain.UpdateAsync)) Schedules[key] = (ScheduleChange)arguments[0]!;
        var view = new ScheduleView
        {
            Id = GrainKeys.Split(key).Id, Name = made.Name ?? "", Status = ScheduleStatus.Active, CronExpression = made.CronExpression ?? "", SessionId = made.SessionId,
            Session = made.Session, CreatedAt = Now, UpdatedAt = Now,
        };
        return method.Name switch
        {
            nameof(IScheduleGrain.GetAsync) => new ValueTask<ScheduleView>(view),
            nameof(IScheduleGrain.DeleteAsync) => Task.CompletedTask,
            nameof(IScheduleGrain.TriggerAsync) => Task.FromResult(new TaskView { Id = (string)arguments[0]!, SessionId = made.SessionId ?? "", Prompt = "" }),
            nameof(IScheduleGrain.GetHistoryAsync) => new ValueTask<ScheduleHistory>(new ScheduleHistory([
                new OccurrenceView { ScheduledAt = Now, Status = OccurrenceStatus.Waiting, TaskId = "task_0VblLnwqr5JQkdm1" },
                new OccurrenceView { ScheduledAt = Now, Status = OccurrenceStatus.Missed, Count = 3, Until = Now.AddMinutes(2) },
            ])),
            _ => Task.FromResult(view),
        };
    });

    private IAgentConfigGrain Config(string key) => Fake<IAgentConfigGrain>.Create((method, arguments) =>
    {
        Calls.Enqueue($"{method.Name} {key}");
        if (method.Name == nameof(IAgentConfigGrain.CreateAsync)) Configs.TryAdd(key, (AgentConfigChange)arguments[0]!);
        if (!Configs.TryGetValue(key, out var made)) throw Missing();
        if (method.Name == nameof(IAgentConfigGrain.UpdateAsync)) Configs[key] = made = (AgentConfigChange)arguments[0]!;
        var view = new AgentConfigView
        {
            Id = GrainKeys.Split(key).Id, Name = made.Name ?? "", Agent = made.Agent ?? "claude", BaseUrl = made.BaseUrl, HasApiKey = made.Credential is not null,
            EnvNames = made.EnvNames, OptionNames = made.OptionNames, Extra = made.Extra, CreatedAt = Now, UpdatedAt = Now,
        };
        return method.Name switch
        {
            nameof(IAgentConfigGrain.GetAsync) => new ValueTask<AgentConfigView>(view),
            nameof(IAgentConfigGrain.DeleteAsync) => Task.CompletedTask,
            _ => Task.FromResult(view),
        };
    });

    private IRunnerGrain RunnerOf(string key) => Fake<IRunnerGrain>.Create((method, arguments) =>
    {
        if (method.Name == nameof(IRunnerGrain.HelloAsync) && Runners.TryGetValue(key, out var calling))
            return Task.FromResult(new RunnerAdmission(GrainKeys.Of(GrainKeys.Split(key).Tenant, calling.SessionId), calling.Epoch));
        if (method.Name == nameof(IRunnerGrain.PresenceAsync)) return Task.CompletedTask;
        if (method.Name != nameof(IRunnerGrain.VerifyAsync)) throw Missing();
        Verified.Enqueue(key);
        if (NextFault is { } fault)
        {
            NextFault = null;
            throw fault;
        }

        if (!Runners.TryGetValue(key, out var runner) || !runner.Secret.AsSpan().SequenceEqual((byte[])arguments[1]!))
            throw new MarionetteException(FaultCode.TokenRefused, "The runner's secret is not known.");
        if (runner.Epoch != (long)arguments[0]!) throw new MarionetteException(FaultCode.Fenced, "The runner is online.");
        return new ValueTask<RunnerAdmission>(new RunnerAdmission(GrainKeys.Of(GrainKeys.Split(key).Tenant, runner.SessionId), runner.Epoch));
    });

    private ITaskGrain TaskOf(string key) => Fake<ITaskGrain>.Create((method, arguments) =>
    {
        Calls.Enqueue($"{method.Name} {key}");
        if (!Tasks.TryGetValue(key, out var view)) throw Missing();
        if (method.Name == nameof(ITaskGrain.SendMessageAsync))
        {
            var message = (SendMessage)arguments[0]!;
            Messages.Enqueue(message);
            return Task.FromResult(new MessageReceipt(message.MessageId, view.Id, "sent"));
        }

        return method.Name == nameof(ITaskGrain.GetAsync) ? new ValueTask<TaskView>(view) : Task.FromResult(view);
    });

    private IBudgetGrain BudgetOf(string key) => Fake<IBudgetGrain>.Create((method, arguments) =>
    {
        if (method.Name == nameof(IBudgetGrain.SetAsync)) Budgets[key] = (TenantBudget)arguments[0]!;
        return Task.FromResult(new TenantSpendingView(Budgets.GetValueOrDefault(key, TenantBudget.None), Now, new Usage(1, 2, 3, 4, 0.5m)));
    });

    /// <summary>As the real one, as far as the routes need it.</summary>
    private ITenantPolicyGrain PolicyOf(string key) => Fake<ITenantPolicyGrain>.Create((method, arguments) =>
    {
        var policy = Policies.GetOrAdd(key, _ => new TenantPolicy());
        switch (method.Name)
        {
            case nameof(ITenantPolicyGrain.GetAsync):
                return new ValueTask<TenantPolicy>(policy);
            case nameof(ITenantPolicyGrain.PutRuleAsync):
                if (arguments[2] is long version && version != policy.Version) throw new MarionetteException(FaultCode.Conflict, "Another version.");
                var rules = policy.Rules.RemoveAll(rule => rule.Id == ((PolicyRule)arguments[0]!).Id);
                return Task.FromResult(Policies[key] = policy with { Version = policy.Version + 1, Rules = rules.Insert(Math.Min((int?)arguments[1] ?? rules.Length, rules.Length), (PolicyRule)arguments[0]!) });
            case nameof(ITenantPolicyGrain.RemoveRuleAsync):
                return Task.FromResult(Policies[key] = policy with { Version = policy.Version + 1, Rules = policy.Rules.RemoveAll(rule => rule.Id == (string)arguments[0]!) });
            case nameof(ITenantPolicyGrain.TestAsync):
                return new ValueTask<ImmutableArray<PolicyVerdict>>(
                    [.. ((ImmutableArray<PermissionSubject>)arguments[0]!).Select(_ => new PolicyVerdict(PolicyEffect.Ask, null, "No rule matches.", "low", [], [], null))]);
            case nameof(ITenantPolicyGrain.PutHookAsync):
                return Task.FromResult(Policies[key] = policy with { Hooks = policy.Hooks.RemoveAll(hook => hook.Id == ((ApprovalHook)arguments[0]!).Id).Add((ApprovalHook)arguments[0]!) });
            default:
                throw new NotSupportedException(method.Name);
        }
    });

    private static MarionetteException Missing() => new(FaultCode.NotFound, "There is no such object.");

    private static SessionView View(string id, CreateSession command) => new()
    {
        Id = id, Name = command.Name, Agent = command.Agent, Status = SessionStatus.Pending, Phase = "idle", WorkspaceId = "ws_0VblLnxx5PhDdWem",
        EnvNames = command.EnvNames, Labels = command.Labels, CreatedAt = Now, UpdatedAt = Now, LastSeq = 1, Command = ImmutableArray<string>.Empty,
    };
}
