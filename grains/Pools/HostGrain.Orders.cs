using System.Collections.Immutable;
using Marionette.Runners;

namespace Marionette.Pools;

/// <content>Orders to the host.</content>
internal sealed partial class HostGrain
{
    /// <summary>Below the time-out of a call.</summary>
    private static readonly TimeSpan MostPatience = TimeSpan.FromSeconds(20);

    /// <summary>An order that is asked for again is sent again after this time: the stream may have broken unnoticed.</summary>
    private static readonly TimeSpan SendAgain = TimeSpan.FromSeconds(10);
    private const int ResultsKept = 256;

    private readonly Dictionary<string, Given> _orders = new(StringComparer.Ordinal);
    private readonly Dictionary<string, HostOrderResult> _results = new(StringComparer.Ordinal);
    private readonly Queue<string> _resultIds = [];

    public async Task<HostOrderResult?> OrderAsync(HostOrder order, TimeSpan patience, CancellationToken cancellationToken)
    {
        if (_results.TryGetValue(order.OrderId, out var known)) return known;
        if (!_orders.TryGetValue(order.OrderId, out var given))
        {
            if (await AcceptAsync(order) is { } already) return already;
            // It may have been given up or back while it was recorded: it goes on elsewhere, and must not be sent when the host is back.
            if (order is EnsureRunnerOrder && !IsOurs(order.RunnerKey, order.Epoch))
                throw new MarionetteException(FaultCode.Conflict, $"Host {NameOf(_record!)} has given runner {order.RunnerKey} up.");
            // Another release of the runner may be under way, and this order may have come twice at once.
            given = _orders.GetValueOrDefault(order.OrderId) ?? Twin(order) ?? Send(order);
        }
        else if (Now - given.SentAt > SendAgain)
        {
            Send(given);
        }

        if (IsAway && !given.Done.Task.IsCompleted) throw Away();
        var wait = patience < TimeSpan.Zero ? TimeSpan.Zero : patience > MostPatience ? MostPatience : patience;
        try
        {
            return await given.Done.Task.WaitAsync(wait, clock, cancellationToken);
        }
        catch (TimeoutException)
        {
            return null;
        }
    }

    /// <summary>Records what the order changes. A result: there is nothing to tell the host.</summary>
    private async Task<HostOrderResult?> AcceptAsync(HostOrder order)
    {
        var (record, key) = (Known(), order.RunnerKey);
        var runner = record.Runners.GetValueOrDefault(key);
        if (runner?.Epoch > order.Epoch)
        {
            // What is to end has ended: the newer one took its place.
            if (order is RunnerOrder { Kind: RunnerOrderKind.Stop or RunnerOrderKind.Release }) return Done(order);
            throw new MarionetteException(FaultCode.Fenced, $"Runner {key} has epoch {runner.Epoch} on host {NameOf(record)}; the order is of epoch {order.Epoch}.");
        }

        switch (order)
        {
            case EnsureRunnerOrder ensure:
                await GiveAsync(ensure, runner);
                return null;
            case RunnerOrder { Kind: RunnerOrderKind.Release }:
                if (runner is null || record.Status == HostStatus.Removed) return Done(order);
                if (!runner.IsReleasing) await WriteAsync(r => r.Runners.TryGetValue(key, out var now) ? r.With(key, now with { IsReleasing = true }) : r);
                // A start that has not answered would be sent again, after the release.
                Abandon(other => other.RunnerKey == key && other is not RunnerOrder { Kind: RunnerOrderKind.Release }, "The runner was given back.");
                Changed();
                if (_record!.Status == HostStatus.Lost) return Done(order);
                return IsAway ? throw Away() : null;
            case RunnerOrder { Kind: RunnerOrderKind.Stop or RunnerOrderKind.Observe } when runner is null || runner.IsGivenUp || runner.IsReleasing:
                return Done(order);
        }

        if (runner is null || runner.IsGivenUp || runner.IsReleasing || runner.Epoch != order.Epoch)
            return new HostOrderResult(order.OrderId, "rejected", $"Host {NameOf(record)} has no runner {key}.", 0, null);
        if (IsAway) throw Away();
        if (order is RunnerOrder { Kind: RunnerOrderKind.Stop }) _stopped.Add(key);
        return null;
    }

    private async Task GiveAsync(EnsureRunnerOrder order, HostRunnerRecord? runner)
    {
        var key = order.RunnerKey;
        if (runner?.Epoch == order.Epoch)
        {
            if (runner.IsGivenUp || runner.IsReleasing)
            {
                // It goes elsewhere from now on, so it must not go on here when the host is back.
                if (!runner.IsReleasing) await WriteAsync(r => r.Runners.TryGetValue(key, out var now) ? r.With(key, now with { IsReleasing = true }) : r);
                Changed();
                throw new MarionetteException(FaultCode.Conflict, $"Host {NameOf(_record!)} has given runner {key} up.");
            }

            if (IsAway) throw Away();
        }
        else
        {
            if (Refusal(_record!, order) is { } early) throw early;
            MarionetteException? refusal = null;
            await WriteAsync(record => (refusal = Refusal(record, order)) is null ? HostChanges.Give(record, order) : record);
            if (refusal is not null) throw refusal;
            Forget(key);
            Changed();
        }

        _stopped.Remove(key);
    }

