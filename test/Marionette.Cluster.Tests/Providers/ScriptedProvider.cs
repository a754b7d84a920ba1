using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Marionette.Providers;

namespace Marionette.Cluster.Tests.Providers;

/// <summary>A backend in memory that does as it is told: the provider's grain is what is tested over it.</summary>
internal sealed class ScriptedProvider(string name, bool canPause = true) : IRunnerProvider
{
    private readonly Channel<ProviderNotice> _notices = Channel.CreateUnbounded<ProviderNotice>();

    public string Name => name;

    public ProviderCapabilities Capabilities { get; } = new("none", canPause, true) { Watches = true, CanWarm = true, ControlsEgress = true };

    public ConcurrentDictionary<string, RunnerHandle> Runners { get; } = new();

    /// <summary>Runners that stand still.</summary>
    public ConcurrentDictionary<string, RunnerHandle> Paused { get; } = new();

    /// <summary>Thrown by every pause and every end of one while it is set.</summary>
    public ProviderException? PauseFailure { get; set; }

    public ConcurrentDictionary<string, WarmSlot> Slots { get; } = new();

    public ConcurrentDictionary<string, EgressPolicy> Policies { get; } = new();

    public ConcurrentQueue<RunnerSpec> Started { get; } = new();

    /// <summary>Thrown by every start while it is set.</summary>
    public ProviderException? Failure { get; set; }

    /// <summary>Tenants that there is no room for.</summary>
    public ConcurrentBag<string> Full { get; } = [];

    /// <summary>Starts and pauses wait for it.</summary>
    public TaskCompletionSource Gate { get; set; } = Open();

    public int Tries { get; private set; }

    public static TaskCompletionSource Open()
    {
        var gate = new TaskCompletionSource();
        gate.SetResult();
        return gate;
    }

    public async Task<RunnerHandle> EnsureAsync(RunnerSpec spec, IProgress<StartStep>? progress, CancellationToken cancellationToken)
    {
        Tries++;
        await Gate.Task.WaitAsync(cancellationToken);
        if (Failure is { } failure) throw failure;
        if (Full.FirstOrDefault(tenant => GrainKeys.Split(spec.RunnerKey).Tenant == tenant) is { } full)
            throw new ProviderException(ProviderFault.Capacity, $"There is no room for {full} now.");
        progress?.Report(new StartStep("create", TimeSpan.FromMilliseconds(5)));
        if (spec.WarmSlot is { } slot) Slots.TryRemove(slot, out _);
        var handle = new RunnerHandle(spec.RunnerKey, spec.Epoch);
        Runners[spec.RunnerKey] = handle;
        Policies[spec.RunnerKey] = spec.Egress;
        Started.Enqueue(spec);
        return handle;
    }

    public Task<RunnerObservedState> ObserveAsync(RunnerHandle handle, CancellationToken cancellationToken) => Task.FromResult(
        Runners.ContainsKey(handle.RunnerKey) ? new RunnerObservedState(Paused.ContainsKey(handle.RunnerKey) ? RunnerState.Paused : RunnerState.Running) : new RunnerObservedState(RunnerState.Missing, Cause: DeathCauses.Removed));

    public Task StopAsync(RunnerHandle handle, CancellationToken cancellationToken) => Task.CompletedTask;

    public Task ReleaseAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        Paused.TryRemove(handle.RunnerKey, out _);
        Runners.TryRemove(handle.RunnerKey, out _);
        return Task.CompletedTask;
    }

    public async Task PauseAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        await Gate.Task.WaitAsync(cancellationToken);
        MustBe(handle);
        Paused[handle.RunnerKey] = handle;
    }

    public Task UnpauseAsync(RunnerHandle handle, CancellationToken cancellationToken)
    {
        MustBe(handle);
        Paused.TryRemove(handle.RunnerKey, out _);
        return Task.CompletedTask;
    }

    private void MustBe(RunnerHandle handle)
    {
        if (PauseFailure is { } failure) throw failure;
        if (!Runners.ContainsKey(handle.RunnerKey)) throw new ProviderException(ProviderFault.Rejected, $"{handle.RunnerKey} does not run.");
    }

    public Task ApplyEgressAsync(RunnerHandle handle, EgressPolicy policy, CancellationToken cancellationToken)
    {
        Policies[handle.RunnerKey] = policy;
        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<RunnerHandle> ListOwnedAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        foreach (var handle in Runners.Values) yield return handle;
    }

    public IAsyncEnumerable<ProviderNotice> WatchAsync(CancellationToken cancellationToken) => _notices.Reader.ReadAllAsync(cancellationToken);

    public void Tell(ProviderNotice notice) => _notices.Writer.TryWrite(notice);

    public Task WarmAsync(WarmSpec spec, CancellationToken cancellationToken)
    {
        Slots[spec.SlotId] = new WarmSlot(spec.SlotId, spec.Profile.Name, spec.Profile.Revision, DateTimeOffset.UnixEpoch.AddYears(80));
        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<WarmSlot> ListWarmAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await Task.CompletedTask;
        foreach (var slot in Slots.Values.OrderBy(slot => slot.SlotId)) yield return slot;
    }

    public Task ReleaseWarmAsync(string slotId, CancellationToken cancellationToken)
    {
        Slots.TryRemove(slotId, out _);
        return Task.CompletedTask;
    }
}
