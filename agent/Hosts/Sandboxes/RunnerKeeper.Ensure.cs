using Marionette.Protocol.Hosts.V1;

namespace Marionette.Agent.Hosts.Sandboxes;

internal sealed partial class RunnerKeeper
{
    private const int LeastMemoryMib = 32;

    public async Task<RunnerReport> EnsureAsync(EnsureRunner order, Uri gateway, Action<StartPhase> progress, CancellationToken cancellationToken)
    {
        HostFolders.Check(order.Runner, order.Workspace);
        if (order.Epoch < 1 || order.Profile is not { Cpus: > 0, MemoryMib: >= LeastMemoryMib, DiskMib: >= 0, Pids: >= 0 })
            throw new HostFault(FaultKind.Rejected, $"A runner needs an epoch, processors and at least {LeastMemoryMib} MiB of memory.");
        current = gateway;
        var place = (await TakeAsync(order.Runner, make: true, cancellationToken).ConfigureAwait(false))!;
        try
        {
            if (place.Record is { } newer && newer.Epoch > order.Epoch)
                throw new HostFault(FaultKind.Rejected, $"Epoch {newer.Epoch} of the runner is here.");
            await LookAtAsync(place, cancellationToken).ConfigureAwait(false);
            if (place.Record is { HasEnded: false } living && living.Epoch == order.Epoch)
                return await GoOnAsync(living, order, gateway, cancellationToken).ConfigureAwait(false);
            return await StartAsync(place, order, gateway, progress, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw KeeperFaults.Of(exception);
        }
        finally
        {
            Leave(order.Runner, place);
        }
    }

    // An order says what shall be: its rules hold from here on, also where the runner is there already.
    private async Task<RunnerReport> GoOnAsync(RunnerRecord record, EnsureRunner order, Uri gateway, CancellationToken cancellationToken)
    {
        var (mode, allowed) = Rules(order.Egress);
        if (mode != record.EgressMode || !allowed.SequenceEqual(record.Allowed))
        {
            var changed = record with { EgressMode = mode, Allowed = allowed };
            await network.AskAsync(NetworkRules.Attach(changed, record.Init!.Pid), cancellationToken).ConfigureAwait(false);
            (record.EgressMode, record.Allowed) = (mode, allowed);
            record.Save(folders.OfRunner(record.Runner));
        }

        await LeadToAsync(record, gateway, cancellationToken).ConfigureAwait(false);
        return record.ToReport();
    }

    // Its gateway may have another address now: the name that it knows leads there from here on.
    private async Task LeadToAsync(RunnerRecord record, Uri gateway, CancellationToken cancellationToken)
    {
        var led = record with { Gateway = gateway.ToString() };
        if (led.Gateway == record.Gateway)
            return;
        await network.AskAsync(NetworkRules.Attach(led, record.Init!.Pid), cancellationToken).ConfigureAwait(false);
        record.Gateway = led.Gateway;
        record.Save(folders.OfRunner(record.Runner));
    }

    private async Task<RunnerReport> StartAsync(
        Place place, EnsureRunner order, Uri gateway, Action<StartPhase> progress, CancellationToken cancellationToken)
    {
        var kind = await ChooseAsync(order.Profile.Sandbox, cancellationToken).ConfigureAwait(false);
        if (place.Record is { } old && (old.Epoch != order.Epoch || old.Sandbox != kind))
        {
            await host.RemoveAsync(old, cancellationToken).ConfigureAwait(false);
            place.Record = null;
        }

        var again = place.Record is not null;
        var record = await ReserveAsync(place, order, gateway, kind, cancellationToken).ConfigureAwait(false);
        try
        {
            var config = AgentConfigOf(order, gateway);
            var program = InsteadOfAgent?.Invoke(order, config) ?? new SandboxProgram([InsidePaths.Agent, "run", "--config", "-"], config);
            await host.StartAsync(record, program, progress, cancellationToken).ConfigureAwait(false);
            return record.ToReport();
        }
        catch (Exception exception)
        {
            if (again)
                (record.State, record.Cause, record.Detail) = (RunnerState.Exited, SandboxEnding.Exited, exception.Message);
            else
                await AbandonAsync(place, record).ConfigureAwait(false);
            throw;
        }
    }

    // The seat is taken under a lock for all: a user and a workspace have one runner at a time.
    private async Task<RunnerRecord> ReserveAsync(Place place, EnsureRunner order, Uri gateway, string kind, CancellationToken cancellationToken)
    {
        await allotting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var workspace = folders.OfWorkspace(order.Runner, order.Workspace);
            foreach (var other in places.Values.Select(other => other.Record).OfType<RunnerRecord>())
            {
                // One that starts has no process yet, or one that is not noted yet.
                var holds = other.State == RunnerState.Unknown || other.Init?.IsAlive() == true;
                if (other.Runner != order.Runner && holds && folders.OfWorkspace(other.Runner, other.Workspace) == workspace)
                    throw new HostFault(FaultKind.Unavailable, $"The workspace is in use by {other.Runner}.");
            }

            var profile = order.Profile;
            var record = place.Record ?? new RunnerRecord { User = Allot(WorkspaceUser.Of(workspace)) };
            (record.EgressMode, record.Allowed) = Rules(order.Egress);
            (record.Runner, record.Epoch, record.Sandbox, record.Workspace) = (order.Runner, order.Epoch, kind, order.Workspace);
            (record.Cpus, record.MemoryMib, record.DiskMib, record.Pids) = (profile.Cpus, profile.MemoryMib, profile.DiskMib, profile.Pids);
            record.Gateway = gateway.ToString();
            record.State = RunnerState.Unknown;
            place.Record = record;
            return record;
        }
        finally
        {
            allotting.Release();
        }
    }

    private async Task AbandonAsync(Place place, RunnerRecord record)
    {
        try
        {
            await host.RemoveAsync(record, CancellationToken.None).ConfigureAwait(false);
            place.Record = null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Its record stays, for a release that comes later.
            (record.State, record.Cause, record.Detail) = (RunnerState.Exited, SandboxEnding.Exited, exception.Message);
            log.Stuck(record.Runner, exception.Message);
        }
    }

    private async Task<string> ChooseAsync(string wanted, CancellationToken cancellationToken)
    {
        var facts = Offered(await check.KnownAsync(cancellationToken).ConfigureAwait(false));
        if (wanted is "" or "auto")
        {
            return facts.FirstOrDefault(fact => fact.Works)?.Kind
                ?? throw new HostFault(FaultKind.Rejected, "No sandbox works here: " + string.Join("; ", facts.Select(fact => $"{fact.Kind}: {fact.Detail}")));
        }

        return facts.FirstOrDefault(fact => fact.Kind == wanted) switch
        {
            null => throw new HostFault(FaultKind.Rejected, $"\"{wanted}\" is no sandbox; there are {string.Join(", ", SandboxKinds.All)}."),
            { Works: false } fact => throw new HostFault(FaultKind.Rejected, $"{wanted} does not work here: {fact.Detail}"),
            var fact => fact.Kind,
        };
    }
}
