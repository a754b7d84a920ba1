using Marionette.Runners;

namespace Marionette.Sessions;

/// <content>What the session's runner may reach, what became of its start, and how much it may use.</content>
internal static partial class SessionMachine
{
    /// <summary>Hosts that a session may list.</summary>
    public const int AllowedHostsLimit = 200;

    /// <summary>A phase of the start of the epoch's runner. Facts for people: they change nothing.</summary>
    public static Decision Progress(SessionState state, long epoch, RunnerStep step, DecisionContext context)
    {
        if (IsOfNow(state, epoch) is not { } runner) return new(state);
        var scribe = new Scribe(state, context);
        scribe.Write(new RunnerProgress(runner, epoch, step.Phase, step.TookMs, step.Detail));
        return scribe.Decide();
    }

    public static Decision Blocked(SessionState state, long epoch, BlockedTarget target, DecisionContext context)
    {
        if (IsOfNow(state, epoch) is null) return new(state);
        var scribe = new Scribe(state, context);
        scribe.Write(new NetworkBlocked(target.Target, target.Port, target.Protocol, target.Reason, target.Count));
        return scribe.Decide();
    }

    /// <summary>What the host did to the processors of the epoch's runner.</summary>
    public static Decision Throttled(SessionState state, long epoch, RunnerThrottle throttle, DecisionContext context)
    {
        if (IsOfNow(state, epoch) is not { } runner) return new(state);
        var scribe = new Scribe(state, context);
        scribe.Write(throttle.IsOver
            ? new RunnerUnthrottled(runner, epoch, throttle.Cpus, throttle.Count)
            : new RunnerThrottled(runner, epoch, throttle.Cpus, throttle.Reason, throttle.Count));
        return scribe.Decide();
    }

    /// <summary>One event when something changes, none when all is as it was.</summary>
    private static void ChangeNetwork(Scribe scribe, NetworkChange change, string by)
    {
        var view = scribe.State.View;
        var hosts = change.AllowedHosts.IsDefault ? Or(view.AllowedHosts) : change.AllowedHosts;
        var policy = change.Policy ?? view.NetworkPolicy;
        if (change.Allow is { } one)
        {
            if (!hosts.Contains(one, StringComparer.OrdinalIgnoreCase)) hosts = hosts.Add(one);
            if (policy == "deny") policy = "allow_list";
        }

        if (hosts.Length > AllowedHostsLimit)
            throw new MarionetteException([new FieldError("allowed_hosts", $"may list at most {AllowedHostsLimit} targets; remove some, or use \"*.name\"")]);
        if (policy == view.NetworkPolicy && hosts.SequenceEqual(Or(view.AllowedHosts))) return;
        scribe.Write(new NetworkChanged(by, policy, hosts));
    }

    private static string? IsOfNow(SessionState state, long epoch) =>
        state.Exists && !state.IsClosed && epoch == state.View.Epoch ? state.View.RunnerId : null;
}
