namespace Marionette.Providers.Conformance;

// What runners may reach, tried with packets from inside, where a backend controls it. No case needs a server outside: a target that is let
// through fails as it may, and one that is held back is told of.
public abstract partial class ProviderConformance
{
    /// <summary>Target, port and protocol as the notice names them, the reason, the policy, and what is tried.</summary>
    public static TheoryData<string, int, string, string, string, string> HeldBack => new()
    {
        { "api.example.com", 443, "tcp", "not_listed", "allow_list:*.example.org", Tcp("api.example.com", 443) },
        { "example.org", 443, "tcp", "not_listed", "allow_list:*.example.org", Tcp("example.org", 443) },
        { "93.184.215.14", 80, "tcp", "not_listed", "allow_list:93.184.215.14:443", Tcp("93.184.215.14", 80) },
        { "api.example.com", 443, "tcp", "not_listed", "deny:", Tcp("api.example.com", 443) },
        { "93.184.215.14", 443, "tcp", "not_listed", "allow_list:api.example.com", Tcp("93.184.215.14", 443) },
        { "2606:2800::1", 443, "tcp", "not_listed", "allow_list:api.example.com", Tcp("2606:2800::1", 443) },
        { "169.254.169.254", 80, "tcp", "metadata", "open:", Tcp("169.254.169.254", 80) },
        { "10.1.2.3", 5432, "tcp", "private", "open:", Tcp("10.1.2.3", 5432) },
        { "192.168.1.1", 80, "tcp", "private", "open:0.0.0.0/0", Tcp("192.168.1.1", 80) },
        { "10.1.2.3", 9999, "udp", "private", "open:", "echo x > /dev/udp/10.1.2.3/9999" },
        { "93.184.215.14", 9999, "udp", "not_listed", "allow_list:api.example.com", "echo x > /dev/udp/93.184.215.14/9999" },
    };

    [Theory]
    [MemberData(nameof(HeldBack))]
    public async Task Egress_OfWhatIsNotAllowed_IsHeldBackAndTold(string target, int port, string protocol, string reason, string policy, string attempt)
    {
        if (!Provider.Capabilities.ControlsEgress) return;
        using var life = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await using var notices = Provider.WatchAsync(life.Token).GetAsyncEnumerator(life.Token);
        var next = notices.MoveNextAsync().AsTask();
        var handle = await RunningAsync(NewSpec() with { Egress = Policy(policy) });
        if (target.Contains(':', StringComparison.Ordinal) && (await InsideAsync(handle, "grep eth0 /proc/net/if_inet6")).Code != 0)
        {
            // No IPv6 in this backend's runners: then nothing gets out by it, and nobody is told of what never left.
            Assert.NotEqual(0, (await InsideAsync(handle, $"timeout 3 bash -c '{attempt}'")).Code);
            await life.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next);
            return;
        }

        await TryAsync(handle, attempt);
        Assert.Equal(new EgressBlockedNotice(handle.RunnerKey, 1, target, port, protocol, reason, 1), await BlockedAsync(notices, next) with { Count = 1 });
        await life.CancelAsync();
    }

    [Fact]
    public async Task Egress_Change_HoldsAtOnce()
    {
        if (!Provider.Capabilities.ControlsEgress) return;
        using var life = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await using var notices = Provider.WatchAsync(life.Token).GetAsyncEnumerator(life.Token);
        var next = notices.MoveNextAsync().AsTask();
        var handle = await RunningAsync(NewSpec() with { Egress = Policy("allow_list:api.example.com") });
        await TryAsync(handle, Tcp("api.example.com", 1001) + "; cat <&3"); // let through, and seen to its end: of it no notice may come
        await Provider.ApplyEgressAsync(handle, Policy("deny:"), Cancel);
        await TryAsync(handle, Tcp("api.example.com", 1002));
        Assert.Equal(new EgressBlockedNotice(handle.RunnerKey, 1, "api.example.com", 1002, "tcp", "not_listed", 1), await BlockedAsync(notices, next));
        await life.CancelAsync();
    }

    [Fact]
    public async Task Egress_OfAnEnsureAgain_IsItsPolicy()
    {
        if (!Provider.Capabilities.ControlsEgress) return;
        using var life = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var other = Another();
        await using var notices = other.WatchAsync(life.Token).GetAsyncEnumerator(life.Token);
        var next = notices.MoveNextAsync().AsTask();
        var spec = NewSpec() with { Egress = Policy("allow_list:api.example.com") };
        var handle = await RunningAsync(spec);
        await other.EnsureAsync(spec with { Egress = Policy("deny:") }, null, Cancel);
        await TryAsync(handle, Tcp("api.example.com", 1003));
        Assert.Equal(1003, (await BlockedAsync(notices, next)).Port);
        await life.CancelAsync();
    }

    [Fact]
    public async Task Egress_OfAWarmRunner_IsItsClaimers()
    {
        if (!Provider.Capabilities.ControlsEgress || !Provider.Capabilities.CanWarm) return;
        using var life = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await using var notices = Provider.WatchAsync(life.Token).GetAsyncEnumerator(life.Token);
        var next = notices.MoveNextAsync().AsTask();
        var slot = NewSlot();
        await Provider.WarmAsync(slot, Cancel);
        var handle = await RunningAsync(NewSpec() with { WarmSlot = slot.SlotId, Egress = Policy("allow_list:api.example.com") });
        await TryAsync(handle, Tcp("api.example.com", 1004));
        await TryAsync(handle, Tcp("www.example.com", 1005));
        Assert.Equal((handle.RunnerKey, 1005), (await BlockedAsync(notices, next) is var blocked ? blocked.RunnerKey : "", blocked.Port));
        await life.CancelAsync();
    }

    [Fact]
    public async Task Egress_ChangeOfAnUnknownRunner_IsRejected() =>
        await RejectedAsync(() => Provider.ApplyEgressAsync(new RunnerHandle("acme/run_unknown000000", 1), EgressPolicy.Open, Cancel));

    private static string Tcp(string host, int port) => $"exec 3<>/dev/tcp/{host}/{port}";

    private static EgressPolicy Policy(string text) => new(
        text[..text.IndexOf(':')] switch { "open" => EgressMode.Open, "allow_list" => EgressMode.AllowList, _ => EgressMode.Deny },
        [.. text[(text.IndexOf(':') + 1)..].Split(',', StringSplitOptions.RemoveEmptyEntries)]);

    /// <summary>It fails either way: what is allowed leads nowhere here. A hang is cut.</summary>
    private async Task TryAsync(RunnerHandle handle, string attempt) => await InsideAsync(handle, $"timeout 15 bash -c '{attempt}' 2>&1; true");

    private static async Task<EgressBlockedNotice> BlockedAsync(IAsyncEnumerator<ProviderNotice> notices, Task<bool> next)
    {
        while (await next.WaitAsync(TimeSpan.FromSeconds(20), Cancel))
        {
            if (notices.Current is EgressBlockedNotice blocked) return blocked;
            next = notices.MoveNextAsync().AsTask();
        }

        throw new InvalidOperationException("The notices ended.");
    }
}
