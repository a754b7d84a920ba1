using Marionette.Runners;

namespace Marionette.Sessions;

/// <content>The runner that is kept while the session is suspended.</content>
internal sealed partial class SessionGrain
{
    public async Task<SessionView> SuspendAsync(SuspendSession command, CancellationToken cancellationToken)
    {
        await CommitAsync(SessionMachine.Suspend(_state, command.Reason, Context(), command.Strategy), cancellationToken);
        return _state.View;
    }

    public Task RunnerPausedAsync(long epoch, string? refusal, CancellationToken cancellationToken) =>
        CommitAsync(SessionMachine.Frozen(_state, epoch, refusal, Context()), cancellationToken);

    /// <summary>What the session's pause still needs of its runner; after an activation nobody knows what was done of it.</summary>
    private void RecoverPause(string runnerId)
    {
        if (_state.Pause is { Step: PauseStep.Settled }) PauseRunner(runnerId, _state.View.Epoch);
        else if (_state.Pause is { Step: PauseStep.Waking }) UnpauseRunner(runnerId, _state.View.Epoch);
    }

    private void PauseRunner(string runnerId, long epoch) => Forget(RunnerOf(runnerId).PauseAsync(epoch), "pause runner");

    private void UnpauseRunner(string runnerId, long epoch) => Forget(RunnerOf(runnerId).UnpauseAsync(epoch), "unpause runner");

    /// <summary>The stream of a runner that stands still ends from this side, without a word of fencing: once it goes on, it finds that out at once and connects again.</summary>
    private void HangUp(long epoch)
    {
        if (_connection is not { } connection) return;
        Forget(connection.Observer.OnFencedAsync(epoch, ""), "hang up");
        _connection = null;
    }

    private IRunnerGrain RunnerOf(string runnerId) => GrainFactory.GetGrain<IRunnerGrain>(GrainKeys.Of(_tenant, runnerId));

    private bool CanPause(string? provider) => providers.Any(one => one.Name == (provider ?? Provider) && one.Capabilities.CanPause);

    /// <exception cref="MarionetteException">Invalid: it is to be paused, and its provider cannot.</exception>
    private void MustFit(CreateSession command)
    {
        // A fork has its source's: where the provider is another one that cannot, it is suspended as that one can, and says so.
        if (!_state.Exists && command.Origin?.SessionId is null && command.SuspendStrategy == SuspendStrategies.Pause && !CanPause(command.Provider))
            throw Wrong("suspend_strategy", $"must be {SuspendStrategies.Release}: the provider \"{command.Provider ?? Provider}\" cannot pause a runner");
    }
}
