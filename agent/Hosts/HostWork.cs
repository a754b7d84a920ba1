using Marionette.Protocol.Hosts.V1;
using Microsoft.Extensions.Logging;

namespace Marionette.Agent.Hosts;

/// <summary>Carries orders out by the keeper, and turns whatever goes wrong into a fault of the result.</summary>
internal sealed class HostWork(IRunnerKeeper keeper, Uri gateway, Action<HostMessage> say, TimeProvider clock, ILogger log)
{
    private const int Tries = 3;

    /// <exception cref="OperationCanceledException">The host ends; there is no result.</exception>
    public async Task<OrderResult> DoAsync(Order order, CancellationToken cancellationToken)
    {
        var began = clock.GetTimestamp();
        var result = new OrderResult { Id = order.Id };
        try
        {
            if (await CallAsync(order, cancellationToken).ConfigureAwait(false) is { } report)
                result.Runner = report;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw;
        }
        catch (HostFault fault)
        {
            result.Fault = new OrderFault { Kind = fault.Kind, Message = fault.Message };
        }
        // Whatever it was, the host and its other runners go on; how far this order came is not known.
        catch (Exception exception)
        {
            result.Fault = new OrderFault { Kind = FaultKind.Ambiguous, Message = $"{exception.GetType().Name}: {exception.Message}" };
        }

        var took = (long)clock.GetElapsedTime(began).TotalMilliseconds;
        if (result.Fault is { } failed)
            log.OrderFailed(order.WhatCase.ToString(), OrderBook.RunnerOf(order), took, failed.Kind.ToString(), failed.Message);
        else
            log.OrderDone(order.WhatCase.ToString(), OrderBook.RunnerOf(order), took);
        return result;
    }

    /// <summary>Ends every runner of the host and removes what belongs to it.</summary>
    /// <returns>How many could not be released.</returns>
    public static async Task<int> ReleaseAllAsync(IRunnerKeeper keeper, ILogger log, CancellationToken cancellationToken)
    {
        var left = 0;
        var bounds = new ParallelOptions { MaxDegreeOfParallelism = OrderBook.AtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(keeper.List(), bounds, async (runner, stop) =>
        {
            if (!await ReleaseAsync(keeper, runner, log, stop).ConfigureAwait(false))
                Interlocked.Increment(ref left);
        }).ConfigureAwait(false);
        return left;
    }

    private static async Task<bool> ReleaseAsync(IRunnerKeeper keeper, RunnerReport runner, ILogger log, CancellationToken cancellationToken)
    {
        for (var attempt = 1; attempt <= Tries; attempt++)
        {
            try
            {
                await keeper.ReleaseAsync(new RunnerRef { Runner = runner.Runner, Epoch = runner.Epoch }, cancellationToken).ConfigureAwait(false);
                return true;
            }
            catch (Exception exception) when (exception is HostFault or IOException or UnauthorizedAccessException)
            {
                log.ReleaseFailed(runner.Runner, attempt, exception.Message);
            }
        }

        return false;
    }

    private async Task<RunnerReport?> CallAsync(Order order, CancellationToken cancellationToken)
    {
        switch (order.WhatCase)
        {
            case Order.WhatOneofCase.Ensure:
                return await keeper.EnsureAsync(order.Ensure, gateway, phase => Progress(order.Id, phase), cancellationToken).ConfigureAwait(false);
            case Order.WhatOneofCase.Observe:
                return await keeper.ObserveAsync(order.Observe, cancellationToken).ConfigureAwait(false);
            case Order.WhatOneofCase.Stop:
                return await keeper.StopAsync(order.Stop, cancellationToken).ConfigureAwait(false);
            case Order.WhatOneofCase.Release:
                return await keeper.ReleaseAsync(order.Release, cancellationToken).ConfigureAwait(false);
            case Order.WhatOneofCase.Pause:
                return await keeper.PauseAsync(order.Pause, cancellationToken).ConfigureAwait(false);
            case Order.WhatOneofCase.Unpause:
                return await keeper.UnpauseAsync(order.Unpause, cancellationToken).ConfigureAwait(false);
            case Order.WhatOneofCase.Egress:
                return await keeper.ApplyEgressAsync(order.Egress, cancellationToken).ConfigureAwait(false);
            case Order.WhatOneofCase.ForgetWorkspace:
                var held = await keeper.ForgetWorkspacesAsync([order.ForgetWorkspace.Workspace], cancellationToken).ConfigureAwait(false);
                return held.Count == 0 ? null : throw new HostFault(FaultKind.Unavailable, "A runner has the workspace.");
            default:
                throw new HostFault(FaultKind.Rejected, "This host does not know the order: it is older than the server.");
        }
    }

    private void Progress(string id, StartPhase phase)
    {
        var progress = new OrderProgress { Id = id, Phase = phase.Phase, Detail = phase.Detail };
        if (phase.Took is { } took)
            progress.TookMs = (long)took.TotalMilliseconds;
        say(new HostMessage { Progress = progress });
    }
}
