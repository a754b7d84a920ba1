using Docker.DotNet;
using Docker.DotNet.Models;

namespace Marionette.Providers.Docker.Tests;

/// <summary>
/// Whatever breaks off and whatever somebody does to our containers: after the comparisons that the provider's grain makes, nothing of ours is on
/// the engine but what is live. MARIONETTE_ORPHAN_STEPS says how many steps are made, MARIONETTE_ORPHAN_SEED makes a run again.
/// </summary>
public sealed class DockerOrphanTests(EngineFixture fixture, ITestOutputHelper output) : IAsyncLifetime
{
    private const int MostLive = 6;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(180);
    private static readonly RunnerProfile Small = RunnerProfile.Default with { MemoryMib = 64 };

    private readonly Dictionary<RunnerHandle, RunnerSpec> _live = [];
    private readonly Dictionary<string, int> _done = [];
    private readonly List<string> _slots = [];
    private DockerWorld _world = null!;
    private DockerProvider _provider = null!;
    private Random _random = null!;
    private int _made;

    public ValueTask InitializeAsync()
    {
        _world = new DockerWorld(fixture);
        _provider = _world.Provider;
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        if (_world is not null) await _world.DisposeAsync();
    }

    [Fact]
    public async Task RandomSteps_ThenComparisons_LeaveOnlyWhatIsLive()
    {
        var steps = int.TryParse(Environment.GetEnvironmentVariable("MARIONETTE_ORPHAN_STEPS"), out var given) ? given : 60;
        var seed = int.TryParse(Environment.GetEnvironmentVariable("MARIONETTE_ORPHAN_SEED"), out var fixedSeed) ? fixedSeed : new Random().Next();
        output.WriteLine($"MARIONETTE_ORPHAN_SEED={seed} MARIONETTE_ORPHAN_STEPS={steps}");
        TestContext.Current.SendDiagnosticMessage("orphans: seed {0}, {1} steps", seed, steps);
        _random = new Random(seed);
        for (var i = 0; i < steps; i++) await StepAsync();
        await SettleAsync();
        foreach (var (handle, spec) in _live)
        {
            // What is live can still be used, whatever befell it.
            // A start that was broken off may have left an agent that runs yet and is about to end for want of its configuration: it is started again.
            for (var began = TimeProvider.System.GetTimestamp(); ;)
            {
                await _provider.EnsureAsync(spec, null, Cancel);
                var state = await _provider.ObserveAsync(handle, Cancel);
                if (state.State == RunnerState.Running) break;
                Assert.True(TimeProvider.System.GetElapsedTime(began) < Patience, $"{handle.RunnerKey} is {state}, not Running");
            }
        }

        var kept = _live.Count;
        _live.Clear();
        await SettleAsync();
        output.WriteLine($"{string.Join(", ", _done.OrderBy(step => step.Key).Select(step => $"{step.Key} {step.Value}"))}; {kept} live at the end, then none; nothing left");
    }

    private Task StepAsync() => _random.Next(100) switch
    {
        < 24 when _live.Count < MostLive => BrokenOffAsync("create", CreateAsync),
        < 34 => BrokenOffAsync("warm", WarmAsync),
        < 48 when _live.Count < MostLive && _slots.Count > 0 => BrokenOffAsync("claim", ClaimAsync),
        < 54 => BrokenOffAsync("ensure again", EnsureAgainAsync),
        < 70 => BrokenOffAsync("release", ReleaseAsync),
        < 76 => BrokenOffAsync("stop", StopAsync),
        < 80 when _slots.Count > 0 => BrokenOffAsync("release warm", ReleaseWarmAsync),
        < 90 => BehindOurBackAsync("kill", id => _world.Containers.KillContainerAsync(id, new ContainerKillParameters { Signal = "SIGKILL" }, Cancel)),
        _ => BehindOurBackAsync("remove", id => _world.Containers.RemoveContainerAsync(id, new ContainerRemoveParameters { Force = true }, Cancel)),
    };

    private Task CreateAsync(CancellationToken token) => _provider.EnsureAsync(Recorded(null), null, token);

    private Task ClaimAsync(CancellationToken token)
    {
        var slot = _slots[_random.Next(_slots.Count)];
        _slots.Remove(slot);
        return _provider.EnsureAsync(Recorded(slot), null, token);
    }

    private Task WarmAsync(CancellationToken token)
    {
        var slot = $"warm_{_made++:d16}";
        if (_slots.Count < 3) _slots.Add(slot); // the others are forgotten, as by a pool that grew smaller
        return _provider.WarmAsync(new WarmSpec(slot, Small), token);
    }

    private Task EnsureAgainAsync(CancellationToken token) => AnyLive() is { } handle ? _provider.EnsureAsync(_live[handle], null, token) : Task.CompletedTask;

    private Task StopAsync(CancellationToken token) => AnyLive() is { } handle ? _provider.StopAsync(handle, token) : Task.CompletedTask;

