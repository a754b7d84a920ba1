using System.Collections.Concurrent;
using System.Collections.Immutable;
using Marionette.Pools;
using Marionette.Runners;

namespace Marionette.Cluster.Tests.Pools;

/// <summary>A host, and the gateway's end of its stream, in memory: it does what it is ordered, unless it is told to be deaf.</summary>
internal sealed class ScriptedHost(IGrainFactory grains, string pool, string id) : IHostConnection, IAsyncDisposable
{
    private IHostConnection? _reference;
    private string _connectionId = "";
    private CancellationTokenSource _up = new();
    private Task _beating = Task.CompletedTask;

    public string Id => id;

    public HostFacts Facts { get; set; } = new()
    {
        Name = $"box-{id[^4..]}", Version = "1", System = "Linux", BootId = "boot-1", Cpus = 4, MemoryMib = 16_384, DiskMib = 100_000,
        Sandboxes = [new HostSandbox("runsc", true, "", ["cpu", "disk", "memory", "pids"], true, true), new HostSandbox("bwrap", false, "no user namespaces", [], false, false)],
        Agents = [new HostAgent("claude", "claude", "/usr/bin/claude", "2.0")],
    };

    public byte[] Secret { get; init; } = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    /// <summary>What is on it.</summary>
    public ConcurrentDictionary<string, HostRunnerView> Runners { get; } = new();

    public ConcurrentQueue<HostOrder> Orders { get; } = new();

    /// <summary>Hears orders and does not answer.</summary>
    public bool IsDeaf { get; set; }

    /// <summary>What a start ends with; null: it works.</summary>
    public (string Kind, string Message)? Fault { get; set; }

    public bool? Dismissed { get; private set; }

    public IHostGrain Grain => grains.GetGrain<IHostGrain>(PoolKeys.OfHost(pool, id));

    public int Count<T>(Func<T, bool>? which = null) where T : HostOrder => Orders.OfType<T>().Count(which ?? (_ => true));

    public int Releases => Count<RunnerOrder>(order => order.Kind == RunnerOrderKind.Release);

    public async Task JoinAsync(string token)
    {
        await Grain.HelloAsync(new HostHelloCommand(token, Secret, Facts));
        await AttachAsync();
    }

    public async Task AttachAsync()
    {
        _reference ??= grains.CreateObjectReference<IHostConnection>(this);
        _connectionId = Guid.NewGuid().ToString("n");
        await Grain.AttachAsync(_connectionId, new HostInventory(Facts, [.. Runners.Values]), _reference);
        await SilenceAsync();
        _up = new CancellationTokenSource();
        _beating = BeatAsync(_up.Token);
    }

    public async Task DetachAsync()
    {
        await SilenceAsync();
        await Grain.DetachAsync(_connectionId, goodbye: false);
    }

    /// <summary>No more heartbeats, and nobody is told.</summary>
    public async Task SilenceAsync()
    {
        await _up.CancelAsync();
        await _beating.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public async ValueTask DisposeAsync()
    {
        await SilenceAsync();
        _up.Dispose();
    }

    public Task SayAsync(HostSaying saying) => Grain.HeardAsync(_connectionId, saying);

    public Task EndAsync(string key, int? exitCode, string cause)
    {
        var ended = Runners[key] with { State = "exited", ExitCode = exitCode, Cause = cause };
        Runners[key] = ended;
        return SayAsync(new HostRunnerEnded(ended));
    }

    public async Task OnOrderAsync(HostOrder order)
    {
        Orders.Enqueue(order);
        if (!IsDeaf) await SayAsync(Do(order));
    }

    public Task OnClosedAsync(string reason, bool dismissed)
    {
        Dismissed = dismissed;
        return Task.CompletedTask;
    }

    private async Task BeatAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        while (await timer.WaitForNextTickAsync(cancellationToken)) await SayAsync(new HostAlive(new HostLoad(0.25, 1000, 50_000)));
    }

    private HostOrderResult Do(HostOrder order)
    {
        var none = new HostRunnerView(order.RunnerKey, order.Epoch, "missing");
        switch (order)
        {
            case EnsureRunnerOrder when Fault is { } fault:
                return new HostOrderResult(order.OrderId, fault.Kind, fault.Message, 0, null);
            case EnsureRunnerOrder ensure:
                var made = new HostRunnerView(order.RunnerKey, order.Epoch, "running") { Sandbox = "runsc", WorkspaceId = ensure.WorkspaceId };
                Runners[order.RunnerKey] = made;
                return new HostOrderResult(order.OrderId, null, null, 0, made) { Steps = [new RunnerStep("sandbox", 12, null)] };
            case RunnerOrder { Kind: RunnerOrderKind.Release }:
                Runners.TryRemove(new KeyValuePair<string, HostRunnerView>(order.RunnerKey, Runners.GetValueOrDefault(order.RunnerKey, none)));
                return new HostOrderResult(order.OrderId, null, null, 0, none);
            default:
                return new HostOrderResult(order.OrderId, null, null, 0, Runners.GetValueOrDefault(order.RunnerKey, none));
        }
    }
}