    private MarionetteException? Refusal(HostRecord record, EnsureRunnerOrder order)
    {
        if (record.Status != HostStatus.Removed && IsAway) return Away();
        var runners = record.Runners.Select(pair => View(record, pair.Key, pair.Value)).ToList();
        var reason = record.Status is HostStatus.Removed or HostStatus.Lost ? record.Status.ToString().ToLowerInvariant()
            : record.Draining ? "draining"
            : record.Taint is { } taint ? $"held off ({taint})"
            : record.Outdated.Contains(GrainKeys.Of(GrainKeys.Split(order.RunnerKey).Tenant, order.WorkspaceId)) ? "still removing old files of its workspace"
            : _options.OneTenantPerHost && PoolPlacement.ServesAnother(runners, order.RunnerKey) ? "serving another tenant"
            : PoolPlacement.NoRoom(record.Facts, runners, order.RunnerKey, order.Shape, _options);
        return reason is null ? null : new MarionetteException(FaultCode.Conflict, $"Host {NameOf(record)} takes no new runner: {reason}.");
    }

    private MarionetteException Away() => new(FaultCode.Unavailable, $"Host {NameOf(_record!)} is away.");

    private static HostOrderResult Done(HostOrder order) => new(order.OrderId, null, null, 0, new HostRunnerView(order.RunnerKey, order.Epoch, "missing"));

    private Given? Twin(HostOrder order) => order is RunnerOrder { Kind: RunnerOrderKind.Release }
        ? _orders.Values.FirstOrDefault(given => IsFor(given.Order, order.RunnerKey, order.Epoch, RunnerOrderKind.Release))
        : null;

    private bool IsOrdered(string key, long epoch, RunnerOrderKind kind) =>
        _orders.Values.Any(given => IsFor(given.Order, key, epoch, kind));

    private static bool IsFor(HostOrder order, string key, long epoch, RunnerOrderKind kind) =>
        order is RunnerOrder plain && plain.Kind == kind && plain.RunnerKey == key && plain.Epoch == epoch;

    private string NewOrderId() => EntityId.New("ord", Now);

    private Given Send(HostOrder order)
    {
        var given = _orders[order.OrderId] = new Given(order);
        Send(given);
        return given;
    }

    private void Send(Given given)
    {
        given.SentAt = Now;
        if (_connection is { } connection) RunBeside(connection.OnOrderAsync(given.Order));
    }

    private void SendUnanswered()
    {
        foreach (var given in _orders.Values.ToList()) Send(given);
    }

    private void HeardProgress(HostOrderProgress progress)
    {
        if (!_orders.TryGetValue(progress.OrderId, out var given)) return;
        if (progress.Step.TookMs is not null) given.Steps.Add(progress.Step);
        else Tell(new PoolRunnerProgress(given.Order.RunnerKey, given.Order.Epoch, progress.Step));
    }

    private async Task HeardResultAsync(HostOrderResult result)
    {
        if (!_orders.TryGetValue(result.OrderId, out var given)) return;
        var (order, key) = (given.Order, given.Order.RunnerKey);
        var isOk = result.Fault is null;
        switch (order)
        {
            case EnsureRunnerOrder when isOk:
                _startedAt[key] = Now;
                await WriteAsync(record => record.Runners.GetValueOrDefault(key) is { IsMade: false } runner && runner.Epoch == order.Epoch
                    ? record.With(key, runner with { IsMade = true })
                    : record);
                await SawAsync(result.Runner ?? new HostRunnerView(key, order.Epoch, "running"));
                break;
            case EnsureRunnerOrder when result.Fault != "ambiguous":
                // Nothing of it is left behind, so that it may go elsewhere.
                await WriteAsync(record => record.Runners.GetValueOrDefault(key) is { IsMade: false } runner && runner.Epoch == order.Epoch
                    ? record.WithoutStart(key)
                    : record);
                RemoveOutdated();
                if (result.Fault == "unavailable") await CountFailureAsync(key, "Starts keep failing here", result.Message ?? "no reason given");
                break;
            case ForgetWorkspaceOrder forget when isOk:
                await WriteAsync(record => record with { Outdated = record.Outdated.Remove(forget.Workspace) });
                break;
            case RunnerOrder { Kind: RunnerOrderKind.Release } when isOk:
                await WriteAsync(record => record.Runners.GetValueOrDefault(key) is { IsReleasing: true } runner && runner.Epoch <= order.Epoch
                    ? record.Without(key)
                    : record);
                if (!_record!.Runners.ContainsKey(key)) Forget(key);
                break;
            default:
                if (result.Runner is { } seen) await SawAsync(seen);
                break;
        }

        _orders.Remove(result.OrderId);
        Keep(result.Steps.IsEmpty ? result with { Steps = [.. given.Steps] } : result, given);
    }

    private void Keep(HostOrderResult result, Given given)
    {
        _results[result.OrderId] = result;
        _resultIds.Enqueue(result.OrderId);
        if (_resultIds.Count > ResultsKept) _results.Remove(_resultIds.Dequeue());
        given.Done.TrySetResult(result);
    }

    /// <summary>Orders that are not sent any more; who waits for one is told so.</summary>
    private void Abandon(Func<HostOrder, bool> which, string reason)
    {
        foreach (var given in _orders.Values.Where(given => which(given.Order)).ToList())
        {
            _orders.Remove(given.Order.OrderId);
            given.Done.TrySetResult(new HostOrderResult(given.Order.OrderId, "abandoned", reason, 0, null));
        }
    }

    /// <summary>Old files are removed; what could not be done is asked for again by a later look.</summary>
    private void RemoveOutdated()
    {
        _outdatedAskedAt = Now;
        foreach (var workspace in _record!.Outdated.Where(workspace => !_orders.Values.Any(given => given.Order is ForgetWorkspaceOrder order && order.Workspace == workspace)))
            Send(new ForgetWorkspaceOrder(NewOrderId(), workspace));
    }

    /// <summary>An order that has no result yet.</summary>
    private sealed class Given(HostOrder order)
    {
        public HostOrder Order => order;

        public DateTimeOffset SentAt { get; set; }

        public List<RunnerStep> Steps { get; } = [];

        public TaskCompletionSource<HostOrderResult> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
