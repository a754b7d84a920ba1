using Marionette.Providers;

namespace Marionette.Runners;

/// <content>
/// A runner that stands still. Its silence is no death: no lease runs, and its provider alone says that it is gone. Once it goes on, its agent has the time of a
/// first call to come back.
/// </content>
internal sealed partial class RunnerGrain
{
    public async Task PauseAsync(long epoch, CancellationToken cancellationToken)
    {
        if (Record is not { } record || record.Epoch != epoch) return;
        if (record.IsFinal) TellOfEnd(record);
        else if (record.Status == RunnerStatus.Paused) TellSession(Session(record).RunnerPausedAsync(epoch, null, CancellationToken.None));
        else await Provider(record).PauseAsync(this.GetPrimaryKeyString(), epoch, CancellationToken.None);
    }

    public async Task UnpauseAsync(long epoch, CancellationToken cancellationToken)
    {
        if (Record is not { } record || record.Epoch != epoch) return;
        if (record.IsFinal)
        {
            TellOfEnd(record);
            return;
        }

        if (record.Status == RunnerStatus.Paused)
        {
            record = record with { Status = RunnerStatus.Offline, OfflineSince = Now, WakingSince = Now };
            await WriteAsync(record);
        }

        if (record.WakingSince is not null) await Provider(record).UnpauseAsync(this.GetPrimaryKeyString(), epoch, CancellationToken.None);
    }

    public async Task PauseOutcomeAsync(RunnerPauseOutcome outcome, CancellationToken cancellationToken)
    {
        if (Record is not { IsFinal: false } record || record.Epoch != outcome.Epoch) return;
        if (outcome.Paused)
        {
            if (outcome.Refusal is null) await WriteAsync(record with { Status = RunnerStatus.Paused, OfflineSince = null, WakingSince = null });
            TellSession(Session(record).RunnerPausedAsync(record.Epoch, outcome.Refusal, CancellationToken.None));
        }
        else if (outcome.Refusal is not null && record.WakingSince is not null)
        {
            await LoseAsync(record, "unpause_failed", outcome.Refusal);
        }
    }

    /// <summary>It ended, and its session did not hear of it.</summary>
    private void TellOfEnd(RunnerRecord record) => TellSession(Session(record).RunnerLostAsync(record.Epoch, record.LossCause ?? DeathCauses.Removed, record.Reason, CancellationToken.None));
}
