namespace Marionette.Providers;

/// <content>Warm pools. The backend holds the truth: after a move of this grain its slots are listed again.</content>
internal sealed partial class ProviderGrain
{
    private static readonly TimeSpan Lately = TimeSpan.FromMinutes(1);

    private readonly List<WarmSlot> _warm = [];
    private readonly Dictionary<WarmPoolOptions, WarmPool> _pools = [];
    private bool _warmListed;

    private async Task ListWarmAsync(CancellationToken cancellationToken)
    {
        var found = new List<WarmSlot>();
        await foreach (var slot in Provider().ListWarmAsync(cancellationToken)) found.Add(slot);
        _warm.Clear();
        _warm.AddRange(found);
        _warmListed = true;
    }

    /// <summary>The oldest slot of the revision, which is then nobody else's here; the claim itself is the backend's.</summary>
    private string? ClaimWarm(RunnerProfile profile)
    {
        if (_warm.FirstOrDefault(slot => slot.Revision == profile.Revision) is not { } slot) return null;
        _warm.Remove(slot);
        if (PoolOf(profile.Revision) is { } pool) pool.Claimed.Add(clock.GetTimestamp());
        return slot.SlotId;
    }

    private Task KeepWarmAsync()
    {
        var provider = Provider();
        if (!provider.Capabilities.CanWarm || !_warmListed || !_health.MayTry) return Task.CompletedTask;
        var wanted = new HashSet<string>();
        foreach (var settings in _options.Warm)
        {
            if (!_pools.TryGetValue(settings, out var pool)) _pools[settings] = pool = new WarmPool(settings.ToProfile());
            wanted.Add(pool.Profile.Revision);
            pool.Forget(clock, Lately);
            var slots = _warm.Where(slot => slot.Profile == pool.Profile.Name).ToList();
            var (make, remove) = WarmPlan.Of(settings, pool.Profile.Revision, slots, pool.Making, pool.Claimed.Count, pool.Made.Count, clock.GetUtcNow());
            foreach (var slot in remove) RemoveWarm(provider, slot);
            for (var i = 0; i < make; i++) RunBeside(MakeWarmAsync(provider, pool), "warm");
        }

        // Slots of a pool that is not configured any more.
        var profiles = _pools.Values.Select(pool => pool.Profile.Name).ToHashSet();
        foreach (var slot in _warm.Where(slot => !profiles.Contains(slot.Profile) && !wanted.Contains(slot.Revision)).ToList()) RemoveWarm(provider, slot.SlotId);
        return Task.CompletedTask;
    }

    private async Task MakeWarmAsync(IRunnerProvider provider, WarmPool pool)
    {
        var now = clock.GetUtcNow();
        var id = EntityId.New("warm", now);
        pool.Making++;
        pool.Made.Add(clock.GetTimestamp());
        try
        {
            await provider.WarmAsync(new WarmSpec(id, pool.Profile), _gone.Token);
            _warm.Add(new WarmSlot(id, pool.Profile.Name, pool.Profile.Revision, now));
        }
        catch (ProviderException e)
        {
            if (e.Fault != ProviderFault.Rejected) _health.Failed(e.Message, e.RetryAfter);
            Log.WarmFailed(logger, id, provider.Name, e.Message);
        }
        finally
        {
            pool.Making--;
        }
    }

    private void RemoveWarm(IRunnerProvider provider, string slotId)
    {
        _warm.RemoveAll(slot => slot.SlotId == slotId);
        RunBeside(provider.ReleaseWarmAsync(slotId, CancellationToken.None), slotId);
    }

    private WarmPool? PoolOf(string revision) => _pools.Values.FirstOrDefault(pool => pool.Profile.Revision == revision);

    private sealed class WarmPool(RunnerProfile profile)
    {
        public RunnerProfile Profile => profile;

        public int Making { get; set; }

        /// <summary>When slots were claimed and made, for as long as it matters.</summary>
        public List<long> Claimed { get; } = [];

        public List<long> Made { get; } = [];

        public void Forget(TimeProvider clock, TimeSpan age)
        {
            Claimed.RemoveAll(at => clock.GetElapsedTime(at) > age);
            Made.RemoveAll(at => clock.GetElapsedTime(at) > age);
        }
    }
}
