using Marionette.Agent.Hosting;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary>How often a host looks at itself, and how long it waits.</summary>
internal sealed record HostTimings
{
    /// <summary>Between two looks at what the sandboxes give.</summary>
    public TimeSpan Look { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Between two inventories while nothing changes.</summary>
    public TimeSpan Inventory { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>For the orders that are under way when the daemon is told to end.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>For the last words.</summary>
    public TimeSpan Goodbye { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>For the end of all runners after a dismissal.</summary>
    public TimeSpan Release { get; init; } = TimeSpan.FromMinutes(2);
}

/// <summary>A host of a pool, from its start to its end. Its runners outlive it, unless the server dismisses the host.</summary>
internal sealed class HostDaemon(
    HostIdentity identity, string token, string state, IRunnerKeeper keeper, HostTimings timings, TimeProvider clock, ILogger log)
{
    private readonly HostFactsReader facts = new(identity, state, keeper, clock, log);
    private readonly TaskCompletionSource welcomed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completes at the first welcome.</summary>
    public Task Welcomed => welcomed.Task;

    /// <summary>Runs until the token is cancelled or the server does not want this host.</summary>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public async Task<int> RunAsync(CancellationToken stop)
    {
        try
        {
            await keeper.RecoverAsync(identity.ServerUri, stop).ConfigureAwait(false);
            await facts.ReadAsync(withAgents: true, stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return ExitCodes.Stopped;
        }

        log.HostStarted(AgentVersion.Text, identity.Host, identity.Pool, keeper.List().Count, Environment.ProcessId);
        var outbox = new HostOutbox(keeper.Notices, TakeInventory, new HostLoadReader(state).Read, clock);
        var work = new HostWork(keeper, identity.ServerUri, outbox.Say, clock, log);
        using var book = new OrderBook(work.DoAsync, outbox.Say);
        var channel = new HostChannel(identity, token, TakeInventory, outbox, book, OnWelcome, clock, log);
        using var life = new CancellationTokenSource();
        var talking = channel.RunAsync(life.Token);
        var looking = LookAsync(outbox, life.Token);
        try
        {
            await talking.WaitAsync(stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Told to end: what is under way is finished and said, the runners go on.
            await book.CloseAsync(timings.Grace, clock).ConfigureAwait(false);
            await SayGoodbyeAsync(channel, talking).ConfigureAwait(false);
        }

        await life.CancelAsync().ConfigureAwait(false);
        var end = await talking.ConfigureAwait(false);
        await looking.ConfigureAwait(false);
        await book.CloseAsync(TimeSpan.Zero, clock).ConfigureAwait(false);
        return end switch
        {
            HostChannelEnd.Dismissed => await DismissAsync().ConfigureAwait(false),
            HostChannelEnd.Refused => ExitCodes.TokenRefused,
            _ => ExitCodes.Stopped,
        };
    }

    private Inventory TakeInventory() => new() { Facts = facts.Current, Runners = { keeper.List() } };

    private void OnWelcome()
    {
        if (!identity.Joined)
        {
            identity.Joined = true;
            identity.Save(state);
        }

        welcomed.TrySetResult();
    }

    private async Task SayGoodbyeAsync(HostChannel channel, Task talking)
    {
        await channel.SayGoodbyeAsync("stopping").ConfigureAwait(false);
        try
        {
            if (channel.Connected)
                await talking.WaitAsync(timings.Goodbye, clock).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // A server that does not answer learns it from the silence.
        }
    }

    // The join is forgotten, so that a new token can make a new host of this machine. What could not be released is kept with it: the next
    // start, or --leave, tries again.
    private async Task<int> DismissAsync()
    {
        using var limit = new CancellationTokenSource(timings.Release, clock);
        try
        {
            var left = await HostWork.ReleaseAllAsync(keeper, log, limit.Token).ConfigureAwait(false);
            if (left == 0)
            {
                await keeper.ClearAsync(files: true).ConfigureAwait(false);
                HostIdentity.Forget(state);
            }
            else
            {
                log.RunnersLeft(left);
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or IOException or UnauthorizedAccessException)
        {
            log.RunnersLeft(keeper.List().Count);
        }

        return ExitCodes.Dismissed;
    }

    private async Task LookAsync(HostOutbox outbox, CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(timings.Look, clock);
        var said = clock.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken).ConfigureAwait(false))
            {
                var due = clock.GetElapsedTime(said) >= timings.Inventory;
                if (!await LookAsync(due, cancellationToken).ConfigureAwait(false) && !due)
                    continue;
                outbox.SayInventory();
                said = clock.GetTimestamp();
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The end.
        }
    }

    private async Task<bool> LookAsync(bool withAgents, CancellationToken cancellationToken)
    {
        try
        {
            return await facts.ReadAsync(withAgents, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            log.CheckFailed(exception.Message);
            return false;
        }
    }
}
