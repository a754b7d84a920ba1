using Marionette.Runners;
using Marionette.Workspaces;
using Microsoft.Extensions.Logging;

namespace Marionette.Sessions;

/// <content>
/// What follows from events outside the log. Effects are idempotent, carry the epoch, are never awaited by a turn (the runner's grain calls
/// back, and a turn that waited for it would close a cycle), and are derived again from the state on activation and by the reminder.
/// </content>
internal sealed partial class SessionGrain
{
    private const string AliveReminder = "alive";

    /// <summary>The shortest period that Orleans takes.</summary>
    private static readonly TimeSpan ReminderPeriod = TimeSpan.FromMinutes(1);

    /// <summary>Longest sleep of a reminder, and of a timer; Orleans takes no more than some weeks.</summary>
    private static readonly TimeSpan LongestSleep = TimeSpan.FromDays(1);

    private IGrainTimer? _deadline, _leave, _remindAgain;

    /// <summary>From here on the reminder rings every minute; null = not registered by this activation.</summary>
    private DateTimeOffset? _ringsFrom;

    private Task _reminder = Task.CompletedTask;
    private int _effectsUnderWay;
    private bool _leaving;

    public async Task ReceiveReminder(string reminderName, TickStatus status)
    {
        _ringsFrom ??= Now; // So it is registered, whoever did it.
        RecoverEffects();
        await TickAsync();
        Remind();
    }

    private void RunEffects(SessionState before, Decision decision)
    {
        var after = decision.State.View;
        foreach (var e in decision.Entries)
        {
            switch (e.Fact)
            {
                case RunnerAssigned f:
                    Forget(EnsureRunnerAsync(f.RunnerId, f.Epoch, f.Provider), "ensure runner");
                    break;
                case RunnerReleased f:
                    ReleaseRunner(f.RunnerId, f.Epoch, f.Reason);
                    break;
                case RunnerLost f:
                    ReleaseRunner(f.RunnerId, f.Epoch, f.Cause);
                    break;
                case RunnerPausing f:
                    PauseRunner(f.RunnerId, f.Epoch);
                    break;
                case RunnerPaused f:
                    HangUp(f.Epoch);
                    break;
                case RunnerUnpausing f:
                    UnpauseRunner(f.RunnerId, f.Epoch);
                    break;
                case NetworkChanged when after.RunnerId is { } runner:
                    Forget(ApplyNetworkAsync(runner), "apply network");
                    break;
                case SessionTerminated or SessionFailed:
                    Forget(Workspace.FreeAsync(_id), "free workspace");
                    break;
            }
        }

        if (before.View.Status != after.Status) Log.StatusChanged(logger, _tenant, _id, before.View.Status, after.Status, after.Reason);
        Remind();
        AskHooks();
        SendCommands();
        _leaving = after.RunnerId is null && before.View.RunnerId is not null && _listeners.Count == 0;
        LeaveWhenDone();
    }

    /// <summary>After an activation nobody knows which effects ran: all that the state still implies run again.</summary>
    private void RecoverEffects()
    {
        if (_state.View.RunnerId is { } runner && !_state.IsClosed)
        {
            Forget(EnsureRunnerAsync(runner, _state.View.Epoch, _state.View.Provider ?? Provider), "ensure runner");
            RecoverPause(runner);
        }
        else if (_state.View.PreviousRunnerId is { } previous)
            Forget(GrainFactory.GetGrain<IRunnerGrain>(GrainKeys.Of(_tenant, previous)).ReleaseAsync("The session has no runner."), "release runner");
        Remind();
        AskHooks();
    }

    private async Task EnsureRunnerAsync(string runnerId, long epoch, string provider)
    {
        try
        {
            await Workspace.AcquireAsync(_id, epoch);
            await GrainFactory.GetGrain<IRunnerGrain>(GrainKeys.Of(_tenant, runnerId))
                .EnsureAsync(new RunnerRequest(_id, epoch, provider, _state.View.WorkspaceId) { Shape = await ShapeAsync(), Network = await NetworkAsync() });
        }
        catch (MarionetteException e) when (e.Code is FaultCode.Conflict or FaultCode.NotFound or FaultCode.ProviderFailed)
        {
            await this.AsReference<ISessionGrain>().RunnerLostAsync(epoch, "provision_failed", e.Message);
        }
    }

    private async Task ApplyNetworkAsync(string runnerId) =>
        await GrainFactory.GetGrain<IRunnerGrain>(GrainKeys.Of(_tenant, runnerId)).ApplyNetworkAsync(await NetworkAsync());

    private IWorkspaceGrain Workspace => GrainFactory.GetGrain<IWorkspaceGrain>(GrainKeys.Of(_tenant, _state.View.WorkspaceId));

    private void ReleaseRunner(string runnerId, long epoch, string reason)
    {
        if (_connection is { } connection)
        {
            Forget(connection.Observer.OnFencedAsync(epoch, reason), "fence");
            _connection = null;
        }

        Forget(GrainFactory.GetGrain<IRunnerGrain>(GrainKeys.Of(_tenant, runnerId)).ReleaseAsync(reason), "release runner");
    }

    /// <summary>
    /// A session with a runner, or with a task that waits, is looked at every minute, whatever happens to its silo; one that sleeps, when a warning of its end or
    /// the end itself is due.
    /// </summary>
    private void Remind()
    {
        var watched = !_state.IsClosed && (_state.View.RunnerId is not null || _state.Tasks is [{ Hold: not null }, ..]);
        var rings = watched ? Now + ReminderPeriod : Ring(SessionMachine.NextDeadline(_state, _timings, _tenantSpending));
        if (rings == _ringsFrom || watched && _ringsFrom <= rings) return;
        _ringsFrom = rings;
        _reminder = SetReminderAsync(_reminder, rings);
        Forget(_reminder, "reminder");
    }

