using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

internal sealed partial class RunnerKeeper
{
    public async Task RecoverAsync(CancellationToken cancellationToken)
    {
        var tenants = Directory.GetDirectories(folders.Runners);
        foreach (var folder in tenants.SelectMany(Directory.GetDirectories))
        {
            var key = Path.GetRelativePath(folders.Runners, folder);
            if (RunnerRecord.Load(folder) is { } record && record.Runner == key && HostFolders.IsKey(key))
                places[key] = new Place { Record = record };
            else
                await RemoveLeftoverAsync(key, () => SandboxHost.RemoveFiles(folder)).ConfigureAwait(false);
        }

        var known = places.Values.Select(place => HostFolders.Leaf(place.Record!.Runner)).ToHashSet();
        foreach (var leaf in cgroups.Leaves().Where(leaf => !known.Contains(leaf)))
        {
            log.Leftover(leaf);
            await cgroups.Open(leaf).RemoveAsync(cancellationToken).ConfigureAwait(false);
        }

        foreach (var file in Directory.GetFiles(folders.Runsc).Where(file => !known.Any(leaf => Path.GetFileName(file).Contains(leaf, StringComparison.Ordinal))))
            File.Delete(file);
        foreach (var place in places.Values)
        {
            await place.Gate.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await LookAtAsync(place, cancellationToken).ConfigureAwait(false);
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
            await network.AskAsync(new NetdAsk(0, "list"), cancellationToken).ConfigureAwait(false); // connecting tells it of all of them
        else
            await network.EndAsync().ConfigureAwait(false); // the next one is of this version
        watching = WatchAsync();
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

    private async Task WatchAsync()
    {
        while (!life.IsCancellationRequested)
        {
            foreach (var place in places.Values)
            {
                // Who holds it looks at it.
                if (place.Record is not { State: RunnerState.Running or RunnerState.Paused } record || host.IsAlive(record)
                    || !await place.Gate.WaitAsync(TimeSpan.Zero).ConfigureAwait(false))
                    continue;
                try
                {
                    await LookAtAsync(place, life.Token).ConfigureAwait(false);
                }
                catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or OperationCanceledException)
                {
                    log.Stuck(place.Record?.Runner ?? "", exception.Message);
                }
                finally
                {
                    place.Gate.Release();
                }
            }

            await Task.WhenAny(Task.Delay(Look, clock, life.Token)).ConfigureAwait(false);
        }
    }

    private async Task RemoveLeftoverAsync(string what, Action remove)
    {
        log.Leftover(what);
        try
        {
            await cgroups.Open(HostFolders.Leaf(what)).RemoveAsync(CancellationToken.None).ConfigureAwait(false);
            remove();
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            log.Stuck(what, exception.Message);
        }
    }
}
