using System.Numerics;
using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

internal sealed partial class RunnerKeeper
{
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    public async Task RecoverAsync(Uri? gateway, CancellationToken cancellationToken)
    {
        (recovered, current) = (true, gateway);
        await RemoveLeftoversAsync(cancellationToken).ConfigureAwait(false);
        foreach (var place in places.Values)
        {
            await place.Gate.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await LookAtAsync(place, cancellationToken).ConfigureAwait(false);
                // The last daemon may have ended between the group and the record.
                if (place.Record is { HasEnded: false } living)
                    host.GroupOf(living).LimitProcessors(living.CpusNow);
                log.SandboxFound(place.Record!.Runner, place.Record.State.ToString());
            }
            catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
            {
                log.Stuck(place.Record!.Runner, exception.Message); // the others are found nevertheless; it is looked at again
            }
            finally
            {
                place.Gate.Release();
            }
        }

        copies.Clean(places.Values.Select(place => place.Record!.Binaries).ToHashSet());
        if (Living().Any())
        {
            await network.ReachAsync(cancellationToken).ConfigureAwait(false); // connecting tells it of all of them
            await LeadAllAsync(cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await network.EndAsync().ConfigureAwait(false); // the next one is of this version
        }

        watching = WatchAsync();
    }

    // What does not go now stays, and is tried again at the next start: it keeps nobody else.
    private async Task RemoveLeftoversAsync(CancellationToken cancellationToken)
    {
        var left = new List<Task>();
        foreach (var folder in Directory.GetDirectories(folders.Runners).SelectMany(Directory.GetDirectories))
        {
            var key = Path.GetRelativePath(folders.Runners, folder);
            if (RunnerRecord.Load(folder) is { } record && record.Runner == key && HostFolders.IsKey(key))
                places[key] = new Place { Record = record };
            else
                left.Add(RemoveLeftoverAsync(key, folder, cancellationToken));
        }

        await Task.WhenAll(left).ConfigureAwait(false);
        var known = places.Values.Select(place => HostFolders.Leaf(place.Record!.Runner)).ToHashSet();
        var unknown = cgroups.Leaves().Where(leaf => !known.Contains(leaf));
        await Task.WhenAll(unknown.Select(leaf => RemoveLeftoverAsync(leaf, null, cancellationToken))).ConfigureAwait(false);
        foreach (var file in Directory.GetFiles(folders.Runsc))
        {
            if (!known.Any(leaf => Path.GetFileName(file).Contains(leaf, StringComparison.Ordinal)))
                File.Delete(file);
        }

        await RemoveGoneAsync().ConfigureAwait(false);
    }

    // Those that were left by a daemon which called another gateway.
    private async Task LeadAllAsync(CancellationToken cancellationToken)
    {
        foreach (var place in places.Values)
        {
            if (current is null || place.Record is not { HasEnded: false } record)
                continue;
            try
            {
                await LeadToAsync(record, current, cancellationToken).ConfigureAwait(false);
            }
            catch (IOException exception)
            {
                log.NetworkRefused(record.Runner, exception.Message); // the next order for it tries again
            }
        }
    }

    /// <summary>Ends what is left where a runner died, and takes down how. Its seat is held by the caller.</summary>
    private async Task LookAtAsync(Place place, CancellationToken cancellationToken)
    {
        if (place.Record is not { State: not RunnerState.Exited } record)
            return;
        // A start that the last daemon did not finish is ended: what runs of it has told nobody.
        if (record.State != RunnerState.Unknown && host.IsAlive(record))
            return;
        var kills = host.GroupOf(record).OutOfMemoryKills();
        await host.EndAsync(record, cancellationToken).ConfigureAwait(false);
        var (code, cause, detail) = record.Boot == SandboxHost.Boot
            ? SandboxEnding.Of(host.EndOf(record), kills)
            : (null, SandboxEnding.HostLost, "Its host was started anew.");
        await FinishAsync(record, code, cause, detail, cancellationToken).ConfigureAwait(false);
        ends.Writer.TryWrite(new HostMessage { Ended = record.ToReport() });
    }