    /// <summary>
    /// An end that nothing else would bring about has its reminder before it is written: one that rings for nothing does no harm, and a silo that dies in between leaves
    /// no session that never ends.
    /// </summary>
    /// <exception cref="MarionetteException">Unavailable: nothing was done.</exception>
    private async Task RemindFirstAsync(Decision decision)
    {
        if (decision.IsEmpty || decision.State.View is not { ExpiresAt: not null, RunnerId: null }) return;
        var rings = Ring(SessionMachine.NextDeadline(decision.State, _timings, _tenantSpending));
        if (rings is null || _ringsFrom <= rings) return;
        _ringsFrom = rings;
        _reminder = SetReminderAsync(_reminder, rings);
        try
        {
            await _reminder;
        }
        catch (Exception e) when (e is OrleansException or Npgsql.NpgsqlException or TimeoutException)
        {
            throw new MarionetteException(FaultCode.Unavailable, "The session's end cannot be watched now; nothing was done. Try again.");
        }
    }

    /// <summary>One after the other: a reminder that is taken away must not be the one that was just set.</summary>
    private async Task SetReminderAsync(Task before, DateTimeOffset? rings)
    {
        try
        {
            await before;
        }
        catch (Exception)
        {
            // It was said already.
        }

        try
        {
            if (rings is { } from) await this.RegisterOrUpdateReminder(AliveReminder, from > Now ? from - Now : TimeSpan.Zero, ReminderPeriod);
            else if (await this.GetReminder(AliveReminder) is { } set) await this.UnregisterReminder(set);
        }
        catch
        {
            _ringsFrom = null;
            _remindAgain?.Dispose();
            _remindAgain = this.RegisterGrainTimer(RemindAgainAsync, ReminderPeriod, Timeout.InfiniteTimeSpan);
            throw;
        }
    }

    private Task RemindAgainAsync()
    {
        Remind();
        return Task.CompletedTask;
    }

    /// <summary>When a reminder of the deadline rings: on the way to a far one it rings for nothing, and is set again.</summary>
    private DateTimeOffset? Ring(DateTimeOffset? deadline)
    {
        if (deadline is not { } due) return null;
        if (due - Now > LongestSleep) return _ringsFrom > Now ? _ringsFrom : Now + LongestSleep;
        return due - Now < ReminderPeriod ? Now + ReminderPeriod : due;
    }

    private void Rearm()
    {
        _deadline?.Dispose();
        _deadline = null;
        if (SessionMachine.NextDeadline(_state, _timings, _tenantSpending) is not { } next) return;
        var wait = next - Now;
        wait = wait <= TimeSpan.Zero ? TimeSpan.FromMilliseconds(1) : wait > LongestSleep ? LongestSleep : wait;
        _deadline = this.RegisterGrainTimer(TickAsync, wait, TimeSpan.FromSeconds(5));
    }

    private async Task TickAsync()
    {
        if (!_state.Tasks.IsEmpty) await RefreshTenantAsync();
        var decision = SessionMachine.Tick(_state, Context());
        await CommitAsync(decision, CancellationToken.None);
        // The timer came early, since none sleeps longer than a day.
        if (decision.IsEmpty && SessionMachine.NextDeadline(_state, _timings, _tenantSpending) > Now) Rearm();
    }

    /// <summary>Lets an effect run on this grain's scheduler without the turn waiting for it. A failure is logged; recovery tries again.</summary>
    private async void Forget(Task effect, string name)
    {
        _effectsUnderWay++;
        try
        {
            await effect;
        }
        catch (Exception e)
        {
            Log.EffectFailed(logger, e, name, _tenant, _id);
        }

        _effectsUnderWay--;
        LeaveWhenDone();
    }

    private bool MayLeave => _leaving && _effectsUnderWay == 0 && _state.View.RunnerId is null;

    /// <summary>
    /// A session without a runner needs no memory; its last effects still need this activation. It goes in a turn of its own: one that is in the middle of a command
    /// has yet to do what follows from it.
    /// </summary>
    private void LeaveWhenDone()
    {
        if (MayLeave) _leave ??= this.RegisterGrainTimer(LeaveAsync, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    private Task LeaveAsync()
    {
        _leave?.Dispose();
        _leave = null;
        if (MayLeave) DeactivateOnIdle();
        return Task.CompletedTask;
    }

    private static partial class Log
    {
        [LoggerMessage(1001, LogLevel.Information, "Session {Tenant}/{Session}: {From} → {To} ({Reason})", EventName = "session.status")]
        public static partial void StatusChanged(ILogger logger, string tenant, string session, SessionStatus from, SessionStatus to, string reason);

        [LoggerMessage(1002, LogLevel.Warning, "Effect \"{Name}\" of session {Tenant}/{Session} failed; it is tried again", EventName = "session.effect.failed")]
        public static partial void EffectFailed(ILogger logger, Exception exception, string name, string tenant, string session);

        [LoggerMessage(1003, LogLevel.Warning, "An activation of session {Tenant}/{Session} was fenced at seq {Seq}: another one wrote first", EventName = "session.activation.fenced")]
        public static partial void ActivationFenced(ILogger logger, string tenant, string session, long seq);
    }
}
