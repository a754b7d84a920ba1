using Marionette.Pools;

namespace Marionette.Gateway.Grpc.Hosts;

/// <summary>
/// A host's inventory, kept as new as its messages: a grain that comes to life on another silo is told of the host as it is now, not as it was when its
/// stream began.
/// </summary>
internal sealed class KnownRunners
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, HostRunnerView> _runners = new(StringComparer.Ordinal);
    private HostFacts _facts = new();

    public KnownRunners(HostInventory inventory) => Replace(inventory);

    public HostInventory Now
    {
        get
        {
            lock (_gate) return new HostInventory(_facts, [.. _runners.Values]);
        }
    }

    public void Hear(HostSaying saying)
    {
        switch (saying)
        {
            case HostInventoryTaken taken:
                Replace(taken.Inventory);
                break;
            case HostRunnerEnded ended:
                Put(ended.Runner);
                break;
            case HostOrderResult { Runner: { } runner }:
                Put(runner);
                break;
        }
    }

    private void Replace(HostInventory inventory)
    {
        lock (_gate)
        {
            _facts = inventory.Facts;
            _runners.Clear();
            foreach (var runner in inventory.Runners) _runners[runner.RunnerKey] = runner;
        }
    }

    private void Put(HostRunnerView runner)
    {
        lock (_gate)
        {
            if (_runners.TryGetValue(runner.RunnerKey, out var known) && known.Epoch > runner.Epoch) return;
            // A host's inventory does not have what is gone; nor does it have more than the next one may have.
            if (runner.State == "missing") _runners.Remove(runner.RunnerKey);
            else if (known is not null || _runners.Count < HostMapper.MaxRunners) _runners[runner.RunnerKey] = runner;
        }
    }
}
