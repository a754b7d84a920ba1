using Marionette.Pools;
using Marionette.Runners;
using Marionette.TestSupport;

namespace Marionette.Cluster.Tests.Pools;

/// <summary>Who may join a pool, and which host takes a runner.</summary>
public sealed class PoolGrainTests(PostgresFixture postgres) : PoolTest(postgres)
{
    [Fact]
    public async Task AHost_Joins_TakesARunner_AndIsSeen()
    {
        await StartAsync();
        var host = await UpAsync();
        var (key, at) = await RunAsync();
        Assert.Equal(host.Id, at);
        Assert.True(host.Runners.ContainsKey(key));
        await Eventually.SeesAsync("where", () => Pool.WhereAsync(key, Cancel).AsTask(), found => found == host.Id, Cancel);
        await SeesHostAsync(host, view => view is { Runners: 1, CpusHeld: 2, MemoryHeldMib: 4096, DiskHeldMib: 2000 });
        var view = await Pool.GetAsync(Cancel);
        Assert.Equal((1, 1, 1, 4.0), (view.Hosts, view.Online, view.Runners, view.Cpus));
        Assert.Equal("running", (await host.Grain.ObserveAsync(key, 1, Cancel)).State);
    }

    [Fact]
    public async Task APoolThatIsNotConfigured_IsNotFound()
    {
        await StartAsync();
        var other = Grains.GetGrain<IPoolGrain>("other");
        await FailsAsync(FaultCode.NotFound, () => other.GetAsync(Cancel).AsTask());
        await FailsAsync(FaultCode.NotFound, () => other.CreateTokenAsync(new CreateJoinToken("x", [], null, 0), Cancel));
        var host = new ScriptedHost(Grains, "other", NewHost().Id);
        await FailsAsync(FaultCode.NotFound, () => host.JoinAsync("mj_x"));
    }

