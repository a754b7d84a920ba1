using Marionette.Agent.Hosting;
using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary>
/// <c>--leave</c>: this machine is no host any more. Its runners end, the server hears it where it can be reached, and the join is forgotten.
/// </summary>
internal static class HostLeave
{
    private static readonly TimeSpan Dialling = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Goodbye = TimeSpan.FromSeconds(5);

    /// <returns>One of <see cref="ExitCodes"/>; 1 when runners could not be ended: the join is kept then, and another try goes on with it.</returns>
    /// <exception cref="HostSetupException">A daemon works on the folder, or its file cannot be read.</exception>
    public static async Task<int> RunAsync(string state, TimeProvider clock, ILogger log)
    {
        if (!Directory.Exists(state))
            throw new HostSetupException($"{state} is not there: nothing has joined");
        using var folder = HostLock.Take(state);
        var identity = HostIdentity.Load(state);
        try
        {
            await HostTrial.ClearAsync(state, clock, log).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or HostFault)
        {
            // What a killed check left is no reason to stay; its folder is kept, and says what it was.
            log.CheckFailed(exception.Message);
        }

        var keeper = HostKeeper.Create(state, identity?.Tools ?? [], clock, log);
        await using (keeper.ConfigureAwait(false))
            return await RunAsync(identity, state, keeper, Console.Out, clock, log).ConfigureAwait(false);
    }

    /// <summary>The same with a keeper of the caller's; the caller has the lock.</summary>
    public static async Task<int> RunAsync(
        HostIdentity? identity, string state, IRunnerKeeper keeper, TextWriter output, TimeProvider clock, ILogger log)
    {
        await keeper.RecoverAsync(gateway: null, CancellationToken.None).ConfigureAwait(false);
        var runners = keeper.List().Count;
        var left = await HostWork.ReleaseAllAsync(keeper, log, CancellationToken.None).ConfigureAwait(false);
        if (left > 0)
        {
            log.RunnersLeft(left);
            return ExitCodes.BadConfiguration;
        }

        var heard = identity is { Joined: true } && await SayGoodbyeAsync(identity, state, keeper, clock, log).ConfigureAwait(false);
        await keeper.ClearAsync(files: true).ConfigureAwait(false);
        HostIdentity.Forget(state);
        File.Delete(Path.Combine(state, HostLock.FileName));
        await output.WriteLineAsync(identity switch
        {
            null or { Joined: false } => $"{runners} runners ended; {state} had joined nothing",
            _ when heard => $"{runners} runners ended; {identity.Host} has left pool {identity.Pool}. Remove it there: marionette hosts remove {identity.Host}",
            _ => $"{runners} runners ended; the server did not hear it: marionette hosts remove {identity.Host}",
        }).ConfigureAwait(false);
        return ExitCodes.Stopped;
    }

    // An empty inventory, so that the server knows of no runner here, and the last word. Orders are not taken any more.
    private static async Task<bool> SayGoodbyeAsync(HostIdentity identity, string state, IRunnerKeeper keeper, TimeProvider clock, ILogger log)
    {
        var facts = new HostFactsReader(identity, state, keeper, clock, log);
        await facts.ReadAsync(withAgents: false, CancellationToken.None).ConfigureAwait(false);
        var outbox = new HostOutbox(keeper.Notices, Take, new HostLoadReader(state).Read, clock);
        using var book = new OrderBook((_, _) => throw new InvalidOperationException("closed"), outbox.Say);
        await book.CloseAsync(TimeSpan.Zero, clock).ConfigureAwait(false);
        var welcomed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var channel = new HostChannel(identity, "", Take, outbox, book, () => welcomed.TrySetResult(), clock, log);
        using var life = new CancellationTokenSource(Dialling, clock);
        var talking = channel.RunAsync(life.Token);
        await Task.WhenAny(welcomed.Task, talking).ConfigureAwait(false);
        if (welcomed.Task.IsCompleted)
        {
            life.CancelAfter(Goodbye);
            await channel.SayGoodbyeAsync("left").ConfigureAwait(false);
        }

        await talking.ConfigureAwait(false);
        return welcomed.Task.IsCompleted;

        Inventory Take() => new() { Facts = facts.Current, Runners = { keeper.List() } };
    }
}
