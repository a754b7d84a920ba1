using Marionette.Tasks;

namespace Marionette.Sessions;

/// <content>Tasks that wait for quota, the model, a budget or a person: never a failure, never a silent end.</content>
internal static partial class SessionMachine
{
    /// <summary>Times in a row that the model may take no request before the task fails with its error.</summary>
    public const int ModelHoldLimit = 20;

    private static readonly TimeSpan FirstModelWait = TimeSpan.FromSeconds(15), LongestModelWait = TimeSpan.FromMinutes(10);

    public static Decision Continue(SessionState state, ContinueTask c, DecisionContext context)
    {
        MustBeOpen(state);
        if (state.Find(c.TaskId) is not { } task) throw new MarionetteException(FaultCode.NotFound, "No such task.");
        var scribe = new Scribe(state, context);
        if (c.Budget is { } budget && budget != task.View.Budget)
            scribe.Write(new BudgetChanged("task", OrNone(budget), c.By), c.TaskId);
        else if (task.Hold is { Kind: "budget", Scope: { } scope })
            Grant(scribe, task, scope, c.By);
        if (task.Hold is not null) Go(scribe, scribe.State.Find(c.TaskId)!, c.By, "continued");
        return scribe.Decide();
    }

    /// <summary>A budget without a limit is none.</summary>
    private static Budget? OrNone(Budget? budget) => budget is { MaxCostUsd: null, MaxTokens: null, MaxMinutes: null } ? null : budget;

    /// <summary>The amount that a budget had once more, on top of what was used. The tenant's is not a session's to change.</summary>
    private static void Grant(Scribe scribe, LiveTask task, string scope, string by)
    {
        var (budget, used) = scope == "task" ? (task.View.Budget, task.View.Usage) : (scribe.State.View.Budget, scribe.State.View.Usage);
        if (scope == "tenant" || budget is null) return;
        var more = budget with
        {
            MaxCostUsd = More(budget.MaxCostUsd, used.CostUsd), MaxTokens = (long?)More(budget.MaxTokens, used.Tokens),
            MaxMinutes = (double?)More((decimal?)budget.MaxMinutes, used.WallMs / 60_000m),
        };
        scribe.Write(new BudgetChanged(scope, more, by), task.View.Id);
    }

    private static decimal? More(decimal? limit, decimal used) => limit is { } some && used >= some ? used + some : limit;

    private static void Go(Scribe scribe, LiveTask task, string? by, string reason)
    {
        CloseQuestion(scribe, task.View.Id, by is null ? reason : $"The task was continued by {by}.");
        scribe.Write(new TaskReleased(by, reason), task.View.Id);
        Wake(scribe);
    }

    /// <summary>Writes warnings, and pauses the run under way when a limit is met.</summary>
    private static void CheckBudgets(Scribe scribe)
    {
        if (scribe.State.Current is not { CancelSeq: 0 } task) return;
        foreach (var level in BudgetRules.Levels(scribe.State, task, scribe.Context))
        {
            if (level.IsExceeded)
            {
                scribe.Write(new BudgetExceeded(level.Scope, level.Unit, level.Used, level.Limit), task.View.Id, task.RunId);
                scribe.Write(new TaskCancelRequested("budget", ReasonOf(level), Paused), task.View.Id, task.RunId);
                return;
            }

            var warned = level.Scope == "task" ? task.Warned.Contains(level.Unit) : scribe.State.Warned.Contains($"{level.Scope}:{level.Unit}");
            if (level.IsNear && !warned)
                scribe.Write(new BudgetWarning(level.Scope, level.Unit, level.Used, level.Limit), task.View.Id, task.RunId);
        }
    }

    /// <summary>Outcome of a run that a budget ended.</summary>
    private const string Paused = "paused";

    private static string ReasonOf(BudgetLevel level) => FormattableString.Invariant($"The {level.Scope}'s budget is used up: {level.Used:0.####} of {level.Limit:0.####} {UnitText(level.Unit)}.");

    private static string UnitText(string unit) => unit == "cost_usd" ? "US dollars" : unit;

    /// <summary>The first limit that is met, or null.</summary>
    private static BudgetLevel? Exceeded(SessionState state, LiveTask task, DecisionContext context)
    {
        foreach (var level in BudgetRules.Levels(state, task, context))
            if (level.IsExceeded) return level;
        return null;
    }

    /// <summary>The task waits for somebody who allows more.</summary>
    private static void HoldForBudget(Scribe scribe, LiveTask task, TaskEnded? run, long source = 0)
    {
        var level = Exceeded(scribe.State, task, scribe.Context);
        var reason = level is { } met ? ReasonOf(met) : task.View.Reason is { Length: > 0 } asked ? asked : "A budget is used up.";
        scribe.Write(new TaskHeld("budget", reason, level?.Scope ?? "task", null, false, run), task.View.Id, task.RunId, source);
        AskForBudget(scribe, scribe.State.Find(task.View.Id)!);
    }

    /// <summary>
    /// A run that the model refused for now ends as a wait. False: the error is not of that kind, or it came too often in a row.
    /// </summary>
    private static bool HoldForModel(Scribe scribe, LiveTask task, TaskEnded end, DateTimeOffset? retryAt, long source)
    {
        var quota = end.Error?.Code == "usage_limit";
        if (!quota && (end.Error?.Code is not ("rate_limited" or "overloaded") || task.ModelHolds >= ModelHoldLimit)) return false;
        var wait = FirstModelWait * Math.Pow(2, Math.Min(task.ModelHolds, 10));
        var fallback = scribe.Now + (quota ? TimeSpan.FromHours(1) : wait < LongestModelWait ? wait : LongestModelWait);
        var until = retryAt is { } hint && hint > scribe.Now ? hint : fallback;
        scribe.Write(
            new TaskHeld(quota ? "quota" : "model", end.Error!.Message, null, until, !quota || scribe.State.View.AutoContinue, end),
            task.View.Id, task.RunId, source);
        return true;
    }

    /// <summary>What waits by the clock, or for a budget that was raised meanwhile, goes on.</summary>
    private static void TickHolds(Scribe scribe)
    {
        if (scribe.State.Tasks is [{ Hold: { } hold } task, ..])
        {
            if (hold is { Auto: true, Until: { } until } && until <= scribe.Now)
                Go(scribe, task, null, "The time to wait is over.");
            else if (hold.Kind == "budget" && (hold.Scope != "tenant" || scribe.Context.Tenant is not null) && Exceeded(scribe.State, task, scribe.Context) is null)
                Go(scribe, task, null, "The budget allows it.");
        }

        // Tasks that an older version held have asked nobody yet.
        foreach (var held in scribe.State.Tasks) AskForBudget(scribe, held);
    }
}
