namespace Marionette.Providers.Conformance;

// Warm slots and notices, where a backend has them.
public abstract partial class ProviderConformance
{
    private int _slots;

    [Fact]
    public async Task Warm_New_IsListed_AndNoRunner()
    {
        var spec = NewSlot();
        if (!Provider.Capabilities.CanWarm)
        {
            await RejectedAsync(() => Provider.WarmAsync(spec, Cancel));
            Assert.Empty(await WarmAsync(Provider));
            return;
        }

        await Provider.WarmAsync(spec, Cancel);
        await Provider.WarmAsync(spec, Cancel);
        var slot = Assert.Single(await WarmAsync(Another()));
        Assert.Equal((spec.SlotId, "small", "7"), (slot.SlotId, slot.Profile, slot.Revision));
        Assert.Empty(await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Warm_Several_AreListedInOrderOfTheirMaking()
    {
        if (!Provider.Capabilities.CanWarm) return;
        var specs = new[] { NewSlot(), NewSlot() };
        foreach (var spec in specs.Reverse()) await Provider.WarmAsync(spec, Cancel);
        Assert.Equal(specs.Length, (await WarmAsync(Provider)).Count);
        Assert.Equal((await WarmAsync(Provider)).OrderBy(slot => slot.CreatedAt).Select(slot => slot.SlotId), (await WarmAsync(Provider)).Select(slot => slot.SlotId));
    }

    [Fact]
    public async Task Claim_MakesTheSlotTheRunner()
    {
        if (!Provider.Capabilities.CanWarm) return;
        var slot = NewSlot();
        await Provider.WarmAsync(slot, Cancel);
        var spec = NewSpec() with { WarmSlot = slot.SlotId };
        var steps = new List<StartStep>();
        var handle = await Provider.EnsureAsync(spec, new Told(steps), Cancel);
        Assert.Contains(steps, step => step.Phase == "claim");
        Assert.Equal([spec.RunnerKey, "1", spec.Token], await SeenAsync(spec.WorkspaceId, spec.RunnerKey));
        Assert.Equal([handle], await OwnedAsync(Another()));
        Assert.Equal(RunnerState.Running, (await Another().ObserveAsync(handle, Cancel)).State);
        Assert.Empty(await WarmAsync(Provider));
    }

    [Fact]
    public async Task Claim_ByTwo_IsWonOnce_AndBothRun()
    {
        if (!Provider.Capabilities.CanWarm) return;
        var slot = NewSlot();
        await Provider.WarmAsync(slot, Cancel);
        var specs = new[] { NewSpec() with { WarmSlot = slot.SlotId }, NewSpec() with { WarmSlot = slot.SlotId } };
        var told = specs.Select(_ => new List<StartStep>()).ToArray();
        await Task.WhenAll(
            Provider.EnsureAsync(specs[0], new Told(told[0]), Cancel), Another().EnsureAsync(specs[1], new Told(told[1]), Cancel));
        foreach (var spec in specs) Assert.Equal(spec.Token, (await SeenAsync(spec.WorkspaceId, spec.RunnerKey))[2]);
        Assert.Equal(1, told.Count(steps => steps.Any(step => step.Phase == "claim")));
        Assert.Equal(2, (await OwnedAsync(Provider)).Count);
    }

    [Fact]
    public async Task Claim_Repeated_IsTheSameRunner()
    {
        if (!Provider.Capabilities.CanWarm) return;
        var slot = NewSlot();
        await Provider.WarmAsync(slot, Cancel);
        var spec = NewSpec() with { WarmSlot = slot.SlotId };
        await Provider.EnsureAsync(spec, null, Cancel);
        await SeenAsync(spec.WorkspaceId, spec.RunnerKey);
        await Another().EnsureAsync(spec, null, Cancel);
        Assert.Single(await OwnedAsync(Provider));
        Assert.Equal("start\n", await WorkspaceFileAsync(spec.WorkspaceId, "starts"));
    }

    [Fact]
    public async Task Claim_OfASlotThatIsGone_MakesANewRunner()
    {
        if (!Provider.Capabilities.CanWarm) return;
        var spec = NewSpec() with { WarmSlot = "warm_nowhere0000" };
        await RunningAsync(spec);
        Assert.Single(await OwnedAsync(Provider));
    }

    [Fact]
    public async Task Claim_ForAWorkspaceWithFiles_KeepsThem()
    {
        if (!Provider.Capabilities.CanWarm) return;
        var first = NewSpec();
        var handle = await RunningAsync(first);
        var note = await WorkspaceFileAsync(first.WorkspaceId, "note");
        await Provider.ReleaseAsync(handle, Cancel);
        var slot = NewSlot();
        await Provider.WarmAsync(slot, Cancel);
        await RunningAsync(NewSpec(first.WorkspaceId) with { WarmSlot = slot.SlotId });
        Assert.Equal(note, await WorkspaceFileAsync(first.WorkspaceId, "note"));
        Assert.Single(await WarmAsync(Provider));
    }

    [Fact]
    public async Task Workspace_ThatBeganInASlot_OutlivesItsRunner()
    {
        if (!Provider.Capabilities.CanWarm) return;
        var slot = NewSlot();
        await Provider.WarmAsync(slot, Cancel);
        var first = NewSpec() with { WarmSlot = slot.SlotId };
        var handle = await RunningAsync(first);
        await Provider.ReleaseAsync(handle, Cancel);
        Assert.Empty(await OwnedAsync(Provider));
        await RunningAsync(NewSpec(first.WorkspaceId));
        Assert.Equal($"written by {first.RunnerKey}\n", await WorkspaceFileAsync(first.WorkspaceId, "note"));
    }

    [Fact]
    public async Task Claimed_AfterACrash_RunsAgainInItsPlace()
    {
        if (!Provider.Capabilities.CanWarm) return;
        var slot = NewSlot();
        await Provider.WarmAsync(slot, Cancel);
        var spec = NewSpec() with { WarmSlot = slot.SlotId };
        var handle = await RunningAsync(spec);
        await CrashAsync(handle);
        await StateAsync(handle, RunnerState.Exited);
        await Provider.EnsureAsync(spec with { Token = "rtok_second" }, null, Cancel);
        await SeenAsync(spec.WorkspaceId, spec.RunnerKey, "rtok_second");
        Assert.Equal("start\nstart\n", await WorkspaceFileAsync(spec.WorkspaceId, "starts"));
    }

    [Fact]
    public async Task ReleaseWarm_Unclaimed_LeavesNothing()
    {
        var slot = NewSlot();
        if (Provider.Capabilities.CanWarm) await Provider.WarmAsync(slot, Cancel);
        await Provider.ReleaseWarmAsync(slot.SlotId, Cancel);
        await Provider.ReleaseWarmAsync(slot.SlotId, Cancel);
        Assert.Empty(await WarmAsync(Provider));
    }

    [Fact]
    public async Task ReleaseWarm_Claimed_LeavesTheRunner()
    {
        if (!Provider.Capabilities.CanWarm) return;
        var slot = NewSlot();
        await Provider.WarmAsync(slot, Cancel);
        var handle = await RunningAsync(NewSpec() with { WarmSlot = slot.SlotId });
        await Provider.ReleaseWarmAsync(slot.SlotId, Cancel);
        Assert.Equal(RunnerState.Running, (await Provider.ObserveAsync(handle, Cancel)).State);
    }

    [Fact]
    public async Task Watch_Death_IsTold()
    {
        using var life = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        if (!Provider.Capabilities.Watches)
        {
            await foreach (var _ in Provider.WatchAsync(life.Token)) Assert.Fail("It told something.");
            return;
        }

        await using var notices = Provider.WatchAsync(life.Token).GetAsyncEnumerator(life.Token);
        var next = notices.MoveNextAsync().AsTask();
        var handle = await RunningAsync(NewSpec());
        // The stream may begin a moment after its first step was asked for: the death is made after the agent was seen alive.
        await CrashAsync(handle);
        Assert.True(await next.WaitAsync(TimeSpan.FromSeconds(30), Cancel));
        Assert.Equal(new RunnerEndedNotice(handle.RunnerKey, handle.Epoch), notices.Current);
        await life.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            while (await notices.MoveNextAsync());
        });
    }

    [Fact]
    public async Task Egress_OfAProviderWithoutControl_IsRefused()
    {
        if (Provider.Capabilities.ControlsEgress) return;
        var handle = await RunningAsync(NewSpec());
        await RejectedAsync(() => Provider.ApplyEgressAsync(handle, EgressPolicy.Open, Cancel));
    }

    /// <summary>A warm slot that nobody has asked for yet.</summary>
    protected WarmSpec NewSlot() => new($"warm_{_slots++:d12}", RunnerProfile.Default with { Name = "small", Revision = "7" });

    /// <summary>Unclaimed slots.</summary>
    protected static async Task<List<WarmSlot>> WarmAsync(IRunnerProvider provider)
    {
        var slots = new List<WarmSlot>();
        await foreach (var slot in provider.ListWarmAsync(Cancel)) slots.Add(slot);
        return slots;
    }
}