    private async Task FinishAsync(RunnerRecord record, int? code, string cause, string detail, CancellationToken cancellationToken)
    {
        (record.State, record.ExitCode, record.Cause, record.Detail) = (RunnerState.Exited, code, cause, detail);
        log.SandboxEnded(record.Runner, cause, detail);
        try
        {
            await host.EndAsync(record, cancellationToken).ConfigureAwait(false);
            record.Save(folders.OfRunner(record.Runner));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            log.Stuck(record.Runner, exception.Message);
        }
    }

    private async Task StopAsync(Place place, RunnerRecord record, CancellationToken cancellationToken)
    {
        await LookAtAsync(place, cancellationToken).ConfigureAwait(false);
        if (record.HasEnded)
            return;
        if (record.State == RunnerState.Paused)
            await host.PauseAsync(record, paused: false, cancellationToken).ConfigureAwait(false);
        await host.AskToEndAsync(record).ConfigureAwait(false);
        for (var began = clock.GetTimestamp(); host.IsAlive(record) && clock.GetElapsedTime(began) < GoodbyeLimit;)
            await Task.Delay(TimeSpan.FromMilliseconds(20), clock, cancellationToken).ConfigureAwait(false);
        await host.EndAsync(record, cancellationToken).ConfigureAwait(false);
        await FinishAsync(record, host.EndOf(record)?.Code, SandboxEnding.Exited, "It was stopped.", cancellationToken).ConfigureAwait(false);
    }

    // One that does not come to an end delays nobody, and is looked at less and less often.
    private async Task WatchAsync()
    {
        while (!life.IsCancellationRequested)
        {
            foreach (var (key, place) in places)
            {
                if (place.Looking.IsCompleted && IsDue(place))
                    place.Looking = LookAgainAsync(key, place);
            }

            await Task.WhenAny(Task.Delay(Look, clock, life.Token)).ConfigureAwait(false);
        }

        await Task.WhenAll(places.Values.Select(place => place.Looking)).ConfigureAwait(false);
    }

    private bool IsDue(Place place) => place.Record is { State: not RunnerState.Exited }
        && (place.Failures == 0 || clock.GetElapsedTime(place.FailedAt) >= Pause(place.Failures));

    private static TimeSpan Pause(int failures) => TimeSpan.FromTicks(Math.Min(LongestPause.Ticks, Look.Ticks << Math.Min(failures, 10)));

    private async Task LookAgainAsync(string key, Place place)
    {
        try
        {
            if (place.Record is not { } record)
                return;
            // Most look well.
            if (record.State != RunnerState.Unknown && host.IsAlive(record))
            {
                LookAtBirths(key, place, record);
                place.Failures = 0;
                return;
            }

            // Who holds one looks at it himself. A start that nobody holds is one that could not be ended.
            if (!place.Gate.Wait(TimeSpan.Zero))
                return;
        }
        catch (Exception exception)
        {
            Failed(key, place, exception);
            return;
        }

        try
        {
            await LookAtAsync(place, life.Token).ConfigureAwait(false);
            place.Failures = 0;
        }
        // Whatever it was, the watch goes on.
        catch (Exception exception)
        {
            Failed(key, place, exception);
        }
        finally
        {
            Leave(key, place);
        }
    }

    private void Failed(string key, Place place, Exception exception)
    {
        if (life.IsCancellationRequested)
            return;
        (place.Failures, place.FailedAt) = (place.Failures + 1, clock.GetTimestamp());
        if (BitOperations.IsPow2(place.Failures))
            log.Stuck(key, exception.Message);
    }

    private async Task RemoveLeftoverAsync(string what, string? folder, CancellationToken cancellationToken)
    {
        log.Leftover(what);
        try
        {
            await cgroups.Open(HostFolders.Leaf(what)).RemoveAsync(cancellationToken).ConfigureAwait(false);
            if (folder is not null)
                await Task.Run(() => SandboxHost.RemoveFiles(folder), CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            log.Stuck(what, exception.Message);
        }
    }
}
