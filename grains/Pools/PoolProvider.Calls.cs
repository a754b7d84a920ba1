using Marionette.Providers;

namespace Marionette.Pools;

/// <content>Calls of the grains, and what their faults mean to a provider's caller.</content>
internal sealed partial class PoolProvider
{
    /// <summary>How long it waits for a pool's grain that has just moved and counts its hosts; then it is the caller's turn.</summary>
    private static readonly TimeSpan CountPatience = TimeSpan.FromSeconds(12), CountPause = TimeSpan.FromMilliseconds(200);

    /// <summary>The strongest first.</summary>
    private static readonly string[] Kinds = ["runsc", "bwrap"];

    private IHostGrain Host(string id) => grains.GetGrain<IHostGrain>(PoolKeys.OfHost(name, id));

    private string NewOrderId() => EntityId.New("ord", clock.GetUtcNow());

    /// <summary>The name alone: a handle may carry more.</summary>
    private static RunnerHandle Plain(RunnerHandle handle) => new(handle.RunnerKey, handle.Epoch);

    private async Task<string?> HostOfAsync(RunnerHandle handle, CancellationToken cancellationToken) =>
        _where.TryGetValue(Plain(handle), out var host) ? host : await FindAsync(handle, cancellationToken);

    private async Task<string?> FindAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        if (await AskAsync(() => Pool.WhereAsync(handle.RunnerKey, cancellationToken).AsTask()) is not { } host) return null;
        _where[Plain(handle)] = host;
        return host;
    }

    private Task<HostRunnerView> ObserveAsync(string host, RunnerHandle handle, CancellationToken cancellationToken) =>
        AskAsync(() => Host(host).ObserveAsync(handle.RunnerKey, handle.Epoch, cancellationToken).AsTask());

    private async Task TellAsync(RunnerHandle handle, RunnerOrderKind kind, CancellationToken cancellationToken)
    {
        if (await HostOfAsync(handle, cancellationToken) is not { } host)
        {
            // Absent is a success where it is to end.
            if (kind is RunnerOrderKind.Stop or RunnerOrderKind.Release) return;
            throw NoRunner(handle);
        }

        await DoAsync(host, new RunnerOrder(NewOrderId(), handle.RunnerKey, handle.Epoch, kind), cancellationToken);
    }

    /// <summary>Gives the order until there is a result.</summary>
    private async Task DoAsync(string host, HostOrder order, CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        while (clock.GetElapsedTime(began) < LongestOrder)
        {
            if (await AskAsync(() => Host(host).OrderAsync(order, Patience, cancellationToken)) is not { } result) continue;
            if (result.Fault is not null) throw Failed(result);
            return;
        }

        throw new ProviderException(ProviderFault.Ambiguous, $"Host {host} has not answered for {LongestOrder.TotalMinutes:0} min; {order} may or may not have been done.")
        {
            IsOfOneRunner = true,
        };
    }

    private async Task<T> CountedAsync<T>(Func<Task<T>> call, CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        while (true)
        {
            try
            {
                return await AskAsync(call);
            }
            catch (ProviderException e) when (e.Fault == ProviderFault.Unavailable && clock.GetElapsedTime(began) < CountPatience)
            {
                await Task.Delay(CountPause, clock, cancellationToken);
            }
        }
    }

    private static async Task<T> AskAsync<T>(Func<Task<T>> call)
    {
        try
        {
            return await call();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw Translated(e);
        }
    }

    private static async Task<bool> NextAsync(IAsyncEnumerator<PoolNotice> notices, CancellationToken cancellationToken)
    {
        try
        {
            return await notices.MoveNextAsync();
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The pool's grain moved. The caller asks again, and looks find what was missed.
            return false;
        }
    }

    private async Task LearnIsolationAsync(CancellationToken cancellationToken)
    {
        var hosts = await AskAsync(() => Pool.ListHostsAsync(cancellationToken).AsTask());
        var kinds = hosts.Select(host => Strongest(host.Facts)).Where(kind => kind is not null).Distinct().ToList();
        _isolation = kinds.Count == 1 ? kinds[0]! : "sandbox";
    }

    private static string? Strongest(HostFacts facts) => Kinds
        .Where(kind => facts.Sandboxes.Any(sandbox => sandbox.Kind == kind && sandbox.Works)).Select(Isolation).FirstOrDefault();

    private static string? Isolation(string? sandbox) => sandbox switch { "runsc" => "gvisor", "bwrap" => "bwrap", _ => null };

    private static ProviderException NoRunner(RunnerHandle handle) => new(ProviderFault.Rejected, $"No host has {handle.RunnerKey}.");

    private static ProviderException Failed(HostOrderResult result)
    {
        var fault = result.Fault switch
        {
            "rejected" => ProviderFault.Rejected, "capacity" => ProviderFault.Capacity, "throttled" => ProviderFault.Throttled, "unavailable" or "abandoned" => ProviderFault.Unavailable,
            _ => ProviderFault.Ambiguous,
        };
        // What one host says is no word about the pool.
        return new ProviderException(fault, result.Message ?? "The host gave no reason.", null, result.RetryAfterMs > 0 ? TimeSpan.FromMilliseconds(result.RetryAfterMs) : null)
        {
            IsOfOneRunner = true,
        };
    }

    private static ProviderException Translated(Exception e) => e switch
    {
        ProviderException known => known,
        MarionetteException { Code: FaultCode.QueueFull } => new ProviderException(ProviderFault.Capacity, e.Message, e),
        MarionetteException { Code: FaultCode.Unavailable } => new ProviderException(ProviderFault.Unavailable, e.Message, e),
        MarionetteException { Code: FaultCode.Throttled } => new ProviderException(ProviderFault.Throttled, e.Message, e),
        MarionetteException => new ProviderException(ProviderFault.Rejected, e.Message, e),
        _ => new ProviderException(ProviderFault.Unavailable, "The pool does not answer now.", e),
    };
}