    private Task ReleaseAsync(CancellationToken token)
    {
        if (AnyLive() is not { } handle) return Task.CompletedTask;
        _live.Remove(handle); // the record is written first
        return _provider.ReleaseAsync(handle, token);
    }

    private Task ReleaseWarmAsync(CancellationToken token)
    {
        var slot = _slots[_random.Next(_slots.Count)];
        _slots.Remove(slot);
        return _provider.ReleaseWarmAsync(slot, token);
    }

    /// <summary>A third of the calls end in the middle, and the process that made them with them: another one goes on.</summary>
    private async Task BrokenOffAsync(string step, Func<CancellationToken, Task> call)
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var breaks = _random.Next(3) == 0;
        if (breaks) life.CancelAfter(_random.Next(200));
        try
        {
            await call(life.Token);
            Count(step);
        }
        catch (Exception e) when (e is ProviderException or OperationCanceledException && !Cancel.IsCancellationRequested)
        {
            Count($"{step} that broke off");
        }

        if (breaks) _provider = _world.Make();
    }

    private async Task BehindOurBackAsync(string step, Func<string, Task> act)
    {
        var containers = await ContainersAsync();
        if (containers.Count == 0) return;
        try
        {
            await act(containers[_random.Next(containers.Count)].ID);
            Count(step);
        }
        catch (DockerApiException)
        {
            // It does not run, or is going already.
        }
    }

    /// <summary>As the grain does once a minute, until nothing is left to do: a call that broke off may still be under way on the engine.</summary>
    private async Task SettleAsync()
    {
        var began = TimeProvider.System.GetTimestamp();
        _slots.Clear(); // no pool is wanted any more
        while (true)
        {
            var later = _world.Make(clock: new LaterClock(TimeSpan.FromMinutes(5)));
            await foreach (var handle in later.ListOwnedAsync(Cancel))
                if (!_live.ContainsKey(handle)) await later.ReleaseAsync(handle, Cancel);
            var warm = new List<WarmSlot>();
            await foreach (var slot in later.ListWarmAsync(Cancel)) warm.Add(slot);
            foreach (var slot in warm) await later.ReleaseWarmAsync(slot.SlotId, Cancel);
            var left = await OrphansAsync();
            if (left.Count == 0) return;
            Assert.True(TimeProvider.System.GetElapsedTime(began) < Patience, $"left: {string.Join(", ", left)}; live: {string.Join(", ", _live.Keys)}");
        }
    }

    private async Task<List<string>> OrphansAsync()
    {
        var left = (await ContainersAsync()).SelectMany(container => container.Names.Take(1)).Where(name => !IsLive(_world.Names.RunnerOf(name))).ToList();
        var volumes = ((await fixture.Client.Volumes.ListAsync(new VolumesListParameters { Filters = _world.Names.Ours() }, Cancel)).Volumes ?? []).ToList();
        var filesAt = volumes.Select(volume => volume.Labels.TryGetValue(ResourceNames.FilesAt, out var at) ? at : null).OfType<string>().ToHashSet();
        var claimed = volumes.Where(volume => volume.Labels[ResourceNames.Role] == ResourceNames.ClaimRole && IsLive(ResourceNames.RunnerOf(volume.Labels)))
            .Select(volume => volume.Name).ToHashSet();
        left.AddRange(volumes.Where(volume => !IsWanted(volume)).Select(volume => volume.Name));
        return left;

        bool IsWanted(VolumeResponse volume)
        {
            var slot = volume.Labels.TryGetValue(ResourceNames.Slot, out var name) ? name : null;
            if (slot is not null && claimed.Contains(_world.Names.Claim(slot))) return true;
            return volume.Labels[ResourceNames.Role] switch
            {
                // Files are kept until somebody removes them: those of workspaces, wherever they lie.
                ResourceNames.FilesRole => slot is null || filesAt.Any(at => volume.Name == at || volume.Name == ResourceNames.Home(at)),
                _ => IsLive(ResourceNames.RunnerOf(volume.Labels)),
            };
        }
    }

    private bool IsLive(RunnerHandle? handle) => handle is not null && _live.ContainsKey(handle);

    private async Task<IList<ContainerListResponse>> ContainersAsync() =>
        await _world.Containers.ListContainersAsync(new ContainersListParameters { All = true, Filters = _world.Names.Ours() }, Cancel);

    private RunnerHandle? AnyLive() => _live.Count == 0 ? null : _live.Keys.ElementAt(_random.Next(_live.Count));

    private RunnerSpec Recorded(string? slot)
    {
        var spec = _world.NewSpec(Small) with { WarmSlot = slot };
        _live.Add(new RunnerHandle(spec.RunnerKey, spec.Epoch), spec);
        return spec;
    }

    private void Count(string step) => _done[step] = _done.GetValueOrDefault(step) + 1;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;
}
