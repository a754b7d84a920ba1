using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

internal sealed partial class RunnerKeeper
{
    private const string BirthsRefused = "births_refused";

    /// <summary>Throttles a sandbox that is refused processes without end, and one that is calm again no longer.</summary>
    private void LookAtBirths(string key, Place place, RunnerRecord record)
    {
        if (record.State != RunnerState.Running)
            return;
        var now = clock.GetTimestamp();
        var (watch, at) = record.Births ?? (BirthWatch.Begin(record.Throttled), now);
        var next = watch.Look(host.GroupOf(record).BirthsRefused(), clock.GetElapsedTime(at, now));
        if (next.IsThrottled != record.Throttled && !TryThrottle(key, place, record, next.IsThrottled))
            return; // who has the seat may end it; if not, the next look decides
        record.Births = (next, now);
    }

    private bool TryThrottle(string key, Place place, RunnerRecord record, bool throttled)
    {
        if (!place.Gate.Wait(TimeSpan.Zero))
            return false;
        try
        {
            if (!ReferenceEquals(place.Record, record) || record.State != RunnerState.Running)
                return false;
            // The group before the record: a daemon that begins puts every group as its record has it.
            host.GroupOf(record).LimitProcessors(record.CpusIf(throttled));
            (record.Throttled, record.Throttles) = (throttled, record.Throttles + (throttled ? 1 : 0));
            Tell(record);
            record.Save(folders.OfRunner(record.Runner));
            return true;
        }
        finally
        {
            Leave(key, place);
        }
    }

    private void Tell(RunnerRecord record)
    {
        if (record.Throttled)
            log.SandboxThrottled(record.Runner, record.Throttles, record.CpusNow);
        else
            log.SandboxUnthrottled(record.Runner, record.CpusNow);
        notices.Writer.TryWrite(new HostMessage
        {
            Throttled = new RunnerThrottled
            {
                Runner = record.Runner, Epoch = record.Epoch, Over = !record.Throttled, Cpus = record.CpusNow, Reason = BirthsRefused, Count = record.Throttles,
            },
        });
    }
}
