using System.Globalization;

namespace Marionette.Providers.Conformance;

// Pauses, and what a profile asks for. What a backend cannot do it refuses, or says so in its capabilities.
public abstract partial class ProviderConformance
{
    [Fact]
    public async Task Pause_Running_StandsStill_AndGoesOn()
    {
        var handle = await RunningAsync(NewSpec());
        if (!Provider.Capabilities.CanPause)
        {
            await RejectedAsync(() => Provider.PauseAsync(handle, Cancel));
            Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(handle, Cancel)).State);
            return;
        }

        await Provider.PauseAsync(handle, Cancel);
        Assert.Equal(RunnerState.Paused, (await Provider.ObserveAsync(handle, Cancel)).State);
        await Provider.UnpauseAsync(handle, Cancel);
        Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(handle, Cancel)).State);
        Assert.Equal(0, (await InsideAsync(handle, "true")).Code);
    }

    [Fact]
    public async Task Pause_Twice_IsOnePause()
    {
        var handle = await RunningAsync(NewSpec());
        if (!Provider.Capabilities.CanPause)
        {
            await RejectedAsync(() => Provider.UnpauseAsync(handle, Cancel));
            return;
        }

        await Provider.UnpauseAsync(handle, Cancel); // it runs: a success
        await Provider.PauseAsync(handle, Cancel);
        await Another().PauseAsync(handle, Cancel);
        await Provider.UnpauseAsync(handle, Cancel);
        Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(handle, Cancel)).State);
    }

    [Fact]
    public async Task Pause_Unknown_IsRejected()
    {
        var unknown = new RunnerHandle("acme/run_unknown000000", 1);
        await RejectedAsync(() => Provider.PauseAsync(unknown, Cancel));
        await RejectedAsync(() => Provider.UnpauseAsync(unknown, Cancel));
    }

    [Fact]
    public async Task Paused_CanBeStoppedAndReleased()
    {
        if (!Provider.Capabilities.CanPause) return;
        var handles = new[] { await RunningAsync(NewSpec()), await RunningAsync(NewSpec()) };
        foreach (var handle in handles) await Provider.PauseAsync(handle, Cancel);
        await Provider.StopAsync(handles[0], Cancel);
        Assert.Equal(RunnerState.Exited, (await Provider.ObserveAsync(handles[0], Cancel)).State);
        await Provider.ReleaseAsync(handles[1], Cancel);
        Assert.Equal([handles[0]], await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Sandbox_ThatIsNotThere_IsRejectedAndLeavesNothing()
    {
        await RejectedAsync(() => Provider.EnsureAsync(NewSpec() with { Profile = RunnerProfile.Default with { Sandbox = "no-such-sandbox" } }, null, Cancel));
        Assert.Empty(await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Environment_OfTheProfile_IsInTheRunner()
    {
        var profile = RunnerProfile.Default with { Env = RunnerProfile.Default.Env.Add("FROM_THE_PROFILE", "a value = with signs") };
        var handle = await RunningAsync(NewSpec() with { Profile = profile });
        Assert.Equal("a value = with signs\n", (await InsideAsync(handle, "printenv FROM_THE_PROFILE")).Output);
    }

    [Fact]
    public async Task Memory_BeyondTheProfile_IsTheCauseOfDeath()
    {
        if (!Provider.Capabilities.Limits.HasFlag(RunnerLimits.Memory)) return;
        foreach (var how in (string[])["eats", "child-eats"])
        {
            var handle = await Provider.EnsureAsync(Acting(how), null, Cancel);
            Assert.Equal(DeathCauses.OutOfMemory, (await StateAsync(handle, RunnerState.Exited)).Cause);
        }
    }

    [Fact]
    public async Task Processes_BeyondTheProfile_AreRefused()
    {
        if (!Provider.Capabilities.Limits.HasFlag(RunnerLimits.Pids)) return;
        var handle = await RunningAsync(NewSpec() with { Profile = RunnerProfile.Default with { Pids = 32 } });
        var (_, output) = await InsideAsync(handle, "for i in $(seq 100); do sleep 20 & done; echo all");
        Assert.DoesNotContain("all\n", output, StringComparison.Ordinal);
        Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(handle, Cancel)).State);
    }

    [Fact]
    public async Task Cores_BeyondTheProfile_AreNotGiven()
    {
        if (!Provider.Capabilities.Limits.HasFlag(RunnerLimits.Cpu)) return;
        var few = await TurnsAsync(0.2);
        var more = await TurnsAsync(1);
        // A fifth, on a machine that has nothing else to do; what a sandbox says of its own processor time is its own business.
        Assert.InRange(few / more, 0.001, 0.5);

        async Task<double> TurnsAsync(double cores)
        {
            var handle = await RunningAsync(NewSpec() with { Profile = RunnerProfile.Default with { Cpus = cores } });
            var (_, output) = await InsideAsync(
                handle, "for n in 1 2; do timeout 2 sh -c 'trap \"echo turns \\$i; exit\" TERM; i=0; while :; do i=$((i+1)); done' & done; wait");
            var turns = output.Split('\n').Where(line => line.StartsWith("turns ", StringComparison.Ordinal)).Sum(line => double.Parse(line["turns ".Length..], CultureInfo.InvariantCulture));
            Assert.True(turns > 0, output);
            return turns;
        }
    }

    [Fact]
    public async Task Disk_BeyondTheProfile_IsRefused()
    {
        if (!Provider.Capabilities.Limits.HasFlag(RunnerLimits.Disk)) return;
        var handle = await RunningAsync(NewSpec() with { Profile = RunnerProfile.Default with { DiskMib = 32 } });
        Assert.NotEqual(0, (await InsideAsync(handle, "head -c 64M /dev/zero > big")).Code);
    }
}