    [Fact]
    public async Task ATokenThatIsWrong_Revoked_Expired_OrUsedUp_IsRefused()
    {
        await StartAsync();
        await FailsAsync(FaultCode.TokenRefused, () => NewHost().JoinAsync("mj_wrong"));
        await FailsAsync(FaultCode.TokenRefused, () => NewHost().JoinAsync(""));

        var soon = TimeProvider.System.GetUtcNow() + TimeSpan.FromSeconds(1);
        var expiring = await Pool.CreateTokenAsync(new CreateJoinToken("short", [], soon, 0), Cancel);
        await Eventually.SeesAsync("time", () => Task.FromResult(TimeProvider.System.GetUtcNow()), now => now > soon, Cancel);
        Assert.Contains("expired", (await FailsAsync(FaultCode.TokenRefused, () => NewHost().JoinAsync(expiring.Token))).Message, StringComparison.Ordinal);

        var one = await TokenAsync(maxHosts: 1);
        var host = NewHost();
        await host.JoinAsync(one);
        Assert.Contains("used up", (await FailsAsync(FaultCode.TokenRefused, () => NewHost().JoinAsync(one))).Message, StringComparison.Ordinal);

        var token = await Pool.CreateTokenAsync(new CreateJoinToken("old", [], null, 0), Cancel);
        await Pool.RevokeTokenAsync(token.View.Id, Cancel);
        Assert.Contains("revoked", (await FailsAsync(FaultCode.TokenRefused, () => NewHost().JoinAsync(token.Token))).Message, StringComparison.Ordinal);

        // Who has joined stays, by its own secret alone; another's secret is refused.
        await host.JoinAsync("");
        var thief = new ScriptedHost(Grains, Name, host.Id) { Secret = new byte[32] };
        await FailsAsync(FaultCode.TokenRefused, () => thief.JoinAsync(one));

        var shown = await Pool.ListTokensAsync(Cancel);
        Assert.Equal(["short", "ci", "old"], shown.Select(view => view.Name));
        Assert.Equal(1, shown[1].Hosts);
        Assert.DoesNotContain(one, await ScalarAsync<string>("select state::text from marionette.grain_state where grain_type = 'pool' and grain_key = 'lab'") ?? one, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ATokenThatIsNotPossible_IsInvalid()
    {
        await StartAsync();
        var fault = await FailsAsync(
            FaultCode.Invalid, () => Pool.CreateTokenAsync(new CreateJoinToken("", ["Not A Tenant"], TimeProvider.System.GetUtcNow() - TimeSpan.FromHours(1), -1), Cancel));
        Assert.Equal(["name", "tenants", "expires_at", "max_hosts"], fault.Errors.Select(error => error.Field));
    }

    [Fact]
    public async Task Placement_KeepsToLabels_Tenants_Size_AndTellsWhy()
    {
        await StartAsync();
        var plain = await UpAsync();
        var big = await UpAsync(facts => facts with { Labels = facts.Labels.Add("gpu", "yes"), Cpus = 64, MemoryMib = 262_144 }, "acme");
        var shape = new RunnerShape { DiskMib = 1000 };
        Assert.Equal(big.Id, await Pool.PlaceAsync(Need(NewRunner(), shape with { HostLabels = shape.HostLabels.Add("gpu", "yes") }), Cancel));
        Assert.Equal(big.Id, await Pool.PlaceAsync(Need(NewRunner(), shape with { MemoryMib = 100_000 }), Cancel));
        Assert.Equal(plain.Id, await Pool.PlaceAsync(Need(NewRunner("other"), shape), Cancel));
        var fault = await FailsAsync(FaultCode.ProviderFailed, () => Pool.PlaceAsync(Need(NewRunner("other"), shape with { HostLabels = shape.HostLabels.Add("gpu", "yes") }), Cancel).AsTask());
        Assert.Contains("no label gpu=yes", fault.Message, StringComparison.Ordinal);
        Assert.Contains("not for tenant other", fault.Message, StringComparison.Ordinal);
        fault = await FailsAsync(FaultCode.ProviderFailed, () => Pool.PlaceAsync(Need(NewRunner(), shape with { Sandbox = "bwrap" }), Cancel).AsTask());
        Assert.Contains("no user namespaces", fault.Message, StringComparison.Ordinal);
        // Three of 4 GiB fit beside the one that was placed; then it is full for this tenant.
        for (var i = 0; i < 3; i++) await Pool.PlaceAsync(Need(NewRunner("other"), shape), Cancel);
        await FailsAsync(FaultCode.QueueFull, () => Pool.PlaceAsync(Need(NewRunner("other"), shape), Cancel).AsTask());
    }

    [Fact]
    public async Task AWorkspace_GoesWhereItsFilesLie()
    {
        await StartAsync();
        var hosts = new[] { await UpAsync(), await UpAsync() };
        var (key, at) = await RunAsync(workspace: "ws_0000000000000001");
        await hosts.First(host => host.Id == at).Grain.OrderAsync(Order(key, RunnerOrderKind.Release), TimeSpan.FromSeconds(10), Cancel);
        for (var i = 0; i < 2; i++) await Pool.PlaceAsync(Need(NewRunner()), Cancel);
        await SeesHostAsync(hosts.First(host => host.Id == at), view => view is { Runners: 0, Workspaces.Length: 1 });
        Assert.Equal(at, await Pool.PlaceAsync(Need(NewRunner(), workspace: "ws_0000000000000001"), Cancel));
        await hosts.First(host => host.Id == at).Grain.DrainAsync(true, Cancel);
        await SeesHostAsync(hosts.First(host => host.Id == at), view => view.Draining);
        var fault = await FailsAsync(FaultCode.QueueFull, () => Pool.PlaceAsync(Need(NewRunner(), workspace: "ws_0000000000000001"), Cancel).AsTask());
        Assert.Contains("draining", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task APlace_IsKept_UntilItIsRefused()
    {
        await StartAsync();
        await UpAsync();
        await UpAsync();
        var key = NewRunner();
        var first = await Pool.PlaceAsync(Need(key), Cancel);
        for (var i = 0; i < 5; i++) await Pool.PlaceAsync(Need(NewRunner()), Cancel);
        Assert.Equal(first, await Pool.PlaceAsync(Need(key), Cancel));
        Assert.NotEqual(first, await Pool.PlaceAsync(Need(key, refused: first), Cancel));
    }

    [Fact]
    public async Task AfterAMoveOfThePool_RunnersAreWhereTheyWere()
    {
        await StartAsync();
        await UpAsync();
        await UpAsync();
        var runs = new List<(string Key, string Host)>();
        for (var i = 0; i < 4; i++) runs.Add(await RunAsync());
        await DeactivateAsync(Pool);
        foreach (var (key, host) in runs)
        {
            var at = await Eventually.SeesAsync("place", async () =>
            {
                try
                {
                    return await Pool.PlaceAsync(Need(key), Cancel);
                }
                catch (MarionetteException e) when (e.Code == FaultCode.Unavailable)
                {
                    return null;
                }
            }, found => found is not null, Cancel);
            Assert.Equal(host, at);
        }

        Assert.Equal(4, (await Pool.ListRunnersAsync(Cancel)).Length);
    }

    [Fact]
    public async Task OneTenantPerHost_KeepsTenantsApart()
    {
        Settings["OneTenantPerHost"] = "true";
        await StartAsync();
        var hosts = new[] { await UpAsync(), await UpAsync() };
        var (_, acme) = await RunAsync("acme");
        var (_, other) = await RunAsync("other");
        Assert.NotEqual(acme, other);
        var third = NewRunner("third");
        Assert.Contains("another tenant", (await FailsAsync(FaultCode.QueueFull, () => Pool.PlaceAsync(Need(third), Cancel).AsTask())).Message, StringComparison.Ordinal);
        await FailsAsync(FaultCode.Conflict, () => hosts[0].Grain.OrderAsync(Ensure(third), TimeSpan.FromSeconds(1), Cancel));
        Assert.Equal(acme, (await RunAsync("acme")).Host);
    }

    [Fact]
    public async Task WhoWatches_IsToldOfEndsDenialsAndThrottles()
    {
        await StartAsync();
        var host = await UpAsync();
        var (key, _) = await RunAsync();
        await using var notices = Pool.WatchAsync(Cancel).GetAsyncEnumerator(Cancel);
        var next = notices.MoveNextAsync().AsTask();
        // The watch begins with the first call; until it has, what is told is lost, so it is told again.
        await Eventually.SeesAsync("denial", async () =>
        {
            await host.SayAsync(new HostRunnerBlocked(key, 1, new BlockedTarget("a.example.com", 443, "tcp", "not_listed", 1)));
            return next.IsCompleted;
        }, done => done, Cancel);
        Assert.True(await next);
        Assert.Equal("a.example.com", Assert.IsType<PoolRunnerBlocked>(notices.Current).Target.Target);
        var throttle = new RunnerThrottle(false, 0.1, "births_refused", 1);
        await host.SayAsync(new HostRunnerThrottled(key, 2, throttle)); // of no runner that is here
        await host.SayAsync(new HostRunnerThrottled(key, 1, throttle));
        await host.EndAsync(key, 1, "exited");
        do Assert.True(await notices.MoveNextAsync()); while (notices.Current is PoolRunnerBlocked);
        Assert.Equal(new PoolRunnerThrottled(key, 1, throttle), notices.Current);
        Assert.True(await notices.MoveNextAsync());
        Assert.Equal(new PoolRunnerEnded(key, 1), notices.Current);
    }
}
