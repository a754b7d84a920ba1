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

    private IGrainTimer? _deadline;
    private bool _reminded;
    private int _effectsUnderWay;
    private bool _leaving;

    public Task ReceiveReminder(string reminderName, TickStatus status)
    {
        RecoverEffects();
        return TickAsync();
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
                case WorkspaceReady { Source: "restored" } f when after.RunnerId is { } runner:
                    Forget(GrainFactory.GetGrain<IRunnerGrain>(GrainKeys.Of(_tenant, runner)).FilesRestoredAsync(f.Epoch), "files restored");
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
            Forget(EnsureRunnerAsync(runner, _state.View.Epoch, _state.View.Provider ?? Provider), "ensure runner");
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

    /// <summary>A session with a runner, or with a task that waits, is looked at every minute, whatever happens to its silo.</summary>
    private void Remind()
    {
        var wanted = !_state.IsClosed && (_state.View.RunnerId is not null || _state.Tasks is [{ Hold: not null }, ..]);
        if (wanted == _reminded) return;
        _reminded = wanted;
        Forget(wanted ? this.RegisterOrUpdateReminder(AliveReminder, ReminderPeriod, ReminderPeriod) : ForgetReminderAsync(), "reminder");
    }

    private async Task ForgetReminderAsync()
    {
        if (await this.GetReminder(AliveReminder) is { } reminder) await this.UnregisterReminder(reminder);
    }

    private void Rearm()
    {
        _deadline?.Dispose();
        _deadline = null;
        if (SessionMachine.NextDeadline(_state, _timings, _tenantSpending) is not { } next) return;
        var wait = next - Now;
        _deadline = this.RegisterGrainTimer(TickAsync, wait > TimeSpan.Zero ? wait : TimeSpan.FromMilliseconds(1), TimeSpan.FromSeconds(5));
    }

    private async Task TickAsync()
    {
        if (!_state.Tasks.IsEmpty) await RefreshTenantAsync();
        await CommitAsync(SessionMachine.Tick(_state, Context()), CancellationToken.None);
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

    /// <summary>A session without a runner needs no memory; its last effects still need this activation.</summary>
    private void LeaveWhenDone()
    {
        if (_leaving && _effectsUnderWay == 0 && _state.View.RunnerId is null) DeactivateOnIdle();
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
