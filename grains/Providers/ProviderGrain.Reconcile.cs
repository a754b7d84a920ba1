using Marionette.Runners;

namespace Marionette.Providers;

/// <content>The comparison of the backend's own inventory with the records.</content>
internal sealed partial class ProviderGrain
{
    private static readonly TimeSpan ReconcileEvery = TimeSpan.FromMinutes(1);

    private ReconcileView? _reconciled;
    private long _adopted, _removed;

    /// <summary>What is on the backend has been counted: before that, no limit could be kept.</summary>
    private bool _isCounted;

    private bool _reconciling;

    /// <summary>Beside the turns: it asks runners' grains, which may be asking this one.</summary>
    private Task Reconcile()
    {
        if (!_reconciling) RunBeside(ReconcileAsync(), "reconcile");
        return Task.CompletedTask;
    }

    /// <summary>
    /// Live by the records: watched, and never touched. Ended by the records or unknown to them: removed. The record is always written before the
    /// backend is asked, so what has none can only be a leftover.
    /// </summary>
    private async Task ReconcileAsync()
    {
        _reconciling = true;
        var owned = 0;
        try
        {
            await foreach (var handle in Provider().ListOwnedAsync(_gone.Token))
            {
                owned++;
                if (_held.ContainsKey(handle.RunnerKey)) continue;
                var (isLive, record) = await ReadAsync(handle);
                if (isLive) Adopt(handle, record);
                else RunBeside(RemoveAsync(handle), handle.RunnerKey);
            }

            if (Provider().Capabilities.CanWarm) await ListWarmAsync(_gone.Token);
        }
        catch (ProviderException e)
        {
            _health.Failed(e.Message, e.RetryAfter);
            if (!_isCounted) RunBeside(CountLaterAsync(), "reconcile");
            return;
        }
        finally
        {
            _reconciling = false;
        }

        (_isCounted, _reconciled) = (true, new ReconcileView(clock.GetUtcNow(), owned, _adopted, _removed));
        Pump();
    }

    private async Task CountLaterAsync()
    {
        await Task.Delay(PumpEvery, clock, _gone.Token);
        if (!_reconciling) await ReconcileAsync();
    }

    private async Task<(bool IsLive, RunnerView? Record)> ReadAsync(RunnerHandle handle)
    {
        try
        {
            var record = await Runner(handle.RunnerKey).GetAsync();
            return (record.Status is not (RunnerStatus.Released or RunnerStatus.Lost), record);
        }
        catch (MarionetteException e) when (e.Code == FaultCode.NotFound)
        {
            return (false, null);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            Failed(e, handle.RunnerKey);
            return (true, null); // Not known: left alone until the next comparison.
        }
    }

    private void Adopt(RunnerHandle handle, RunnerView? record)
    {
        var held = new Held(handle.Epoch) { Place = StartPlace.Watched };
        // Its grain may have ordered it while its record was read.
        if (!_held.TryAdd(handle.RunnerKey, held)) return;
        if (record is not null) RunBeside(EnforceRecordedAsync(handle.RunnerKey, held, record), handle.RunnerKey);
        _adopted++;
        Log.Adopted(logger, handle.RunnerKey, this.GetPrimaryKeyString());
    }

    private async Task RemoveAsync(RunnerHandle handle)
    {
        if (_held.ContainsKey(handle.RunnerKey)) return;
        await Provider().ReleaseAsync(handle, CancellationToken.None);
        _removed++;
        Log.OrphanRemoved(logger, handle.RunnerKey, this.GetPrimaryKeyString());
    }
}
