using System.Text;
using Marionette.Agent.Events;
using Marionette.Agent.Hosting;
using Marionette.Agent.Runs;
using Marionette.Workspaces;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Workspaces;

/// <summary>
/// Decides when a checkpoint is made: a moment after each run, now and then during a long one, and before the runner goes. Runs that follow one another at
/// once share one, but none waits longer than <see cref="LongestDelay"/>. One checkpoint at a time; the work goes on beside it.
/// </summary>
internal sealed class CheckpointKeeper(FolderOpening opening, Checkpoint checkpoint, SetupHolder setup, EventSink sink, TimeProvider clock, ILogger log) : IDisposable
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(1), LongestDelay = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan FailedPause = TimeSpan.FromSeconds(15), LifeEvery = TimeSpan.FromSeconds(5);

    /// <summary>How long a runner that must go tries to reach a store that is away.</summary>
    private static readonly TimeSpan LastAttempts = TimeSpan.FromSeconds(60);

    private readonly Lock gate = new();
    private readonly CancellationTokenSource ended = new();
    private ITimer? interval, delay;
    private Task work = Task.CompletedTask;
    private byte[] run = [];
    private long? dueSince;
    private bool isHalted, isSettled, isRunning;
    private int begun;

    /// <summary>Whether this installation keeps a store, and the folders are as they should be.</summary>
    private bool IsOn => setup.Current.Workspace is not null && opening.IsOpen;

    /// <summary>A run has begun: it gets checkpoints at intervals. One that was due for the run before is made beside it.</summary>
    public void RunStarted(string id)
    {
        lock (gate)
        {
            run = Encoding.UTF8.GetBytes(id);
            (isRunning, begun) = (true, begun + 1);
            isSettled = false;
            interval?.Dispose();
            var every = TimeSpan.FromSeconds(setup.Current.Workspace?.IntervalSeconds ?? 0);
            interval = IsOn && every > TimeSpan.Zero ? clock.CreateTimer(_ => Begin("interval"), null, every, every) : null;
        }
    }

    /// <summary>A run has ended: what it did is kept soon.</summary>
    public void RunEnded()
    {
        lock (gate)
        {
            isRunning = false;
            interval?.Dispose();
            interval = null;
            if (!IsOn)
                return;
            var now = clock.GetTimestamp();
            dueSince ??= now;
            var left = LongestDelay - clock.GetElapsedTime(dueSince.Value, now);
            delay?.Dispose();
            delay = clock.CreateTimer(_ => Begin("run"), null, left < TimeSpan.Zero ? TimeSpan.Zero : left < Quiet ? left : Quiet, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>The last one, before the runner goes. A store that is away is waited for, for a while.</summary>
    public async Task FinishAsync()
    {
        using var life = StartShowingLife();
        await HaltAsync().ConfigureAwait(false);
        await MakeBeforeAsync("stop").ConfigureAwait(false);
        if (IsOn)
            checkpoint.LeaveCaches();
    }

    /// <summary>One before the runner is paused; those that were due are in it. A store that is away is waited for, for a while.</summary>
    public async Task SettleAsync()
    {
        using var life = StartShowingLife();
        Task mine;
        lock (gate)
        {
            interval?.Dispose();
            delay?.Dispose();
            dueSince = null;
            // Nothing follows it until the runner has gone on and works: another one would be cut off by the pause, or come behind it.
            isSettled = true;
            var before = work;
            work = mine = Task.Run(
                async () =>
                {
                    await before.ConfigureAwait(false);
                    await MakeBeforeAsync("pause").ConfigureAwait(false);
                },
                CancellationToken.None);
        }

        await mine.ConfigureAwait(false);
    }

    private ITimer? StartShowingLife() => IsOn ? clock.CreateTimer(ShowLife, clock.GetTimestamp(), LifeEvery, LifeEvery) : null;

    private async Task MakeBeforeAsync(string reason)
    {
        if (!IsOn)
            return;
        using var limit = new CancellationTokenSource(LastAttempts, clock);
        for (var pause = TimeSpan.FromSeconds(1); !await MakeAsync(reason, ended.Token).ConfigureAwait(false); pause *= 2)
        {
            try
            {
                await Task.Delay(pause, clock, limit.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>The runner is no longer the session's: nothing more is stored. Returns when what was under way has ended.</summary>
    public async Task AbandonAsync()
    {
        await ended.CancelAsync().ConfigureAwait(false);
        await HaltAsync().ConfigureAwait(false);
    }

    public void Dispose()
    {
        interval?.Dispose();
        delay?.Dispose();
        ended.Dispose();
    }

    /// <summary>No new one begins; returns when the one under way has ended.</summary>
    private Task HaltAsync()
    {
        lock (gate)
        {
            isHalted = true;
            interval?.Dispose();
            delay?.Dispose();
            return work;
        }
    }

    private void Begin(string reason)
    {
        lock (gate)
        {
            if (isHalted || isSettled)
                return;
            // One that is under way may have passed what has changed since: another follows it.
            if (!work.IsCompleted)
            {
                delay?.Dispose();
                delay = clock.CreateTimer(_ => Begin(reason), null, Quiet, Timeout.InfiniteTimeSpan);
                return;
            }

            dueSince = null;
            work = Task.Run(() => MakeOrAgainAsync(reason), CancellationToken.None);
        }
    }

    /// <summary>A store that was away is asked again, however long nothing else happens.</summary>
    private async Task MakeOrAgainAsync(string reason)
    {
        if (await MakeAsync(reason, ended.Token).ConfigureAwait(false))
            return;
        lock (gate)
        {
            if (isHalted || isSettled)
                return;
            delay?.Dispose();
            delay = clock.CreateTimer(_ => Begin(reason), null, FailedPause, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Whoever waits for a runner that must go sees that it works, however few and large its files are.</summary>
    private void ShowLife(object? started)
    {
        var elapsed = (long)clock.GetElapsedTime((long)started!).TotalMilliseconds;
        sink.Emit("checkpoint.progress"u8, default, elapsed, static (json, milliseconds) => json.WriteNumber("elapsed_ms"u8, milliseconds));
        sink.Commit();
    }

    /// <summary>Whether no run is under way, and how many have begun: a checkpoint between two equal answers has all that runs wrote.</summary>
    private (bool IsQuiet, int Begun) Quietness()
    {
        lock (gate)
            return (!isRunning, begun);
    }

    /// <returns>False: it can be tried again.</returns>
    private async Task<bool> MakeAsync(string reason, CancellationToken cancellationToken)
    {
        try
        {
            var (wasQuiet, before) = Quietness();
            await checkpoint.MakeAsync(reason, run, () => wasQuiet && Quietness() == (true, before), cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return true;
        }
        catch (Exception exception)
        {
            // Whatever it was, it is told; a fault of ours here must not keep the runner from ending in order.
            log.CheckpointFailed(reason, exception.Message);
            sink.Emit("checkpoint.failed"u8, default, (reason, exception.Message), static (json, failure) =>
            {
                json.WriteString("reason"u8, failure.reason);
                json.WriteString("message"u8, failure.Message);
            });
            sink.Commit();
            return exception is not (IOException or UnauthorizedAccessException or WorkspaceException { Fault: WorkspaceFault.Io or WorkspaceFault.Busy });
        }
    }
}
